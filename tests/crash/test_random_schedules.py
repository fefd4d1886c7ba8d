"""Two hundred seeded random schedules: faults in the cloud, deaths here, and one remote execution per intent."""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from crash_nursery import Nursery
from crash_world import World, crash_world

from afield.faultpoints import FaultPoint
from afield.model.states import ExecutionState, OutputState

pytestmark = pytest.mark.slow

SCHEDULES = 200
AT_ONCE = 8
INSTANCES = 4
ELSEWHERE = {FaultPoint.DURING_REPAIR, *(point for point in FaultPoint if point.startswith("session"))}
DRIVER_POINTS = [point for point in FaultPoint if point not in ELSEWHERE]  # those that a driver comes by


@dataclass(frozen=True)
class Death:
    """How a driver dies: at a fault point, or after some seconds wherever it is."""

    faultpoints: str = ""
    after: float | None = None


def deaths(rng: random.Random) -> list[Death]:
    """One to three deaths."""

    def death() -> Death:
        if rng.random() < 0.6:
            return Death(faultpoints=f"{rng.choice(DRIVER_POINTS)}:{rng.randint(1, 4)}")
        return Death(after=rng.uniform(0.05, 0.6))

    return [death() for _ in range(rng.randint(1, 3))]


async def one_life(world: World, nursery: Nursery, target_id: UUID, death: Death) -> int:
    """Let a driver live until it is done or dies; its exit code."""
    arguments = [world.url, str(world.home), str(target_id), death.faultpoints]
    code = await nursery.live(arguments, killed_after=death.after)
    assert code in {0, -signal.SIGKILL}, f"the driver ended with {code}"
    return code


async def one_schedule(world: World, nursery: Nursery, seed: int) -> list[str]:
    """Run one schedule; what is wrong afterwards."""
    rng = random.Random(seed)
    target = await world.target(f"schedule-{seed}", world.sim.instances[seed % INSTANCES])
    ids = await world.submit(target, rng.randint(1, 4))
    for death in deaths(rng):
        await one_life(world, nursery, target.id, death)
    assert await one_life(world, nursery, target.id, Death()) == 0
    counts = await world.remote_executions(ids)
    wrong = [f"seed {seed}: {x} ran {n} times" for x, n in counts.items() if n != 1]
    for row in await world.rows(ids):
        if row.state is not ExecutionState.SUCCEEDED or row.output_state is not OutputState.STORED:
            wrong.append(f"seed {seed}: {row.id} is {row.state}, its output {row.output_state} ({row.reason})")
    return wrong


@pytest.mark.crash
@pytest.mark.timeout(480)
async def test_every_intent_runs_once_whatever_crashes(database_url: str, tmp_path: Path) -> None:
    async with Nursery() as nursery, crash_world(database_url, tmp_path, instances=INSTANCES) as world:
        lost = {"calls": ["create"], "probability": 0.2}
        faults = {
            "visibility": {"get_seconds": 0.3, "list_seconds": 0.3},
            "reply_lost": lost,
            "request_lost": {"calls": ["create", "list", "download_urls"], "probability": 0.1},
            "throttled": {"calls": ["create"], "probability": 0.1, "seconds": 0.2},
            "server_error": {"calls": ["create"], "probability": 0.1, "accepted": True},
        }
        await world.sim.admin.put_faults(dict.fromkeys(world.sim.instances, faults))
        places = asyncio.Semaphore(AT_ONCE)

        async def limited(seed: int) -> list[str]:
            async with places:
                return await one_schedule(world, nursery, seed)

        wrong = await asyncio.gather(*(limited(seed) for seed in range(SCHEDULES)))
    assert [line for lines in wrong for line in lines] == []
