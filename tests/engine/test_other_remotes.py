"""Remotes with manners of their own: one that stops nothing, one where a cancel removes, one where the ended stay."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from engine_world import World

from afield.connectors.base import (
    NO_ROOM,
    Abilities,
    Cancellation,
    Entry,
    Intent,
    LookQuery,
    NotSent,
    Snapshot,
    Submission,
)
from afield.engine.drive import Outcome
from afield.model.execution import Reason
from afield.model.states import ExecutionState, OutputState
from afield.testing.connector import MemoryConnector

S = ExecutionState
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class StopsNothing(MemoryConnector):
    abilities: ClassVar[Abilities] = replace(MemoryConnector.abilities, cancel=False)

    async def cancel(self, handle: str) -> Cancellation:
        raise AssertionError("nobody asks a remote for what it cannot do")


class CancelRemoves(MemoryConnector):
    """What was stopped is shown no more."""

    abilities: ClassVar[Abilities] = replace(MemoryConnector.abilities, cancel_removes=True)

    async def look(self, query: LookQuery) -> Snapshot:
        snapshot = await super().look(query)
        return replace(snapshot, entries=tuple(e for e in snapshot.entries if e.status != "STOPPED"))


class KeepsTheEnded(MemoryConnector):
    """Ended executions stay until they are released; the first release fails."""

    abilities: ClassVar[Abilities] = replace(MemoryConnector.abilities, leaves_behind=True)
    released: ClassVar[list[str]] = []
    failing: ClassVar[int] = 0

    async def look(self, query: LookQuery) -> Snapshot:
        snapshot = await super().look(query)
        return replace(snapshot, entries=tuple(e for e in snapshot.entries if self._stays(e)))

    def _stays(self, entry: Entry) -> bool:
        return entry.name not in self.released

    async def release(self, intent: Intent) -> None:
        if KeepsTheEnded.failing:
            KeepsTheEnded.failing -= 1
            raise OSError("no answer")
        self.released.append(intent.key)


async def _pass(world: World, span: timedelta, *, step: timedelta = 5 * SECOND) -> None:
    end = world.clock.now() + span
    while world.clock.now() < end:
        await world.clock.sleep(step)


async def test_a_remote_that_stops_nothing_is_admitted_and_followed_to_the_true_end() -> None:
    world = await World.start(connector=StopsNothing)
    one = await world.record(seconds=3600.0, timeout_s=300)
    driving = asyncio.create_task(world.drive())
    await _pass(world, HOUR / 2)
    row = await world.row(one)
    assert (row.state, row.reason and row.reason.code) == (S.RUNNING, "cannot_stop")
    assert row.reason is not None
    assert "may still be running" in row.reason.text
    assert await driving is Outcome.DONE
    assert (await world.row(one)).state is S.SUCCEEDED, "late, and true"
    admitted = [e for e in await world.events(one) if e.reason and e.reason.code == "cannot_stop"]
    assert len(admitted) == 1, "said once"


async def test_a_cancel_at_a_remote_that_stops_nothing_is_admitted_too() -> None:
    world = await World.start(connector=StopsNothing)
    one = await world.record(seconds=600.0)
    driving = asyncio.create_task(world.drive())
    await _pass(world, 2 * SECOND * 60)
    await world.ledger.request_cancel(one, "somebody", world.clock.now())
    await driving
    reasons = [e.reason.text for e in await world.events(one) if e.reason and e.reason.code == "cannot_stop"]
    assert len(reasons) == 1
    assert reasons[0].startswith("A cancel was asked for")


async def test_where_a_cancel_removes_absence_is_the_end_that_was_asked_for() -> None:
    world = await World.start(connector=CancelRemoves)
    stopped = await world.record(seconds=100_000.0)
    late = await world.record(seconds=100_000.0, timeout_s=600)
    driving = asyncio.create_task(world.drive())
    await _pass(world, 120 * SECOND)
    await world.ledger.request_cancel(stopped, "somebody", world.clock.now())
    assert await driving is Outcome.DONE
    assert (await world.row(stopped)).state is S.CANCELLED
    assert (await world.row(late)).state is S.TIMED_OUT


async def test_what_nobody_cancelled_is_not_taken_for_cancelled_where_it_is_absent() -> None:
    world = await World.start(connector=CancelRemoves)
    one = await world.record(seconds=100_000.0)
    driving = asyncio.create_task(world.drive())
    await _pass(world, 120 * SECOND)
    await world.remote.cancel("r-1")
    await driving
    assert (await world.row(one)).state is S.LOST


async def test_what_ended_executions_left_behind_is_released_again_after_a_look() -> None:
    KeepsTheEnded.released.clear()
    KeepsTheEnded.failing = 1
    world = await World.start(connector=KeepsTheEnded)
    first = await world.record(seconds=10.0)
    await world.drive()
    row = await world.row(first)
    assert (row.output_state, KeepsTheEnded.released) == (OutputState.STORED, [])
    second = await world.record(seconds=200.0)
    await world.drive()
    assert sorted(KeepsTheEnded.released) == sorted([row.key, (await world.row(second)).key])


class Small(KeepsTheEnded):
    """There is one place, and the ended hold it until they are released."""

    name: ClassVar[str] = "small"

    async def submit(self, intent: Intent) -> Submission:
        held = [one for one in self.remote.executions.values() if one.name not in self.released]
        if held:
            return NotSent(Reason(NO_ROOM, "It is full."), 60 * SECOND, only_this=True)
        return await super().submit(intent)


async def test_where_the_ended_hold_the_last_place_it_is_looked_for_and_released() -> None:
    KeepsTheEnded.released.clear()
    KeepsTheEnded.failing = 1
    world = await World.start(connector=Small)
    first, second = await world.record(seconds=10.0), None
    await world.drive()
    assert KeepsTheEnded.released == [], "the release failed, or the driver died before it"
    second = await world.record(seconds=10.0)
    assert await world.drive() is Outcome.DONE
    assert (await world.row(second)).state is S.SUCCEEDED
    assert (await world.row(first)).key in KeepsTheEnded.released
