"""Hearing that something was said about a job: one LISTEN connection for a process, open while somebody follows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from afield.ledger.database import GONE, connect

log = structlog.get_logger(__name__)

_CHANNEL = b"listen afield_provision"
_PAUSE_S = 0.5  # before it is tried again


class Bell:
    """Sets events when there is news of their job; all of them after a gap, since nobody knows what was missed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def heard(self, job_id: UUID) -> AsyncIterator[asyncio.Event]:
        """An event that is set when something was said about the job; set at first, too."""
        wake = asyncio.Event()
        wake.set()
        self._waiting[job_id].add(wake)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="provision-bell")
        try:
            yield wake
        finally:
            self._waiting[job_id].discard(wake)
            if not self._waiting[job_id]:
                del self._waiting[job_id]
            if not self._waiting:
                await self.close()

    async def close(self) -> None:
        """Stop listening."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with await connect(self._url) as connection:
                    await connection.execute(_CHANNEL)
                    self._ring_all()
                    async for notify in connection.notifies():
                        for wake in self._waiting.get(UUID(notify.payload), ()):
                            wake.set()
            except GONE as error:
                log.warning("provision.bell_gone", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)

    def _ring_all(self) -> None:
        for wakes in self._waiting.values():
            for wake in wakes:
                wake.set()
