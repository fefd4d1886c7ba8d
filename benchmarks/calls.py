"""How many calls following costs: 100, 1,000 and 10,000 live executions of one instance, looked for in batches,
against one poll an execution at the same interval.

The real connector asks the real simulator over HTTP; only time is simulated, by one clock for both, that jumps to the
next moment at which something is due as soon as no call is under way. The calls are counted at the simulator.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast
from uuid import UUID

from afield.config import LogFormat
from afield.connectors.amc.connector import AmcConnector
from afield.connectors.base import LookQuery, Snapshot, TargetContext
from afield.connectors.registry import AnyConnector
from afield.engine.drive import drive
from afield.ledger.base import NewTarget
from afield.ledger.memory import MemoryLedger
from afield.ledger.tokens import MemoryTokens
from afield.model.execution import Move, NewExecution
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from afield.telemetry.logs import set_up_logs
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing import ManualClock, Simulator, running_simulator
from benchmarks.harness import Json, arguments, deliver, machine, say
from benchmarks.work import SQL

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
AGES = ((0.90, 0, 20), (0.09, 20, 120), (0.01, 120, 1200))  # share of the live ones, youngest and oldest in minutes
NEIGHBOURS = 0.1  # of others, ended, for each live one of ours, over the last 20 hours; where there are any
GROUPS = 50  # times of creation that each share of ages is spread over


@dataclass(frozen=True, slots=True)
class Case:
    """So many live executions, looked for so many times, as often as the settings say."""

    live: int
    looks: int
    settings: JsonObject
    neighbours: float = 0.0


class JumpingClock:
    """A clock for both sides that moves only when no call is under way, and then to the next moment waited for."""

    def __init__(self, sim: ManualClock) -> None:
        self._sim = sim
        self._under_way = 0
        self._landed = asyncio.Event()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._sim.now(), UTC)

    @contextmanager
    def call(self) -> Iterator[None]:
        """While inside, time stands still."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._landed.set()

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        for _ in range(100):  # lets what was just begun get to its first call
            if wake.is_set():
                return True
            await asyncio.sleep(0)
        while self._under_way and not wake.is_set():
            self._landed.clear()
            await self._landed.wait()
            await asyncio.sleep(0)
        if not wake.is_set():
            self._sim.advance(max(0.0, (until - self.now()).total_seconds()))
        return wake.is_set()


@dataclass
class Watch:
    """Counts looks, and stops the driver after the last one. The first is not counted: it finds out how much there
    is to be listed."""

    clock: JumpingClock
    sim: Simulator
    looks: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    times: list[datetime] = field(default_factory=list)
    first: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)

    async def looked(self) -> None:
        self.times.append(self.clock.now())
        counters = await self.sim.admin.counters()
        self.total = Counter(counters["calls"].get(self.sim.instances[0], {}))
        if len(self.times) == 1:
            self.first = self.total
        if len(self.times) > self.looks:
            self.stop.set()

    @property
    def calls(self) -> Counter[str]:
        return self.total - self.first

    @property
    def minutes(self) -> float:
        return (self.times[-1] - self.times[0]).total_seconds() / 60


class WatchedConnector(AmcConnector):
    """The AMC connector, watched."""

    watch: ClassVar[Watch]

    async def look(self, query: LookQuery) -> Snapshot:
        with self.watch.clock.call():
            snapshot = await super().look(query)
            if not snapshot.complete:
                raise RuntimeError(f"a look was not complete: {snapshot.error}")
            await self.watch.looked()
        return snapshot


def ages(live: int) -> Iterator[tuple[int, float]]:
    """How many executions are so many seconds old: mostly young ones, and a few stragglers."""
    chance = random.Random(live)  # the same every time
    for share, youngest, oldest in AGES:
        count = round(live * share)
        groups = min(GROUPS, count)
        for number in range(groups):
            size = count // groups + (number < count % groups)
            yield size, 60 * chance.uniform(youngest, oldest)


