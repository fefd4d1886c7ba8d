"""A worker that is stopped, frozen, or left without its database: work goes on, and nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from crash_world import World, crash_world
from worker_process import all_complete, start, stopped

from afield.ledger import embedded
from afield.ledger.base import EventFilter
from afield.ledger.migrate import migrate
from afield.model.states import ExecutionState, OutputState
from afield.model.target import DEFAULT_TENANT

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(120)]


async def until_state(world: World, state: ExecutionState) -> None:
    """Wait until an execution has come to this state."""
    events = cast("Any", world.kernel.ledger.follow(EventFilter(tenant_id=DEFAULT_TENANT), after=0))
    async with aclosing(events) as following:
        async for event in following:
            if event.to_state is state:
                return


async def check_all_succeeded_once(world: World, ids: list[Any]) -> None:
    assert set((await world.remote_executions(ids)).values()) == {1}
    for row in await world.rows(ids):
        assert (row.state, row.output_state) == (ExecutionState.SUCCEEDED, OutputState.STORED), row


async def test_stopped_while_requests_hang_it_hands_over_within_ten_seconds(database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0], request_timeout=60, max_visibility_delay=10)
        slow = {"slow": {"calls": ["create"], "seconds": 30, "accepted": True, "next": 3}}
        await world.sim.admin.put_faults({world.sim.instances[0]: slow})
        ids = await world.submit(target, 5)
        worker = await start(world, "worker")
        await world.sim.admin.wait(what="created", at_least=3)
        await stopped(worker)  # SIGTERM: it has to be gone, with exit code 0, within ten seconds
        heir = await start(world, "worker")
        await all_complete(world)
        await stopped(heir)
        await check_all_succeeded_once(world, ids)


async def test_frozen_and_overtaken_it_writes_and_starts_nothing_when_it_wakes(
    database_url: str, tmp_path: Path
) -> None:
    async with crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        await world.sim.admin.put_settings({"*": {"running_seconds": 3}})
        ids = await world.submit(target, 8)
        frozen = await start(world, "worker")
        await until_state(world, ExecutionState.SUBMITTED)
        frozen.send_signal(signal.SIGSTOP)
        heir = await start(world, "worker")
        await all_complete(world)
        before = await world.kernel.ledger.target(target.id)
        seen = await world.kernel.ledger.last_seq()
        frozen.send_signal(signal.SIGCONT)
        await stopped(frozen)
        moved = await world.kernel.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT), after=seen)
        assert [event for event in moved if event.epoch is not None and event.epoch < before.epoch] == []
        await stopped(heir)
        await check_all_succeeded_once(world, ids)


async def test_two_workers_and_never_two_drivers_of_one_target(database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        targets = [await world.target(f"target-{n}", world.sim.instances[0]) for n in range(4)]
        workers = [await start(world, "worker") for _ in range(2)]
        ids = [x for target in targets for x in await world.submit(target, 5)]
        await all_complete(world)
        for worker in workers:
            await stopped(worker)
        await check_all_succeeded_once(world, ids)
        events = await world.kernel.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT), after=0, limit=10_000)
        for target in targets:
            epochs = [e.epoch for e in events if e.target_id == target.id and e.epoch is not None]
            assert epochs == sorted(epochs), "a driver wrote after another one had taken the target"


async def test_a_database_killed_under_a_working_worker_costs_a_pause(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    url = await embedded.ensure_started(home)
    try:
        await migrate(url)
        async with crash_world(url, home) as world:
            target = await world.target("one", world.sim.instances[0])
            ids = await world.submit(target, 20)
            worker = await start(world, "worker")
            for _ in range(2):
                await until_state(world, ExecutionState.RUNNING)
                pid = await asyncio.to_thread(embedded.postmaster_pid, home)
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await embedded.ensure_started(home)
            await all_complete(world)
            await stopped(worker)
            await check_all_succeeded_once(world, ids)
    finally:
        await embedded.stop(home)


async def test_a_dead_workers_targets_are_taken_over_while_another_one_waits(database_url: str, tmp_path: Path) -> None:
    async with crash_world(database_url, tmp_path) as world:
        target = await world.target("one", world.sim.instances[0])
        await world.sim.admin.put_settings({"*": {"running_seconds": 2}})
        victim = await start(world, "worker")
        ids = await world.submit(target, 6)
        await until_state(world, ExecutionState.SUBMITTED)
        idle = await start(world, "worker")
        victim.kill()
        await victim.wait()
        async with asyncio.timeout(60):  # 3 s to take over, then some looks; without a take-over it would never end
            await all_complete(world)
        await stopped(idle)
        await check_all_succeeded_once(world, ids)
