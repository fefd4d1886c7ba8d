"""Running code over HTTP: at once, as a stream, many together, and judged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from afield.api.code_bodies import (
    BatchBody,
    BatchItemBody,
    BatchReportBody,
    JudgeBody,
    JudgementBody,
    PoolBody,
    PoolsBody,
    RunBody,
    RunReportBody,
    RuntimeBody,
    RuntimesBody,
)
from afield.api.code_runtime import RunnerDep
from afield.api.code_stream import streamed
from afield.api.executions import IdempotencyKey
from afield.api.problems import problem_of, respond
from afield.api.runtime import PrincipalDep, RuntimeDep, TenantDep
from afield.api.sse import MEDIA_TYPE
from afield.coderunner.pool_errors import QueueFullError
from afield.coderunner.pools import pools_of

router = APIRouter(prefix="/code", tags=["code"])

_PoolQuery = Annotated[
    str | None, Query(description="A target's name or id; without it, the pool of this installation.")
]
_STREAM: Mapping[str, Any] = {
    "description": "Also as server-sent events: `stage`, `data`, `exit`, and `result` or `error` at the end.",
    "content": {MEDIA_TYPE: {"example": 'event: data\ndata: {"stream":"stdout","data":"42\\n"}\n\n'}},
}
_RESPONSES: Mapping[int | str, dict[str, Any]] = {
    200: dict(_STREAM),
    202: {"model": RunReportBody, "description": "It goes on; its execution shows what becomes of it."},
    409: {"description": "The idempotency key was used before with another body."},
    429: {"description": "Too many runs of yours wait; `Retry-After` says when to ask again."},
    503: {"description": "Too many runs wait, or the pool is away; `Retry-After` says when to ask again."},
}


async def on_queue_full(_request: Request, error: Exception) -> Response:
    """Answer with the time after which it makes sense to ask again."""
    assert isinstance(error, QueueFullError)
    return respond(problem_of(error), {"retry-after": str(error.retry_after)})


@router.post("/runs", response_model=RunReportBody, responses=dict(_RESPONSES))
async def run_code(
    *,
    body: RunBody,
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    runner: RunnerDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKey = None,
) -> RunReportBody | StreamingResponse:
    """Run a program and answer when it has ended. With `Accept: text/event-stream` the same as `runs/stream`."""
    wanted, user = body.request(idempotency_key), principal.name
    if MEDIA_TYPE in request.headers.get("accept", ""):
        return await streamed(runner, wanted, user=user, tenant_id=runtime.tenant_id, closing=runtime.closing)
    report = await runner.run(wanted, user=user, tenant_id=runtime.tenant_id)
    response.status_code = 200 if report.execution.complete else 202
    response.headers["location"] = f"/api/v1/executions/{report.execution.id}"
    return RunReportBody.of(report)


@router.post("/runs/stream", response_class=StreamingResponse, responses={200: dict(_STREAM)})
async def stream_code(
    body: RunBody,
    runtime: RuntimeDep,
    runner: RunnerDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKey = None,
) -> StreamingResponse:
    """Run a program and show what it prints as it prints it. A client that leaves ends the run."""
    wanted = body.request(idempotency_key)
    return await streamed(runner, wanted, user=principal.name, tenant_id=runtime.tenant_id, closing=runtime.closing)


@router.post("/batches")
async def run_batch(
    body: BatchBody,
    tenant_id: TenantDep,
    runner: RunnerDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKey = None,
) -> BatchReportBody:
    """Run up to 50 programs, each in its turn. What is wrong with one does not touch the others."""
    answers = await runner.batch(body.requests(idempotency_key), user=principal.name, tenant_id=tenant_id)
    return BatchReportBody(items=[BatchItemBody.of(one) for one in answers])


@router.post("/judge")
async def judge_code(
    body: JudgeBody, tenant_id: TenantDep, runner: RunnerDep, principal: PrincipalDep
) -> JudgementBody:
    """Run a solution on all tests of a problem, and compare what it prints."""
    problem = await asyncio.to_thread(body.the_problem)
    judgement = await runner.judge(problem, body.submission(), user=principal.name, pool=body.pool, tenant_id=tenant_id)
    return JudgementBody.of(judgement)


@router.get("/runtimes")
async def list_code_runtimes(runner: RunnerDep, tenant_id: TenantDep, pool: _PoolQuery = None) -> RuntimesBody:
    """The languages of a pool, in the versions that are installed there."""
    found = await runner.runtimes(pool, tenant_id=tenant_id)
    return RuntimesBody(items=[RuntimeBody.model_validate(one) for one in found])


@router.get("/pools")
async def list_code_pools(runtime: RuntimeDep, runner: RunnerDep) -> PoolsBody:
    """All pools that run code: sessions in use, who waits, what they serve and what they bear for long."""
    names = await pools_of(runtime.kernel, runtime.tenant_id)
    views = [await runner.pool_view(name, tenant_id=runtime.tenant_id) for name in names]
    return PoolsBody(items=[PoolBody.of(view) for view in views])


@router.get("/pools/{pool}")
async def show_code_pool(pool: str, runner: RunnerDep, tenant_id: TenantDep) -> PoolBody:
    """One of them."""
    return PoolBody.of(await runner.pool_view(pool, tenant_id=tenant_id))
