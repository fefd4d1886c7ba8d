"""What is remembered of runs, and since when: so that the absence of a run can be proven.

Every run that was accepted at or after `remembers_since` is remembered. A run under way is never forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.errors import AdapterError
from afield_sandbox.adapter.watcher import Watcher
from afield_sandbox.keeper.run import Run
from afield_sandbox.model import MIB, Verdict


class Status(StrEnum):
    """Where a run is."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(slots=True, eq=False)
class Record:
    """One run. `result` is JSON. `problem`: nothing ran, and the run will be forgotten.

    `shown`: somebody was told that the run is under way, so that it has to have an end that can be asked for.
    """

    run_id: str
    digest: bytes
    accepted_at: datetime
    status: Status = Status.RUNNING
    finished_at: datetime | None = None
    verdict: Verdict | None = None
    result: bytes = b""
    problem: AdapterError | None = None
    shown: bool = False
    stopping: bool = False
    watcher: Watcher | None = None
    run: Run | None = None
    task: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """Tell all who wait."""
        self.ended.set()
        if self.watcher is not None:
            self.watcher.ended()
            self.watcher = None

    async def wait(self, seconds: float | None) -> None:
        """Until it has ended, or for so long."""
        if seconds is None:
            await self.ended.wait()
        elif seconds > 0 and not self.ended.is_set():
            waiting = asyncio.ensure_future(self.ended.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is remembered of runs that have ended."""

    number: int = 10_000
    size: int = 256 * MIB
    age: timedelta = timedelta(hours=1)


class Records:
    """All runs that are remembered, by id."""

    def __init__(self, clock: Clock, bounds: Bounds | None = None) -> None:
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._all: dict[str, Record] = {}
        self._ended: deque[Record] = deque()
        self._size = 0
        self._since = clock.now()

    def __iter__(self) -> Iterator[Record]:
        return iter(self._all.values())

    @property
    def remembers_since(self) -> datetime:
        return self._since

    def get(self, run_id: str) -> Record | None:
        """The run of this id, if it is remembered."""
        self._forget_old()
        return self._all.get(run_id)

    def add(self, run_id: str, digest: bytes) -> Record:
        """A run that begins now."""
        record = Record(run_id, digest, self._clock.now())
        self._all[run_id] = record
        return record

    def end(self, record: Record, status: Status, verdict: Verdict, result: bytes) -> None:
        """A run has ended. The oldest others are forgotten when there are too many."""
        record.status, record.verdict, record.result = status, verdict, result
        record.finished_at = self._clock.now()
        self._ended.append(record)
        self._size += len(result)
        record.close()
        self._forget_old()

    def drop(self, record: Record, problem: AdapterError) -> None:
        """A run that was not run after all. Its absence is true, so it can be forgotten at once."""
        record.problem = problem
        del self._all[record.run_id]
        record.close()

    def _forget_old(self) -> None:
        while self._ended and self._too_much(self._ended[0]):
            record = self._ended.popleft()
            self._size -= len(record.result)
            del self._all[record.run_id]
            self._since = max(self._since, record.accepted_at + timedelta(microseconds=1))

    def _too_much(self, oldest: Record) -> bool:
        assert oldest.finished_at is not None
        many = len(self._ended) > self._bounds.number or self._size > self._bounds.size
        return many or self._clock.now() - oldest.finished_at > self._bounds.age
