"""Server-sent events: the numbered feed as a stream that never blocks anybody, and ends when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import psycopg
import structlog
from fastapi.responses import StreamingResponse

from afield.api.bodies import EventBody
from afield.errors import UnavailableError
from afield.model.execution import Event

log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/event-stream"

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection."""

_OPENING = b"retry: 1000\n: afield events\n\n"
_HEARTBEAT = b": heartbeat\n\n"


def encode(event: Event) -> bytes:
    """One event on the wire: its number as the id, its kind as the type, the event as JSON."""
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {EventBody.of(event).model_dump_json()}\n\n".encode()


async def stream(
    events: AsyncIterator[Event], closing: asyncio.Event, *, heartbeat: float = HEARTBEAT
) -> AsyncGenerator[bytes, None]:
    """The events as they come, until `closing` is set or the database goes away. The client then comes back with
    `Last-Event-ID`, and misses nothing."""
    yield _OPENING
    closed = asyncio.create_task(closing.wait())
    coming = asyncio.create_task(_next(events))
    try:
        while not closing.is_set():
            await asyncio.wait({coming, closed}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                event = coming.result()
                if event is None:
                    return
                yield encode(event)
                coming = asyncio.create_task(_next(events))
            elif not closed.done():
                yield _HEARTBEAT
    finally:
        await _end(coming, closed)
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _next(events: AsyncIterator[Event]) -> Event | None:
    """The next event; None when the feed has ended."""
    try:
        return await anext(events, None)
    except (UnavailableError, psycopg.Error) as error:
        log.warning("events.feed_ended", error=type(error).__name__)
        return None


async def _end(*tasks: asyncio.Task[Event | None] | asyncio.Task[bool]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def streaming(events: AsyncIterator[Event], closing: asyncio.Event) -> StreamingResponse:
    """The events as a response that no proxy keeps or holds back."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream(events, closing), media_type=MEDIA_TYPE, headers=headers)
