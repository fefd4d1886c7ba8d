"""Provisioning: from a company's website to data one can talk to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from afield.api.events import LastEventId
from afield.api.executions import IdempotencyKey
from afield.api.provision_bodies import (
    AssetsBody,
    CrazyFrogBody,
    HistoryBody,
    JobBody,
    JobChangeBody,
    MetadataBody,
    StartBody,
    StartedBody,
    StatusBody,
)
from afield.api.provision_runtime import Provisioning, ProvisioningDep
from afield.api.provision_stream import pieces
from afield.api.runtime import PrincipalDep, RuntimeDep
from afield.api.sse import MEDIA_TYPE
from afield.errors import NotFoundError
from afield.provisioning.agents.names import AgentName
from afield.provisioning.assets import OUTPUT, Shelf
from afield.provisioning.cloud_log import trace_of
from afield.provisioning.jobs import NewOrder
from afield.provisioning.llm.account import Account
from afield.provisioning.store import Job, JobStatus
from afield.security.people import Principal

router = APIRouter(prefix="/api/provision", tags=["provisioning"])

JobId = Annotated[UUID, Path(description="The job's id, from `start`.")]
CloudTrace = Annotated[str | None, Header(alias="x-cloud-trace-context", max_length=200)]
TraceParent = Annotated[str | None, Header(alias="traceparent", max_length=200)]

_STREAM: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "`id` is the entry's number, `event` one of stage, log, progress, result, error, done.",
        "content": {MEDIA_TYPE: {"example": 'id: 7\nevent: progress\ndata: {"number":7,"agent":"Research Agent"}\n\n'}},
    },
    204: {"description": "The job has ended, and nothing comes after `Last-Event-ID`. Browsers then stop asking."},
}
_YAML: Mapping[int | str, dict[str, Any]] = {200: {"content": {"application/yaml": {}}}}
_YAML_FILE = "instructions.yaml"


# ------------------------------------------------------------------------------------------- starting


@router.post("/start", status_code=202)
async def start_job(
    *,
    body: StartBody,
    provisioning: ProvisioningDep,
    principal: PrincipalDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    cloud_trace: CloudTrace = None,
    traceparent: TraceParent = None,
) -> StartedBody:
    """Make a demo for a company's website. Answers at once; a worker does the work, and `status` and `stream` tell of
    it."""
    trace = trace_of(cloud_trace, traceparent)
    return await _started(provisioning, body, principal, response, idempotency_key, trace)


@router.post("/crazy-frog", status_code=202)
async def start_advanced_job(
    *,
    body: CrazyFrogBody,
    provisioning: ProvisioningDep,
    principal: PrincipalDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    cloud_trace: CloudTrace = None,
    traceparent: TraceParent = None,
) -> StartedBody:
    """The same in the advanced mode: the story, the model and the instructions follow what is asked for."""
    trace = trace_of(cloud_trace, traceparent)
    return await _started(provisioning, body, principal, response, idempotency_key, trace)


async def _started(  # noqa: PLR0917 - the parts of one request
    provisioning: Provisioning, body: StartBody, who: Principal, response: Response, key: str | None, trace: str
) -> StartedBody:
    order = NewOrder(brief=body.brief(), project_id=body.project_id, trace_id=trace, key=key)
    job = await provisioning.jobs.start(order, who)
    return _accepted(job, response, "The job is recorded; a worker takes it from there.")


def _accepted(job: Job, response: Response, message: str) -> StartedBody:
    response.headers["location"] = f"/api/provision/status/{job.id}"
    return StartedBody.of(job, message)


@router.post("/clone/{job_id}", status_code=202)
async def clone_job(
    *,
    job_id: JobId,
    provisioning: ProvisioningDep,
    principal: PrincipalDep,
    response: Response,
    cloud_trace: CloudTrace = None,
    traceparent: TraceParent = None,
) -> StartedBody:
    """A new job with the same order: researched anew, with data of its own."""
    job = await provisioning.jobs.clone(job_id, principal, trace_of(cloud_trace, traceparent))
    return _accepted(job, response, f"The job is a clone of {job_id}.")


# ------------------------------------------------------------------------------------------- looking


@router.get("/status/{job_id}")
async def show_status(job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep) -> StatusBody:
    """How far a job and its agents are, what was said last, and what went wrong."""
    return StatusBody.of(*await provisioning.jobs.status(job_id, principal))


@router.get("/stream/{job_id}", response_class=StreamingResponse, responses=dict(_STREAM))
async def stream_job(
    *,
    job_id: JobId,
    runtime: RuntimeDep,
    provisioning: ProvisioningDep,
    principal: PrincipalDep,
    last_event_id: LastEventId = None,
) -> Response:
    """What is said about a job, from the first word or after `Last-Event-ID`, as it is said. Ends after `done`."""
    after = last_event_id or 0
    entries = await provisioning.jobs.follow(job_id, principal, after)
    if await provisioning.jobs.log.over(job_id, after):
        return Response(status_code=204)
    provisioning.streams.check(job_id)

    async def streamed() -> AsyncGenerator[bytes, None]:
        with provisioning.streams.one(job_id):
            async with aclosing(pieces(entries, runtime.closing)) as told:
                async for piece in told:
                    yield piece

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(streamed(), media_type=MEDIA_TYPE, headers=headers)


@router.get("/history")
async def list_jobs(
    *,
    provisioning: ProvisioningDep,
    principal: PrincipalDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    status: Annotated[JobStatus | None, Query()] = None,
    search: Annotated[
        str, Query(max_length=200, description="In the company's name, the address, tags and the note.")
    ] = "",
) -> HistoryBody:
    """One's own jobs; an administrator's list holds everybody's."""
    jobs, total = await provisioning.jobs.history(principal, status=status, search=search, limit=limit, offset=offset)
    return HistoryBody(jobs=[JobBody.of(job) for job in jobs], total=total, limit=limit, offset=offset)