async def plant(sim: Simulator, ledger: MemoryLedger, target_id: UUID, case: Case) -> None:
    """Put the live executions into both sides, and others' ones beside them at the remote."""
    instance = sim.instances[0]
    for count, age in sorted(ages(case.live), key=lambda one: -one[1]):
        planted = await sim.admin.plant(instance_id=instance, status="RUNNING", age_seconds=age, count=count)
        created = datetime.fromtimestamp(sim.clock.now() - age, UTC)
        for one in planted:
            await _known(ledger, target_id, str(one["id"]), created)
    others = round(case.live * case.neighbours)
    groups = min(GROUPS, others)
    for number in range(groups):
        age = 20 * 3600 * (number + 0.5) / groups
        await sim.admin.plant(instance_id=instance, status="SUCCEEDED", age_seconds=age, count=others // groups)


async def _known(ledger: MemoryLedger, target_id: UUID, handle: str, created: datetime) -> None:
    """An execution that was accepted at its time of creation."""
    new = NewExecution(id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=target_id, spec={"sql_query": SQL})
    await ledger.create(new)
    queued, submitting, submitted = ExecutionState.QUEUED, ExecutionState.SUBMITTING, ExecutionState.SUBMITTED
    intent = Move(execution_id=new.id, attempt=1, at=created, expect=queued, to=submitting)
    applied = await ledger.apply_all([intent, replace(intent, expect=submitting, to=submitted, handle=handle)])
    assert all(one.ok for one in applied)


async def measure(case: Case) -> Json:
    """Follow for a while; what it cost."""
    manual = ManualClock(START.timestamp())
    async with running_simulator(clock=manual, instances=1) as sim:
        clock = JumpingClock(manual)
        ledger = MemoryLedger(clock)
        address: JsonObject = {
            "instance_id": sim.instances[0],
            "entity_id": sim.amc.entity_id,
            "marketplace_id": sim.amc.marketplace_id,
            "base_url": sim.amc.base_url,
            "token_url": sim.amc.lwa_token_url,
        }
        settings = {"max_live": case.live, "calls_per_minute": 1_000_000} | case.settings
        new = NewTarget(
            id=uuid7(), tenant_id=DEFAULT_TENANT, connector="amc", name="calls", address=address, settings=settings
        )
        await ledger.add_target(new)
        await plant(sim, ledger, new.id, case)
        watch = WatchedConnector.watch = Watch(clock, sim, case.looks)
        await _drive(new, sim, ledger, watch)
        return summary(case.live, watch)


async def _drive(new: NewTarget, sim: Simulator, ledger: MemoryLedger, watch: Watch) -> None:
    secret = {
        "client_id": sim.amc.client_id,
        "client_secret": sim.amc.client_secret,
        "refresh_token": sim.amc.refresh_token,
    }
    artifacts = MemoryArtifacts()
    context = TargetContext(
        target_id=new.id,
        name=new.name,
        address=new.address,
        settings=new.settings,
        secret=secret,
        tokens=MemoryTokens(secret, watch.clock),
        artifacts=artifacts,
        notes=MemoryNotes(),
        clock=watch.clock,
    )
    connector = cast(AnyConnector, await WatchedConnector.open(context))
    try:
        await drive(
            ledger, connector, artifacts, new.id,
            driver="benchmark", clock=watch.clock, stop=watch.stop, grace=timedelta(seconds=1),
        )  # fmt: skip
    finally:
        await connector.close()


def summary(live: int, watch: Watch) -> Json:
    """What the looks after the first one cost."""
    looks, minutes = len(watch.times) - 1, watch.minutes
    pages, singles = watch.calls["list"], watch.calls["get"]
    return {
        "live": live,
        "looks": looks,
        "interval_s": round(60 * minutes / looks, 2),
        "calls_per_minute": round((pages + singles) / minutes, 2),
        "poll_each_per_minute": round(live * looks / minutes, 2),
        "saved": round(live * looks / (pages + singles), 1),
        "pages_per_look": round(pages / looks, 2),
        "singles_per_look": round(singles / looks, 2),
        "pages_per_100_live": round(pages / looks / (live / 100), 3),
        "calls_per_100_live": round((pages + singles) / looks / (live / 100), 3),
        "first_look": {"pages": watch.first["list"], "singles": watch.first["get"]},
        "other_calls": {kind: n for kind, n in sorted(watch.calls.items()) if kind not in {"list", "get"}},
    }


FIXED: JsonObject = {"min_interval": 10, "max_interval": 10}


def cases(small: bool) -> dict[str, list[Case]]:
    """`alone`: all there is on the instance is ours, and is looked for every ten seconds; `shared`: others use it too;
    `adaptive`: with the intervals the product comes with, longer for what is older."""
    sizes = {20: 3, 120: 3} if small else {100: 60, 1_000: 30, 10_000: 10}
    return {
        "alone": [Case(live, looks, FIXED) for live, looks in sizes.items()],
        "shared": [Case(live, looks, FIXED, NEIGHBOURS) for live, looks in sizes.items()],
        "adaptive": [Case(live, looks, {}) for live, looks in sizes.items()],
    }


async def run(small: bool) -> Json:
    measured: dict[str, list[Json]] = {}
    for name, some in cases(small).items():
        for case in some:
            told = await measure(case)
            say(f"{name}: {told}")
            measured.setdefault(name, []).append(told)
    alone = measured["alone"]
    return {
        "calls_per_minute": {str(one["live"]): one["calls_per_minute"] for one in alone},
        "poll_each_per_minute": {str(one["live"]): one["poll_each_per_minute"] for one in alone},
        "pages_per_100_live": {str(one["live"]): one["pages_per_100_live"] for one in alone},
        "aim_met": all(one["pages_per_look"] <= math.ceil(one["live"] / 100) for one in alone),
        **measured,
        "ages": [{"share": share, "minutes": [young, old]} for share, young, old in AGES],
        "neighbours": NEIGHBOURS,
        "machine": machine(),
    }


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    set_up_logs("WARNING", LogFormat.JSON, sys.stderr)
    deliver("calls", asyncio.run(run(options.small)), options)


if __name__ == "__main__":
    main()
