"""The event feed: read page by page, or as a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from afield.api.bodies import EventBody, EventsBody
from afield.api.runtime import KernelDep, Runtime, RuntimeDep, TenantDep
from afield.api.sse import MEDIA_TYPE, streaming
from afield.ledger.base import EventFilter
from afield.model.execution import EventKind

router = APIRouter(prefix="/events", tags=["events"])

_MOST = 2**62
_STREAM_RESPONSES: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `id` is the event's number, `event` its kind, `data` the event as JSON.",
        "content": {MEDIA_TYPE: {"example": 'id: 42\nevent: moved\ndata: {"seq":42,"kind":"moved"}\n\n'}},
    }
}

Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[int | None, Query(ge=0, le=_MOST, description="Only events with a higher number.")]
LastEventId = Annotated[
    int | None,
    Header(ge=0, le=_MOST, description="Where a stream broke off; goes before `after`. Browsers send it themselves."),
]


async def _wanted(
    kernel: KernelDep,
    tenant_id: TenantDep,
    target: Annotated[str | None, Query(description="Name or id.")] = None,
    execution: Annotated[UUID | None, Query(description="An execution's id.")] = None,
    kind: Annotated[list[EventKind] | None, Query(description="Can be repeated.")] = None,
) -> EventFilter:
    target_id = (await kernel.find_target(target, tenant_id)).id if target else None
    kinds = frozenset(kind or ())
    return EventFilter(tenant_id=tenant_id, target_id=target_id, execution_id=execution, kinds=kinds)


Wanted = Annotated[EventFilter, Depends(_wanted)]


@router.get("", response_model=EventsBody, responses=dict(_STREAM_RESPONSES))
async def list_events(
    *,
    request: Request,
    runtime: RuntimeDep,
    wanted: Wanted,
    after: After = None,
    limit: Limit = 500,
    last_event_id: LastEventId = None,
) -> EventsBody | StreamingResponse:
    """Events in order. With `Accept: text/event-stream` the same as `/events/stream`."""
    if MEDIA_TYPE in request.headers.get("accept", ""):
        return await _streamed(runtime, wanted, after if last_event_id is None else last_event_id)
    events = await runtime.kernel.ledger.events(wanted, after=after or 0, limit=limit)
    items = [EventBody.of(event) for event in events]
    return EventsBody(items=items, last_seq=items[-1].seq if items else after or 0)


@router.get("/stream", response_class=StreamingResponse, responses=dict(_STREAM_RESPONSES))
async def stream_events(
    runtime: RuntimeDep, wanted: Wanted, after: After = None, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Events as they happen, after those numbered above `Last-Event-ID` or `after`; with neither, from now on."""
    return await _streamed(runtime, wanted, after if last_event_id is None else last_event_id)


async def _streamed(runtime: Runtime, wanted: EventFilter, after: int | None) -> StreamingResponse:
    ledger = runtime.kernel.ledger
    start = await ledger.last_seq() if after is None else after
    return streaming(ledger.follow(wanted, after=start), runtime.closing)
