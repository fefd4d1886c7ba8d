"""One look for many callers: whoever asks while a comparison runs, or soon after, gets that one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from afield.clock import Clock
from afield.reconcile.scan import Scan


@dataclass(frozen=True, slots=True)
class _Flight:
    since: datetime
    started_at: datetime
    task: asyncio.Task[Scan]


class SharedLook:
    """Shares comparisons of a target between the callers of one process.

    A comparison started no longer than `max_age` ago serves whoever asks for the same time or a later `since`. A
    failed one is not kept. A caller that goes away does not stop it for the others.
    """

    def __init__(self, clock: Clock, max_age: timedelta = timedelta(seconds=5)) -> None:
        self._clock = clock
        self._max_age = max_age
        self._flights: dict[UUID, _Flight] = {}
        self._under_way: set[asyncio.Task[Scan]] = set()

    async def scan(self, target_id: UUID, since: datetime, run: Callable[[], Awaitable[Scan]]) -> Scan:
        """The shared comparison, or a new one made by `run`. Raises what `run` raises."""
        flight = self._flights.get(target_id)
        if flight is None or not self._serves(flight, since):
            flight = _Flight(since, self._clock.now(), asyncio.create_task(_run(run)))
            self._under_way.add(flight.task)
            flight.task.add_done_callback(self._under_way.discard)
            flight.task.add_done_callback(_heard)
            self._flights[target_id] = flight
        return await asyncio.shield(flight.task)

    def forget(self, target_id: UUID) -> None:
        """Let the next caller look anew: something was repaired."""
        self._flights.pop(target_id, None)

    async def close(self) -> None:
        """Cut off what is under way; a look only reads."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _serves(self, flight: _Flight, since: datetime) -> bool:
        if since < flight.since or self._clock.now() - flight.started_at > self._max_age:
            return False
        ended = flight.task.done()
        return not ended or (not flight.task.cancelled() and flight.task.exception() is None)


async def _run(run: Callable[[], Awaitable[Scan]]) -> Scan:
    return await run()


def _heard(task: asyncio.Task[Scan]) -> None:
    """A failure is raised to every caller; that the last of them has gone away is no news."""
    if not task.cancelled():
        task.exception()
