"""Executions: record, list, show, follow, cancel, and fetch what came out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from afield.api.bodies import (
    EventBody,
    EventsBody,
    ExecutionBody,
    ExecutionsBody,
    GivenTime,
    NewExecutionBody,
    WholeExecutionBody,
)
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.errors import InvalidInputError
from afield.kernel import Kernel, Order
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Execution
from afield.model.states import ExecutionState
from afield.outputs import stored_artifact

router = APIRouter(prefix="/executions", tags=["executions"])

ExecutionId = Annotated[UUID, Path(description="The execution's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same body records one execution, however often it is sent.",
        examples=["report-2026-01-02"],
    ),
]
REPLAYED: Mapping[int | str, dict[str, Any]] = {
    200: {"description": "Recorded before, under the same idempotency key."},
    409: {"description": "The idempotency key was used before with another body."},
}
_LABEL = "label."
_LABEL_PARAMETER = {
    "name": "label.NAME",
    "in": "query",
    "required": False,
    "description": "Only executions with this label, for example `label.user_email=ann@example.com`. Can be repeated "
    "with other names.",
    "schema": {"type": "string"},
}


@router.post("", status_code=201, responses=dict(REPLAYED), response_model=ExecutionBody)
async def create_execution(
    body: NewExecutionBody,
    kernel: KernelDep,
    tenant_id: TenantDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ExecutionBody:
    """Record an execution; a worker takes it from there. 201 the first time, 200 when the key was used before."""
    order = Order(
        target=body.target,
        spec=body.spec,
        labels=body.labels,
        idempotency_key=idempotency_key,
        resubmit=body.resubmit,
        timeout_s=body.timeout_s,
    )
    created = await kernel.submit(order, tenant_id)
    response.status_code = 200 if created.replayed else 201
    response.headers["location"] = f"/api/v1/executions/{created.execution.id}"
    return ExecutionBody.of(created.execution)


@router.get("", openapi_extra={"parameters": [_LABEL_PARAMETER]})
async def list_executions(
    *,
    request: Request,
    kernel: KernelDep,
    tenant_id: TenantDep,
    state: Annotated[list[ExecutionState] | None, Query(description="Can be repeated.")] = None,
    target: Annotated[str | None, Query(description="Name or id.")] = None,
    created_since: GivenTime | None = None,
    created_until: GivenTime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> ExecutionsBody:
    """One page of executions, newest first. All filters given have to hold."""
    wanted = ExecutionFilter(
        tenant_id=tenant_id,
        target_id=(await kernel.find_target(target, tenant_id)).id if target else None,
        states=frozenset(state or ()),
        labels=labels_of(request.query_params),
        created_since=created_since,
        created_until=created_until,
    )
    page = await kernel.ledger.executions(wanted, limit=limit, cursor=cursor)
    return ExecutionsBody(items=[ExecutionBody.of(one) for one in page.items], next_cursor=page.next_cursor)


_KNOWN = frozenset({"state", "target", "created_since", "created_until", "limit", "cursor"})


def labels_of(query: Mapping[str, str]) -> dict[str, str]:
    """The label filters of a query. Raises InvalidInputError for a parameter nobody knows: a filter that is
    misspelled must not show everything."""
    unknown = sorted(name for name in query if name not in _KNOWN and not name.startswith(_LABEL))
    if unknown:
        known = ", ".join(sorted(_KNOWN))
        raise InvalidInputError(f"There is no filter {unknown[0]!r}.", hint=f"Known: {known}, label.NAME.")
    return {name.removeprefix(_LABEL): value for name, value in query.items() if name.startswith(_LABEL)}


@router.get("/{execution_id}")
async def show_execution(execution_id: ExecutionId, kernel: KernelDep, tenant_id: TenantDep) -> WholeExecutionBody:
    """One execution, whole, with its attempts."""
    execution = await kernel.ledger.execution(execution_id, tenant_id)
    return WholeExecutionBody.with_attempts(execution, await kernel.ledger.attempts(execution_id))


@router.get("/{execution_id}/events")
async def list_execution_events(
    execution_id: ExecutionId,
    kernel: KernelDep,
    tenant_id: TenantDep,
    after: Annotated[int, Query(ge=0, le=2**62, description="Only events with a higher number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> EventsBody:
    """What happened to it, in order."""
    await kernel.ledger.execution(execution_id, tenant_id)
    mine = EventFilter(tenant_id=tenant_id, execution_id=execution_id)
    events = [EventBody.of(event) for event in await kernel.ledger.events(mine, after=after, limit=limit)]
    return EventsBody(items=events, last_seq=events[-1].seq if events else after)


@router.post("/{execution_id}/cancel", status_code=202)
async def cancel_execution(
    execution_id: ExecutionId, kernel: KernelDep, tenant_id: TenantDep, principal: PrincipalDep
) -> ExecutionBody:
    """Ask for a cancel. What comes of it shows in the state. 409 when it has ended."""
    return ExecutionBody.of(await kernel.cancel(execution_id, principal.name, tenant_id))


# ------------------------------------------------------------------------------------------- output

_OUTPUT_RESPONSES: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "The output, with its own media type.",
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
    },
    409: {"description": "It is not there yet; the reason says why."},
    404: {"description": "There is none, and there will be none; the reason says why."},
}


@router.get("/{execution_id}/output", response_class=StreamingResponse, responses=dict(_OUTPUT_RESPONSES))
async def fetch_output(execution_id: ExecutionId, kernel: KernelDep, tenant_id: TenantDep) -> StreamingResponse:
    """The stored output, streamed as it is."""
    return await output_response(kernel, await kernel.ledger.execution(execution_id, tenant_id))


async def output_response(kernel: Kernel, execution: Execution) -> StreamingResponse:
    """Streams an execution's output. Raises NotFoundError or ConflictError when there is none (yet)."""
    artifact = stored_artifact(execution)
    pieces = kernel.artifacts.read(artifact)
    first = await anext(pieces, b"")  # what cannot be opened is an error, not a broken stream
    media_type = str((execution.output or {}).get("media_type") or "application/octet-stream")
    name = f"{execution.id}{_suffix(media_type)}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"}
    return StreamingResponse(_rest(first, pieces), media_type=media_type, headers=headers)


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def _suffix(media_type: str) -> str:
    known = {"text/csv": ".csv", "application/json": ".json", "text/plain": ".txt"}
    return known.get(media_type.partition(";")[0].strip().lower(), "")
