"""Thinking about sessions in a worker process: whenever something happened to one, and whenever one is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import structlog

from afield.engine.advance import Advancer
from afield.errors import NotFoundError

log = structlog.get_logger(__name__)

Listen = Callable[[Callable[[int], None]], AbstractContextManager[None]]


class SessionWorker:
    """Advances sessions, several at once, each by one task at a time in this process. Other processes may think about
    the same session: see `engine.advance`."""

    def __init__(
        self, advancer: Advancer, due: Callable[[], Awaitable[list[int]]], listen: Listen, *, at_once: int = 16
    ) -> None:
        self._advancer = advancer
        self._due = due
        self._listen = listen
        self._places = asyncio.Semaphore(at_once)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()

    async def run(self, stop: asyncio.Event, pause_s: float) -> None:
        """Listen and sweep until `stop` is set; then finish the thoughts under way. `pause_s`: between two sweeps."""
        with self._listen(self.nudge):
            stopping = asyncio.create_task(stop.wait())
            try:
                while not stop.is_set():
                    await self._sweep()
                    await asyncio.wait({stopping}, timeout=pause_s)
            finally:
                stopping.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _sweep(self) -> None:
        try:
            for session_id in await self._due():
                self.nudge(session_id)
        except Exception as error:  # noqa: BLE001 - the outermost edge of the loop; the database may be away
            log.warning("sessions.sweep_failed", error=f"{type(error).__name__}: {error}")

    def nudge(self, session_id: int) -> None:
        """Think about a session, soon; if that is going on, once more afterwards."""
        if session_id in self._tasks:
            self._again.add(session_id)
            return
        task = asyncio.create_task(self._think(session_id))
        self._tasks[session_id] = task

    async def _think(self, session_id: int) -> None:
        try:
            async with self._places:
                self._again.discard(session_id)
                await self._advance(session_id)
        finally:
            del self._tasks[session_id]
        if session_id in self._again:
            self._again.discard(session_id)
            self.nudge(session_id)

    async def _advance(self, session_id: int) -> None:
        try:
            await self._advancer.advance(session_id)
        except NotFoundError:
            log.warning("session.unknown", session_id=session_id)
        except Exception:  # one session that cannot be thought about keeps no other from it; the sweep tries again
            log.exception("session.advance_failed", session_id=session_id)
