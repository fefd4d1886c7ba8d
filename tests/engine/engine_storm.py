"""Random schedules: faults at the remote, and drivers that die, stall, come back late and overtake each other.

Everything is drawn from one seed and happens in simulated time. A storm rages for some hours; then the weather is fine
and a last driver has to bring everything to its end.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from engine_world import World

from afield.clock import Clock
from afield.engine.drive import Outcome
from afield.model.execution import NewExecution, Resubmit
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL, ExecutionState, OutputState
from afield.model.target import DEFAULT_TENANT
from afield.testing.connector import MemoryConnector
from afield.testing.faults import Fault, Faults
from afield.testing.process import Process, ProcessDied

S = ExecutionState
STORM = timedelta(hours=4)


class Weather(Faults):
    """Faults that strike at random for as long as the storm lasts."""

    def __init__(self, rng: random.Random, clock: Clock, until: datetime) -> None:
        super().__init__()
        self._rng = rng
        self._clock = clock
        self._until = until
        self._odds = {fault: rng.choice((0, 0, 0.05, 0.2, 0.5)) for fault in Fault}
        self._odds[Fault.REJECTED] = rng.choice((0, 0, 0.1))
        self._odds[Fault.DENIED] = rng.choice((0, 0, 0, 0.05))

    @property
    def stormy(self) -> bool:
        return self._clock.now() < self._until

    def happens(self, fault: Fault) -> bool:
        return self.stormy and self._rng.random() < self._odds[fault]


@dataclass
class Storm:
    """One seed's world."""

    rng: random.Random
    world: World
    weather: Weather
    wire: bool = True  # whether a driver may stall with a request in its hand, too late to check the time again
    ids: list[UUID] = field(default_factory=list)
    stops: list[asyncio.Event] = field(default_factory=list)
    driving: set[asyncio.Task[Outcome | None]] = field(default_factory=set)

    @classmethod
    async def brew(cls, seed: int, connector: type[MemoryConnector] = MemoryConnector) -> Storm:
        rng = random.Random(seed)
        random.seed(seed)
        settings: JsonObject = {"max_live": rng.choice((2, 5, 10)), "calls_per_minute": rng.choice((20, 600))}
        world = await World.start(connector=connector, settings=settings)
        weather = Weather(rng, world.clock, world.clock.now() + STORM)
        world.remote.faults = weather
        world.remote.page_size = rng.choice((1, 3, 100))
        slow, hidden = rng.choice((0, 1, 20)), rng.choice((0, 30, 595))
        world.remote.latency = lambda: timedelta(seconds=rng.random() * slow)
        world.remote.show_after = lambda: timedelta(seconds=rng.random() * hidden)
        return cls(rng, world, weather)

    async def pause(self, seconds: float) -> None:
        await self.world.clock.sleep(timedelta(seconds=self.rng.random() * seconds))

    # ------------------------------------------------------------------ work

    async def people(self) -> None:
        """Somebody records executions, and wants some of them cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.rng.randint(3, 8)):
                await self.pause(1200)
                group.create_task(self._one())

    async def _one(self) -> None:
        rng = self.rng
        new = NewExecution(
            id=UUID(int=rng.getrandbits(128)),
            tenant_id=DEFAULT_TENANT,
            target_id=self.world.target_id,
            spec={
                "seconds": rng.random() * rng.choice((1, 300, 7200)),
                "prints": str(len(self.ids)),
                "fails": rng.random() < 0.2,
            },
            resubmit=rng.choice((Resubmit.WHEN_ABSENT, Resubmit.WHEN_ABSENT, Resubmit.NEVER)),
            timeout_s=rng.choice((None, None, 600, 3600)),
        )
        self.ids.append(new.id)
        await self.world.ledger.create(new)
        if rng.random() < 0.3:
            await self.pause(3600)
            await self.world.ledger.request_cancel(new.id, "somebody", self.world.clock.now())

    # ------------------------------------------------------------------ drivers

    async def drivers(self) -> None:
        """One driver after the other, and some beside each other, until the storm is over."""
        while self.weather.stormy:
            self._start()
            await self.pause(self.rng.choice((10, 300, 3600)))
        await self.pause(7200)
        for stop in self.stops:
            stop.set()
        await asyncio.gather(*self.driving)

    def _start(self) -> None:
        task = asyncio.create_task(self._drive(stop := asyncio.Event()))
        self.stops.append(stop)
        self.driving.add(task)
        if self.rng.random() < 0.3:
            stopping = asyncio.create_task(self._stop_some_time(stop))
            self.driving.add(stopping)

    async def _stop_some_time(self, stop: asyncio.Event) -> None:
        await self.pause(1800)
        stop.set()

    async def _drive(self, stop: asyncio.Event) -> Outcome | None:
        deadly, sleepy = self.rng.choice((0, 0.002, 0.02, 0.2)), self.rng.choice((0, 0.01, 0.1))
        wire = self.rng.choice((0, 0, 0.3))

        clock = self.world.clock
        asleep_until = clock.now()

        async def gate(name: str) -> None:
            """A process stands still as a whole: whatever else it means to do waits with the call that stalled it."""
            nonlocal asleep_until
            if self.weather.stormy and self.rng.random() < deadly:
                process.die()
            if (
                self.weather.stormy
                and self.wire_ok(name)
                and self.rng.random() < (wire if "submit" in name else sleepy)
            ):
                asleep_until = clock.now() + timedelta(seconds=self.rng.random() * self.rng.choice((1, 60, 2000)))
            if clock.now() < asleep_until:
                await clock.wait(asyncio.Event(), asleep_until)

        process = Process(self.world.ledger, await self.world.connector(), gate)
        try:
            return await self.world.drive(ledger=process.ledger, connector=process.connector, stop=stop)
        except ProcessDied:
            return None

    def wire_ok(self, name: str) -> bool:
        return self.wire or name != "before submit"

    async def rage(self, *, to_the_end: bool = True) -> None:
        """The whole schedule, from the first row to the last driver's end; or, where persons are missing, for hours."""
        await asyncio.gather(self.people(), self.drivers())
        stop = asyncio.Event()
        last = asyncio.create_task(self.world.drive(stop=stop))
        done = asyncio.Event()
        last.add_done_callback(lambda _: done.set())
        await self.world.clock.wait(done, self.world.clock.now() + timedelta(days=3 if to_the_end else 0.25))
        stop.set()
        outcome = await last
        assert not to_the_end or outcome is Outcome.DONE, [await self.world.row(i) for i in self.ids]

    # ------------------------------------------------------------------ what must hold

    async def check(self) -> None:
        for execution_id in self.ids:
            row = await self.world.row(execution_id)
            count = self.world.remote.count(execution_id)
            story = [row, await self.world.path(execution_id), count]
            assert row.state in FINAL, story
            assert count <= 1, story
            if row.state in {S.SUCCEEDED, S.FAILED}:
                assert count == 1, story
            if row.state in {S.REJECTED, S.LOST}:
                assert count == 0, story
            if row.state is S.SUCCEEDED:
                assert row.output_state is OutputState.STORED, story
            if count:
                there = next(
                    e for e in self.world.remote.executions.values() if e.name.startswith(f"afield-{row.id.hex}")
                )
                assert there.handle == row.handle, story
                assert there.word(self.world.clock.now()) not in {"WAITING", "BUSY"}, story
