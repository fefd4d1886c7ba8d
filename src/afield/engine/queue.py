"""Nudges: "look at target T", through Procrastinate. A nudge is never the work; losing one costs time, not truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued

log = structlog.get_logger(__name__)

QUEUE = "targets"
TASK = "afield.drive"


@asynccontextmanager
async def open_queue(url: str, *, most_connections: int = 4) -> AsyncIterator[procrastinate.App]:
    """The queue in the ledger's database, open while inside."""
    connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=most_connections)
    app = procrastinate.App(connector=connector)
    async with app.open_async():
        yield app


class Nudger:
    """Nudges targets. Many nudges of one target within a moment become one."""

    def __init__(self, app: procrastinate.App) -> None:
        self._app = app
        self._pending: dict[UUID, asyncio.Task[None]] = {}

    def nudge(self, target_id: UUID) -> None:
        """See to it, soon and without waiting, that somebody drives the target. Never fails: the sweep is behind it."""
        if target_id not in self._pending:
            task = asyncio.create_task(self._nudge_soon(target_id))
            self._pending[target_id] = task

    async def _nudge_soon(self, target_id: UUID) -> None:
        try:
            await asyncio.sleep(0.005)  # lets the nudges of one burst fall together
        finally:
            self._pending.pop(target_id, None)
        try:
            await defer_nudge(self._app, target_id)
        except (procrastinate.exceptions.ConnectorException, OSError) as error:
            log.warning("nudge.lost", target_id=str(target_id), error=str(error))

    async def flush(self) -> None:
        """Wait for the nudges given so far."""
        await asyncio.gather(*self._pending.values(), return_exceptions=True)


async def defer_nudge(app: procrastinate.App, target_id: UUID) -> None:
    """Enqueue one nudge, unless one waits already. The lock keeps a target with one driver at a time."""
    name = str(target_id)
    job = app.configure_task(TASK, queue=QUEUE, lock=name, queueing_lock=name)
    try:
        await job.defer_async(target_id=name)
    except AlreadyEnqueued:
        return
