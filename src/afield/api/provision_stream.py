"""A job's log as server-sent events: small, named and numbered, replayed after `Last-Event-ID`, over with the job."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from uuid import UUID

import orjson
import psycopg
import structlog

from afield.api.sse import HEARTBEAT
from afield.errors import UnavailableError
from afield.provisioning.job_log import Entry

log = structlog.get_logger(__name__)

MOST_STREAMS = 50
"""Of one job, in one process."""

_OPENING = b"retry: 1000\n: afield job\n\n"
_HEARTBEAT = b": heartbeat\n\n"


class Streams:
    """How many follow each job, in this process."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()

    def check(self, job_id: UUID) -> None:
        """Raises UnavailableError when there are too many."""
        if self._open[job_id] >= MOST_STREAMS:
            raise UnavailableError("Too many follow this job already.", hint="Ask for its status now and again.")

    @contextmanager
    def one(self, job_id: UUID) -> Iterator[None]:
        """While inside, a stream more."""
        self._open[job_id] += 1
        try:
            yield
        finally:
            self._open[job_id] -= 1
            self._open += Counter()  # away with zeros


def encode(entry: Entry) -> bytes:
    """One entry on the wire."""
    body = {
        "number": entry.number,
        "at": entry.at,
        "severity": entry.severity.value,
        "agent": entry.agent,
        "message": entry.message,
        "data": entry.data,
    }
    data = orjson.dumps(body, option=orjson.OPT_UTC_Z).decode()
    return f"id: {entry.number}\nevent: {entry.kind}\ndata: {data}\n\n".encode()


async def pieces(entries: AsyncGenerator[Entry, None], closing: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """The entries as they come, until the last one, until `closing` is set, or the database goes away; a client then
    comes back with `Last-Event-ID` and misses nothing."""
    yield _OPENING
    closed = asyncio.create_task(closing.wait())
    coming = asyncio.create_task(_next(entries))
    try:
        while not closing.is_set():
            await asyncio.wait({coming, closed}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                entry = coming.result()
                if entry is None:
                    return
                yield encode(entry)
                coming = asyncio.create_task(_next(entries))
            elif not closed.done():
                yield _HEARTBEAT
    finally:
        for task in (coming, closed):
            task.cancel()
        await asyncio.gather(coming, closed, return_exceptions=True)
        await entries.aclose()


async def _next(entries: AsyncGenerator[Entry, None]) -> Entry | None:
    try:
        return await anext(entries, None)
    except (UnavailableError, psycopg.Error) as error:
        log.warning("provision.feed_ended", error=type(error).__name__)
        return None
