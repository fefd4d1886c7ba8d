"""Thinking about sessions in a worker process: whenever something happened to one, and whenever one is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress

import structlog

from afield.engine.advance import Advancer
from afield.errors import NotFoundError, UnavailableError

log = structlog.get_logger(__name__)

Hear = Callable[[int | None], None]
Listen = Callable[[Hear], AbstractContextManager[None]]

_GRACE = 5.0  # seconds, for the thoughts under way when the worker is stopped


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
        self._gap = asyncio.Event()  # something may have been missed
        self._stopping = False

    async def run(self, stop: asyncio.Event, pause_s: float) -> None:
        """Listen and sweep until `stop` is set; then let the thoughts under way end. `pause_s`: between two sweeps.

        A thought that takes too long to end is cut off, like one of a process that dies: the next worker goes on.
        """
        with self._listen(self._hear):
            sweeping = asyncio.create_task(self._sweep_for_ever(pause_s))
            try:
                await stop.wait()
            finally:
                self._stopping = True
                sweeping.cancel()
                await self._wind_up()

    def nudge(self, session_id: int) -> None:
        """Think about a session, soon; if that is going on, once more afterwards."""
        if self._stopping:
            return
        if session_id in self._tasks:
            self._again.add(session_id)
            return
        self._tasks[session_id] = asyncio.create_task(self._think(session_id))

    def _hear(self, session_id: int | None) -> None:
        if session_id is None:
            self._gap.set()
        else:
            self.nudge(session_id)

    async def _sweep_for_ever(self, pause_s: float) -> None:
        while True:
            self._gap.clear()
            await self._sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gap.wait(), pause_s)

    async def _sweep(self) -> None:
        try:
            for session_id in await self._due():
                self.nudge(session_id)
        except Exception as error:  # noqa: BLE001 - the outermost edge of the loop; the database may be away
            log.warning("sessions.sweep_failed", error=f"{type(error).__name__}: {error}")

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
        if self._stopping:
            return
        try:
            await self._advancer.advance(session_id)
        except NotFoundError:
            log.warning("session.unknown", session_id=session_id)
        except UnavailableError as error:  # the sweep comes back to it
            log.warning("session.database_away", session_id=session_id, error=error.message)
        except Exception:  # one session that cannot be thought about keeps no other from it; the sweep tries again
            log.exception("session.advance_failed", session_id=session_id)

    async def _wind_up(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_GRACE)
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