@router.get("/assets/{job_id}")
async def list_assets(job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep) -> AssetsBody:
    """The files a job has made so far."""
    return AssetsBody.of(*await provisioning.jobs.assets(job_id, principal))


@router.get("/metadata/{job_id}", response_model=MetadataBody)
async def show_metadata(job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep) -> Response:
    """What the agents handed on: the company with its sources, the story, the data model, the report; and what was
    asked of a language model for it."""
    job = await provisioning.jobs.get(job_id, principal)
    content = await provisioning.jobs.read(job, lambda shelf: _metadata(job, shelf))
    return Response(content, media_type="application/json")


_HANDED_ON = {
    "company": AgentName.RESEARCH,
    "story": AgentName.STORY,
    "data_model": AgentName.MODEL,
    "data": AgentName.DATA,
    "dataset": AgentName.INFRASTRUCTURE,
    "data_agent": AgentName.INSTRUCTIONS,
    "report": AgentName.VALIDATOR,
}


def _metadata(job: Job, shelf: Shelf) -> bytes:
    """As JSON. What the agents handed on is JSON already, and may be long: it is not read."""
    shown: dict[str, object] = {"job_id": job.id, "brief": job.brief.model_dump(mode="json")}
    shown |= {"today": job.today, "rows": job.rows, "seed": job.seed}
    for name, agent in _HANDED_ON.items():
        try:
            shown[name] = orjson.Fragment((shelf.latest(agent) / OUTPUT).read_bytes())
        except (NotFoundError, FileNotFoundError):
            shown[name] = None
    shown["usage"] = Account(shelf.folder).summary()
    return orjson.dumps(shown)


@router.get("/download-yaml/{job_id}", response_class=Response, responses=dict(_YAML))
async def download_yaml(job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep) -> Response:
    """The instructions of the job's data agent, as a file."""
    content = await provisioning.jobs.file(job_id, principal, AgentName.INSTRUCTIONS, _YAML_FILE)
    headers = {"content-disposition": f'attachment; filename="instructions-{job_id}.yaml"'}
    return Response(content, media_type="application/yaml", headers=headers)


# ------------------------------------------------------------------------------------------- changing


@router.post("/cancel/{job_id}", status_code=202)
async def cancel_job(
    job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep, response: Response
) -> StartedBody:
    """Stop a job's work. Its status is `cancelled` once it has stopped. 409 when it is over."""
    return _accepted(await provisioning.jobs.cancel(job_id, principal), response, "The job is being stopped.")


@router.post("/retry/{job_id}", status_code=202)
async def retry_job(
    job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep, response: Response
) -> StartedBody:
    """Go on from the agent that failed or was stopped; what finished before it is not done again."""
    job = await provisioning.jobs.retry(job_id, principal)
    return _accepted(job, response, "The job goes on from the agent that failed.")


@router.patch("/jobs/{job_id}")
async def change_job(
    job_id: JobId, body: JobChangeBody, provisioning: ProvisioningDep, principal: PrincipalDep
) -> JobBody:
    """Pin a job, tag it, write a note, or choose when its data is deleted."""
    return JobBody.of(await provisioning.jobs.change(job_id, principal, body.change()))


@router.delete("/jobs/{job_id}", status_code=202)
async def remove_job(job_id: JobId, provisioning: ProvisioningDep, principal: PrincipalDep) -> JobBody:
    """Stop it if it goes on, and have its dataset, data agent and files deleted; the record of the job stays."""
    return JobBody.of(await provisioning.jobs.remove(job_id, principal))
