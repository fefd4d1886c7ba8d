"""Simulated time: nobody waits for it, and it only moves when nothing else can."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import count

_START = datetime(2026, 1, 1, tzinfo=UTC)
_ROUNDS_WITHOUT_A_VIEW = 100
_MOST_ROUNDS = 100_000


class FakeClock:
    """A `clock.Clock` whose time jumps to the next moment somebody waits for, as soon as nothing is left to run.

    Everything that takes time has to wait through this clock: real timers, sockets and threads are not waited for.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._now = start
        self._waiters: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = count()
        self._moving = False

    def now(self) -> datetime:
        return self._now

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        """Let everything else run; come back when `wake` is set, or else at `until`."""
        if wake.is_set():
            await asyncio.sleep(0)
            return True
        loop = asyncio.get_running_loop()
        due: asyncio.Future[None] = loop.create_future()
        woken = asyncio.ensure_future(wake.wait())
        heapq.heappush(self._waiters, (until, next(self._order), due))
        self._keep_moving(loop)
        try:
            await asyncio.wait((due, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            due.cancel()
            woken.cancel()
        return wake.is_set()

    async def sleep(self, delay: timedelta) -> None:
        """Wait for so long."""
        await self.wait(asyncio.Event(), self._now + delay)

    def _keep_moving(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._moving:
            self._moving = True
            loop.call_soon(self._round, loop, 0)

    def _round(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        """One turn of the loop: time moves if this is all there is to run."""
        while self._waiters and self._waiters[0][2].done():
            heapq.heappop(self._waiters)
        if not self._waiters:
            self._moving = False
            return
        if _quiet(loop, rounds):
            until, _, due = heapq.heappop(self._waiters)
            self._now = max(self._now, until)
            due.set_result(None)
            rounds = -1
        loop.call_soon(self._round, loop, rounds + 1)


def _quiet(loop: asyncio.AbstractEventLoop, rounds: int) -> bool:
    """Whether nothing else is ready to run. Other loops than asyncio's do not show that: there, many rounds have to
    do. A task that never rests would stop the time; after very many rounds it moves all the same."""
    ready: deque[object] | None = getattr(loop, "_ready", None)
    if ready is None:
        return rounds >= _ROUNDS_WITHOUT_A_VIEW
    return not ready or rounds >= _MOST_ROUNDS
