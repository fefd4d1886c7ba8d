"""Worker processes die at each named point of a session, and others go on: every step runs once, and in order."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from crash_nursery import Nursery
from crash_world import World, crash_world
from session_life import begun, ended, heir, in_order, plain, ran, step_ended, undoable
from worker_process import start, stopped

from afield.faultpoints import FaultPoint
from afield.ledger import embedded
from afield.ledger.migrate import migrate
from afield.model.session import SessionState, StepState

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(90)]

POINTS: dict[str, dict[FaultPoint, int]] = {
    "deciding": {
        FaultPoint.SESSION_BEFORE_WRITE: 3,
        FaultPoint.SESSION_AFTER_WRITE: 3,
        FaultPoint.SESSION_AFTER_CREATE: 2,
    },
    "sending": {
        FaultPoint.BEFORE_INTENT: 2,
        FaultPoint.AFTER_INTENT: 2,
        FaultPoint.AFTER_SEND: 2,
        FaultPoint.AFTER_REPLY: 2,
    },
    "following": {
        FaultPoint.DURING_LOOK: 2,
        FaultPoint.DURING_COLLECT: 2,
    },
}
"""How often each point is reached before the worker dies there: at the second of three steps, or just before it."""

UNDOING = {
    FaultPoint.SESSION_AFTER_WRITE: 8,
    FaultPoint.SESSION_AFTER_CREATE: 5,
    FaultPoint.AFTER_SEND: 5,
}
"""The same for the undoing of three steps."""


async def killed_at(world: World, nursery: Nursery, point: FaultPoint, count: int) -> None:
    """One worker's life."""
    code = await nursery.live([world.url, str(world.home), f"{point}:{count}"], killed_after=None)
    assert code == -signal.SIGKILL, "it was to die at the fault point"


async def killed(worker: Process) -> None:
    worker.kill()
    await worker.wait()


@pytest.mark.parametrize("part", POINTS)
async def test_a_session_whose_worker_is_killed_while(part: str, database_url: str, tmp_path: Path) -> None:
    async with Nursery("session_victim") as nursery, crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        for point, count in POINTS[part].items():
            before = len(await ran(world))
            number = await begun(world, *plain(target, 3))
            await killed_at(world, nursery, point, count)
            async with heir(world):
                session, steps = await ended(world, number)
            assert session.state is SessionState.COMPLETED, point
            assert [(step.state, step.attempt) for step in steps] == [(StepState.SUCCEEDED, 1)] * 3, point
            assert (await ran(world))[before:] == in_order(steps), point


async def test_a_rollback_whose_worker_is_killed(database_url: str, tmp_path: Path) -> None:
    async with Nursery("session_victim") as nursery, crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        for point, count in UNDOING.items():
            before = len(await ran(world))
            number = await begun(world, *undoable(target, 3))
            await killed_at(world, nursery, point, count)
            async with heir(world):
                session, steps = await ended(world, number)
            assert session.state is SessionState.ROLLED_BACK, point
            assert [step.undoes for step in steps] == [None, None, None, 3, 2, 1], point
            assert (await ran(world))[before:] == in_order(steps), point


async def test_workers_side_by_side_that_die_in_turn(database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        targets = [await world.target(f"target-{n}", world.sim.instances[0]) for n in range(2)]
        first, second = [await start(world, "worker") for _ in range(2)]
        wide = [step for lane, target in enumerate(targets) for step in plain(target, 3, lane)]
        numbers = [await begun(world, *wide, batch_size=2) for _ in range(2)]
        await step_ended(world, numbers[0], 1)
        await killed(first)
        third = await start(world, "worker")
        await step_ended(world, numbers[1], 2)
        await killed(second)
        sessions = [await ended(world, number) for number in numbers]
        await stopped(third)
        assert [session.state for session, _ in sessions] == [SessionState.COMPLETED] * 2
        order = await ran(world)
        assert sorted(order) == sorted(one for _, steps in sessions for one in in_order(steps))
        for lane in [lane for _, steps in sessions for lane in (in_order(steps[:3]), in_order(steps[3:]))]:
            assert [one for one in order if one in lane] == lane


async def test_a_database_killed_under_a_session_costs_a_pause(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    url = await embedded.ensure_started(home)
    try:
        await migrate(url)
        async with crash_world(url, home) as world:
            target = await world.target("one", world.sim.instances[0])
            worker = await start(world, "worker")
            number = await begun(world, *plain(target, 4))
            for step in (1, 2):
                await step_ended(world, number, step)
                pid = await asyncio.to_thread(embedded.postmaster_pid, home)
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await embedded.ensure_started(home)
            session, steps = await ended(world, number)
            await stopped(worker)
            assert session.state is SessionState.COMPLETED
            assert await ran(world) == in_order(steps)
    finally:
        await embedded.stop(home)
