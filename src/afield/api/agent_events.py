"""What happens to one session: page by page, as a stream, and over a WebSocket that ends with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import orjson
import psycopg
import structlog
from fastapi import APIRouter, Depends, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers

from afield.api.agent import SessionId
from afield.api.agent_bodies import SessionBody
from afield.api.bodies import EventBody, EventsBody
from afield.api.events import LastEventId, Limit
from afield.api.middleware import WEBSOCKET_TOKEN
from afield.api.runtime import Runtime, RuntimeDep
from afield.api.sse import MEDIA_TYPE, streaming
from afield.errors import AfieldError, UnavailableError
from afield.ledger.base import EventFilter
from afield.ledger.sessions import Sessions
from afield.model.execution import Event
from afield.model.session import SESSION_FINAL, Session

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/agent", tags=["sessions"])

SinceId = Annotated[int, Query(ge=0, le=2**62, description="Only events with a higher number.")]

_RESPONSES: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "Also as server-sent events: `id` is the event's number, `event` its kind, `data` it as JSON.",
        "content": {MEDIA_TYPE: {"example": 'id: 42\nevent: step\ndata: {"seq":42,"kind":"step"}\n\n'}},
    }
}
_PROTOCOL = "afield"
_NORMAL, _GOING_AWAY, _REFUSED, _TRY_AGAIN = 1000, 1001, 1008, 1013


async def _mine(session_id: SessionId, runtime: RuntimeDep) -> EventFilter:
    """The events of a session that is there. Raises NotFoundError."""
    await Sessions(runtime.kernel.ledger.database).session(session_id, runtime.tenant_id)
    return EventFilter(tenant_id=runtime.tenant_id, session_id=session_id)


Mine = Annotated[EventFilter, Depends(_mine)]


@router.get("/{session_id}/events", response_model=EventsBody, responses=dict(_RESPONSES))
async def list_session_events(
    *,
    request: Request,
    runtime: RuntimeDep,
    mine: Mine,
    since_id: SinceId = 0,
    limit: Limit = 500,
    last_event_id: LastEventId = None,
) -> EventsBody | StreamingResponse:
    """What happened to a session and its steps, in order. With `Accept: text/event-stream` the same as
    `events/stream`."""
    if MEDIA_TYPE in request.headers.get("accept", ""):
        return _streamed(runtime, mine, since_id if last_event_id is None else last_event_id)
    items = [EventBody.of(event) for event in await runtime.kernel.ledger.events(mine, after=since_id, limit=limit)]
    return EventsBody(items=items, last_seq=items[-1].seq if items else since_id)


@router.get("/{session_id}/events/stream", response_class=StreamingResponse, responses=dict(_RESPONSES))
async def stream_session_events(
    runtime: RuntimeDep, mine: Mine, since_id: SinceId = 0, last_event_id: LastEventId = None
) -> StreamingResponse:
    """The same as they happen, after those numbered above `Last-Event-ID` or `since_id`; with neither, from the
    beginning. A person may take up a session that has ended, so the stream goes on after its end."""
    return _streamed(runtime, mine, since_id if last_event_id is None else last_event_id)


def _streamed(runtime: Runtime, mine: EventFilter, after: int) -> StreamingResponse:
    return streaming(runtime.kernel.ledger.follow(mine, after=after), runtime.closing)


# ------------------------------------------------------------------------------------------- WebSocket


@router.websocket("/{session_id}/ws")
async def follow_session(socket: WebSocket, session_id: SessionId, since_id: SinceId = 0) -> None:
    """The events as JSON messages, each `{"type": "event", "event": ...}`. After the last event of a session that has
    ended comes `{"type": "end", "session": ...}`, and the connection is closed."""
    runtime: Runtime = socket.app.state.runtime
    if comes_from_elsewhere(socket.headers):
        return await socket.close(_REFUSED, "A page of another site may not read this.")
    told = _Told(runtime, session_id)
    try:
        await told.session()
    except AfieldError as error:
        return await socket.close(_REFUSED, error.message)
    await socket.accept(chosen_protocol(socket.headers))
    code = await _tell(socket, told.messages(since_id), runtime.closing)
    if code is not None:
        await socket.close(code)
    return None


def comes_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser opens this for a page of another site, which holds no token. Browsers let any page open any
    WebSocket, unlike the answers to its other requests."""
    origin = urlsplit(headers.get("origin", "")).netloc
    has_token = "authorization" in headers or WEBSOCKET_TOKEN in headers.get("sec-websocket-protocol", "")
    return bool(headers.get("origin")) and origin != headers.get("host") and not has_token


def chosen_protocol(headers: Headers) -> str | None:
    """One of the subprotocols that were offered, since browsers insist on an answer; one that holds a token only if
    there is no other."""
    offered = [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",") if one.strip()]
    return next((one for one in offered if one == _PROTOCOL), offered[0] if offered else None)


async def _tell(socket: WebSocket, messages: AsyncGenerator[bytes, None], closing: asyncio.Event) -> int | None:
    """Send until all is told, the server stops or the client leaves. The code to close with; None: the client left."""
    telling = asyncio.create_task(_send(socket, messages))
    leaving = asyncio.create_task(_left(socket))
    closed = asyncio.create_task(closing.wait())
    tasks: tuple[asyncio.Task[object], ...] = (telling, leaving, closed)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            return telling.result()
        return None if leaving.done() else _GOING_AWAY
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: WebSocket, messages: AsyncGenerator[bytes, None]) -> int | None:
    try:
        async with aclosing(messages):
            async for message in messages:
                await socket.send_text(message.decode())
    except WebSocketDisconnect:
        return None
    except (UnavailableError, psycopg.Error) as error:
        log.warning("events.feed_ended", error=type(error).__name__)
        return _TRY_AGAIN
    return _NORMAL


async def _left(socket: WebSocket) -> None:
    """Until the client leaves. What it says meanwhile is not listened to."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


class _Told:
    """One session's events as messages."""

    def __init__(self, runtime: Runtime, session_id: int) -> None:
        self._ledger = runtime.kernel.ledger
        self._sessions = Sessions(runtime.kernel.ledger.database)
        self._mine = EventFilter(tenant_id=runtime.tenant_id, session_id=session_id)
        self._session_id = session_id

    async def session(self) -> Session:
        """Raises NotFoundError."""
        return await self._sessions.session(self._session_id, self._mine.tenant_id)

    async def messages(self, after: int) -> AsyncGenerator[bytes, None]:
        """Events above `after` as they happen, then the end."""
        end = await self._end(after)
        if end is None:
            # follow() is an async generator; its type only promises an iterator
            events = cast("AsyncGenerator[Event, None]", self._ledger.follow(self._mine, after=after))
            async with aclosing(events):
                async for message, end in self._until_the_end(events):
                    yield message
                    if end is not None:
                        break
        if end is not None:
            yield end

    async def _until_the_end(self, events: AsyncIterator[Event]) -> AsyncIterator[tuple[bytes, bytes | None]]:
        async for event in events:
            message = orjson.dumps({"type": "event", "event": EventBody.of(event).model_dump(mode="json")})
            yield message, await self._end(event.seq)

    async def _end(self, after: int) -> bytes | None:
        """The last message, if the session is over and all its events up to now have been told."""
        session = await self.session()
        if session.state not in SESSION_FINAL or await self._ledger.events(self._mine, after=after, limit=1):
            return None
        return orjson.dumps({"type": "end", "session": SessionBody.of(session).model_dump(mode="json")})
