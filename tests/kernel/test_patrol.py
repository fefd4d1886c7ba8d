"""The patrol: rescues what was given up, looks once for all processes, tells people once, and stops when told to."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from kernel_world import World, settings_for, working
from structlog.testing import capture_logs

from afield.errors import UnavailableError
from afield.kernel import open_kernel
from afield.ledger.scans import Due
from afield.model.execution import EventKind
from afield.model.states import ExecutionState, OutputState
from afield.patrol import Patrol

HOUR = timedelta(hours=1)


def alerts(logs: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["finding"] for line in logs if line["event"] == "finding.open"]


async def test_what_was_lost_and_turns_up_is_rescued_and_its_output_collected(world: World) -> None:
    target = await world.target()
    async with working(world.kernel):
        execution_id = await world.lost(target)
        for execution in world.remote.executions.values():
            execution.shown_from = execution.created_at
        with capture_logs() as logs:
            assert await Patrol(world.kernel, HOUR).round() == 1
        row = await world.until(execution_id, lambda row: row.output_state is OutputState.STORED)
    assert row.state is ExecutionState.SUCCEEDED
    assert {event.actor for event in await world.events(EventKind.REPAIRED)} == {"patrol"}
    assert alerts(logs) == []
    assert len(world.remote.executions) == 1


async def test_of_many_patrols_one_looks_in_an_interval(world: World) -> None:
    target = await world.target()
    await world.submit(target)
    settings = world.kernel.settings
    async with open_kernel(settings, clock=world.clock) as other, open_kernel(settings, clock=world.clock) as third:
        patrols = [Patrol(kernel, HOUR) for kernel in (world.kernel, other, third)]
        assert sum(await asyncio.gather(*(patrol.round() for patrol in patrols))) == 1
        assert sum(await asyncio.gather(*(patrol.round() for patrol in patrols))) == 0
        assert world.remote.calls["page"] == 1
        world.clock.ahead = HOUR
        assert sum(await asyncio.gather(*(patrol.round() for patrol in patrols))) == 1
        assert world.remote.calls["page"] == 2
        shown = [await kernel.last_scan(target.id) for kernel in (world.kernel, other, third)]
    assert shown[0] is not None
    assert shown[0] == shown[1] == shown[2]


async def test_targets_without_work_are_left_alone(world: World) -> None:
    target = await world.target()
    assert await Patrol(world.kernel, HOUR).round() == 0
    async with working(world.kernel):
        execution_id = await world.submit(target)
        await world.until(execution_id, lambda row: row.complete)
    assert await Patrol(world.kernel, HOUR).round() == 1
    world.clock.ahead = timedelta(days=2)
    assert await Patrol(world.kernel, HOUR).round() == 0


async def test_it_tells_of_a_finding_once_whoever_found_it(world: World) -> None:
    target = await world.target()
    world.remote.slow_show = timedelta(days=9)
    async with working(world.kernel):
        execution_id = await world.lost(target)
    with capture_logs() as logs:
        await world.kernel.scan(target)  # a person looks; nobody is told by this
        assert alerts(logs) == []
        await Patrol(world.kernel, HOUR).round()
        world.clock.ahead = HOUR
        await Patrol(world.kernel, HOUR).round()
    [finding] = alerts(logs)
    assert str(execution_id) in finding
    assert [f.finding.fingerprint for f in await world.kernel.ledger.findings(target.tenant_id)] == [finding]


async def test_one_targets_trouble_is_not_the_others(world: World) -> None:
    well, broken = await world.target("well"), await world.target("broken", remote="nowhere")
    for target in (well, broken):
        await world.submit(target)
    with capture_logs() as logs:
        assert await Patrol(world.kernel, HOUR).round() == 2
    assert [line["target_id"] for line in logs if line["event"] == "patrol.target_failed"] == [str(broken.id)]
    assert await world.kernel.last_scan(well.id) is not None


async def test_a_database_that_is_away_costs_a_pause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    again = asyncio.Event()
    asked: list[datetime] = []

    async def due(_: datetime, *, before: datetime, back: datetime) -> list[Due]:
        asked.append(before)
        if len(asked) == 1:
            raise UnavailableError("The database does not answer.")
        again.set()
        return []

    monkeypatch.setattr(world.kernel.scans, "due", due)
    patrol = Patrol(world.kernel, timedelta(seconds=0.1))
    with capture_logs() as logs:
        running = asyncio.create_task(patrol.run())
        await again.wait()
        patrol.stop()
        await running
    assert [line["event"] for line in logs] == ["patrol.database_away"]


async def test_stopped_while_a_remote_does_not_answer(world: World) -> None:
    asked = asyncio.Event()

    def latency() -> timedelta:
        asked.set()
        return HOUR

    await world.submit(await world.target())
    world.remote.latency = latency
    patrol = Patrol(world.kernel, HOUR, grace=timedelta(0))
    running = asyncio.create_task(patrol.run())
    await asked.wait()
    patrol.stop()
    await running


async def test_no_patrol_without_an_interval(world: World) -> None:
    await world.submit(await world.target())
    settings = settings_for(world.kernel.settings.home, "postgresql://x", reconcile_every=0)
    await Patrol(world.kernel, timedelta(seconds=settings.reconcile_every)).run()
    assert world.remote.calls["page"] == 0
