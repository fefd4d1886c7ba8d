"""Keeping senders told, in a worker process."""

from __future__ import annotations

import asyncio

import psycopg
import structlog

from afield.clock import Clock
from afield.errors import UnavailableError
from afield.runbooks.tickets.write_back import WriteBack

log = structlog.get_logger(__name__)

PAUSE_S = 5.0
"""Seconds between two rounds."""

_DATABASE_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, UnavailableError, OSError)


class Outbox:
    """Tells senders what became of their tickets, until it is stopped."""

    def __init__(self, write_back: WriteBack, clock: Clock, pause_s: float = PAUSE_S) -> None:
        self._write_back = write_back
        self._clock = clock
        self._pause_s = pause_s

    async def run(self, stop: asyncio.Event) -> None:
        """Round after round, until `stop` is set."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._safe_round()
                await asyncio.wait({stopping}, timeout=self._pause_s)
        finally:
            stopping.cancel()

    async def _safe_round(self) -> None:
        try:
            await self.round()
        except _DATABASE_AWAY as error:
            log.warning("outbox.database_away", error=str(error))
        except Exception:  # the next round may do better
            log.exception("outbox.failed")

    async def round(self) -> int:
        """Write down what is to be told, then tell what is due; how many were told."""
        now = self._clock.now()
        await self._write_back.note_ended(now)
        return await self._write_back.deliver_due(now)
