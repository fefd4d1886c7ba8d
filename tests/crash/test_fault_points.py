"""A real worker process is killed with SIGKILL at each named point; another one takes over; nothing runs twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from crash_world import crash_world
from worker_process import all_complete, start, stopped

from afield.faultpoints import FaultPoint
from afield.model.states import ExecutionState, OutputState

pytestmark = pytest.mark.slow

EXECUTIONS = 6
POINTS = {
    FaultPoint.BEFORE_INTENT: 1,
    FaultPoint.AFTER_INTENT: 1,
    FaultPoint.AFTER_SEND: 3,
    FaultPoint.AFTER_REPLY: 3,
    FaultPoint.DURING_LOOK: 1,
    FaultPoint.DURING_COLLECT: 2,
}


@pytest.mark.crash
@pytest.mark.timeout(90)
@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at(point: FaultPoint, database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        await world.sim.admin.put_faults(
            {world.sim.instances[0]: {"visibility": {"get_seconds": 0.3, "list_seconds": 0.3}}}
        )
        ids = await world.submit(target, EXECUTIONS)
        victim = await start(world, "worker", faultpoints=f"{point}:{POINTS[point]}")
        assert await victim.wait() == -signal.SIGKILL, "it was to die at the fault point"
        heir = await start(world, "worker")
        await all_complete(world)
        await stopped(heir)
        assert set((await world.remote_executions(ids)).values()) == {1}
        for row in await world.rows(ids):
            assert (row.state, row.output_state) == (ExecutionState.SUCCEEDED, OutputState.STORED), row


@pytest.mark.crash
@pytest.mark.timeout(90)
async def test_a_repair_killed_half_way_is_finished_by_the_next(database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        ids = await world.submit(target, 3)
        # A worker that dies with the replies in its hands leaves three executions in doubt ...
        victim = await start(world, "worker", faultpoints=f"{FaultPoint.AFTER_SEND}:3")
        assert await victim.wait() == -signal.SIGKILL
        # ... which a repair ties to what is found, if it is not killed between its halves.
        repair = ("reconcile", "--target", "one", "--fix", "--json")
        dying = await start(world, *repair, faultpoints=f"{FaultPoint.DURING_REPAIR}:1")
        await dying.wait()
        again = await start(world, *repair)
        assert await again.wait() in {0, 1}
        heir = await start(world, "worker")
        await all_complete(world)
        await stopped(heir)
        assert set((await world.remote_executions(ids)).values()) == {1}
        assert {row.state for row in await world.rows(ids)} == {ExecutionState.SUCCEEDED}
