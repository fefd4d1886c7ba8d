"""The numbered feed, in both ledgers and across processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import pytest
from ledger_world import S, World, at

from afield.errors import NotFoundError
from afield.ledger.base import EventFilter
from afield.ledger.postgres import PostgresLedger
from afield.model.execution import Event, EventKind, Reason
from afield.model.ids import uuid7
from afield.model.target import DEFAULT_TENANT

ALL = EventFilter(tenant_id=DEFAULT_TENANT)
WRITER = Path(__file__).with_name("ledger_writer.py")


async def take(events: AsyncIterator[Event], count: int) -> list[Event]:
    taken = []
    async for event in events:
        taken.append(event)
        if len(taken) == count:
            break
    return taken


async def test_numbers_have_no_gap_and_replay_starts_anywhere(world: World) -> None:
    for _ in range(3):
        await world.execution(S.SUCCEEDED)
    everything = await world.ledger.events(ALL)
    newest = await world.ledger.last_seq()
    assert [e.seq for e in everything] == list(range(1, newest + 1))
    assert await world.ledger.events(ALL, after=newest - 2) == everything[-2:]
    assert await world.ledger.events(ALL, after=2, limit=3) == everything[2:5]
    assert await world.ledger.events(ALL, after=newest) == []


async def test_filters(world: World) -> None:
    one, _ = await world.execution(S.SUBMITTING), await world.execution()
    mine = EventFilter(tenant_id=DEFAULT_TENANT, execution_id=one.id)
    assert [e.kind for e in await world.ledger.events(mine)] == [EventKind.CREATED, EventKind.MOVED]
    created = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.CREATED}))
    assert len(await world.ledger.events(created)) == 2
    elsewhere = EventFilter(tenant_id=DEFAULT_TENANT, target_id=uuid7())
    assert await world.ledger.events(elsewhere) == []


async def test_following_replays_and_then_goes_on(world: World) -> None:
    row = await world.execution()
    async with aclosing(world.ledger.follow(ALL, after=0)) as events:  # type: ignore[type-var]
        assert [e.kind for e in await take(events, 1)] == [EventKind.CREATED]
        next_one = asyncio.create_task(take(events, 2))
        row = await world.step(row, S.SUBMITTING)
        await world.step(row, S.SUBMITTED)
        assert [e.to_state for e in await next_one] == [S.SUBMITTING, S.SUBMITTED]


async def test_an_event_that_is_no_move(world: World) -> None:
    row = await world.execution()
    seq = await world.ledger.note_event(
        EventKind.REPAIRED,
        target_id=world.target.id,
        at=at(1),
        actor="ada",
        execution_id=row.id,
        reason=Reason("adopt", "Tied."),
        data={"handle": "h"},
    )
    (event,) = await world.ledger.events(ALL, after=seq - 1)
    assert (event.kind, event.actor, event.reason, event.data) == (
        EventKind.REPAIRED, "ada", Reason("adopt", "Tied."), {"handle": "h"}
    )  # fmt: skip
    with pytest.raises(NotFoundError):
        await world.ledger.note_event(EventKind.REPAIRED, target_id=uuid7(), at=at(1), actor="ada")


async def start_writer(url: str, target_id: UUID, count: int) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, str(WRITER), url, str(target_id), str(count))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def let_write(process: asyncio.subprocess.Process) -> None:
    await process.communicate(b"\n")
    assert process.returncode == 0


async def test_a_follower_sees_all_of_several_processes_in_order(
    postgres_world: World, database_url: str, ledger: PostgresLedger
) -> None:
    """Whoever reads up to n must never meet a number below n later: writers in three processes try to make it so."""
    count = 150
    async with aclosing(ledger.follow(ALL, after=0)) as events:  # type: ignore[type-var]
        following = asyncio.create_task(take(events, 2 * count * 2 + count))
        writers = [await start_writer(database_url, postgres_world.target.id, count) for _ in range(2)]
        own = [postgres_world.execution() for _ in range(count)]
        await asyncio.gather(*own, *[let_write(writer) for writer in writers])
        seen = [event.seq for event in await following]
    assert seen == list(range(1, len(seen) + 1))
    assert await ledger.last_seq() == len(seen)


async def test_a_driver_is_woken_by_another_process(postgres_world: World, database_url: str) -> None:
    wake = asyncio.Event()
    with postgres_world.ledger.waking(postgres_world.target.id, wake):
        await let_write(await start_writer(database_url, postgres_world.target.id, 1))
        await asyncio.wait_for(wake.wait(), 10)
