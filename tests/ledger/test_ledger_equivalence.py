"""Whatever is done to them, both ledgers answer the same and hold the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ledger_world import T0, World, at, make_world

from afield.ledger.base import EventFilter
from afield.ledger.memory import MemoryLedger
from afield.ledger.postgres import PostgresLedger
from afield.model.execution import Applied, Execution, Move, NewExecution, Reason, Verdict
from afield.model.ids import uuid7
from afield.model.states import ALLOWED, FINAL, ExecutionState, OutputState
from afield.model.target import DEFAULT_TENANT

pytestmark = pytest.mark.slow

ROWS = 3
STRAY = (ExecutionState.QUEUED, ExecutionState.RUNNING, ExecutionState.LOST)

states = st.sampled_from(ExecutionState)
times = st.integers(1, 9).map(at)
steps = st.fixed_dictionaries(
    {
        "row": st.integers(0, ROWS - 1),
        "to": st.sampled_from([1] * 12 + [2, 2, 2, 3, 0, 0, 0, 4, 5, *STRAY]),  # a number: one of the allowed
        "expect": st.sampled_from([None] * 20 + [*ExecutionState]),  # None: what it is
        "attempt_off": st.sampled_from([0] * 14 + [1, -1]),
        "fields": st.fixed_dictionaries(
            {"at": times},
            optional={
                "epoch": st.sampled_from([1] * 11 + [7]),
                "reason": st.builds(Reason, st.sampled_from("ab"), st.sampled_from(["", "text"])),
                "handle": st.sampled_from(["h1", "h2"]),
                "remote_status": st.sampled_from(["RUNNING", "PUBLISHING"]),
                "retry_at": times,
                "failures": st.integers(0, 3),
                "deadline_at": times,
                "cancel_asked_at": times,
                "output_state": st.sampled_from(OutputState),
                "output": st.just({"rows": 3}),
                "adopted_attempt": st.integers(1, 2),
            },
        ),
    }
)


def move_of(row: Execution, step: dict[str, Any]) -> Move:
    expect, to = step["expect"] or row.state, step["to"]
    if not isinstance(to, ExecutionState):
        ways = sorted(ALLOWED[row.state], key=lambda state: (state in FINAL - {ExecutionState.LOST}, state))
        choices = [row.state, *ways]  # those that go on first, and more often
        to = choices[to % len(choices)]
    starts = to is ExecutionState.SUBMITTING and expect is not ExecutionState.SUBMITTING
    attempt = row.attempt + starts + step["attempt_off"]
    return Move(execution_id=row.id, expect=expect, to=to, attempt=attempt, **step["fields"])


class Standing:
    """A clock that stands still, so that both ledgers write the same times."""

    def now(self) -> datetime:
        return T0

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        raise NotImplementedError


async def picture(world: World, ids: list[UUID]) -> list[Any]:
    """All that can be seen of the executions; the targets differ, everything else must not."""
    ledger, here, nowhere = world.ledger, world.target.id, UUID(int=0)
    rows = [replace(await ledger.execution(i), target_id=nowhere) for i in ids]
    tries = [await ledger.attempts(i) for i in ids]
    late = await ledger.late_attempts(here, T0)
    wanted = EventFilter(tenant_id=DEFAULT_TENANT, target_id=here)
    events = [replace(e, seq=0, target_id=nowhere) for e in await ledger.events(wanted, limit=10_000)]
    events.sort(key=lambda event: str(event.execution_id))  # in a batch, only each execution's own order is promised
    outstanding = [row.id for row in await ledger.outstanding(here, 2)]
    intents = await ledger.intents(ids)
    return [rows, tries, late, events, outstanding, intents, await ledger.owners(here, ["h1", "h2"])]


async def play(postgres: PostgresLedger, script: list[dict[str, Any]]) -> None:
    name = str(uuid7())
    worlds = [await make_world(ledger, name=name) for ledger in (MemoryLedger(Standing()), postgres)]
    ids = [uuid7() for _ in range(ROWS)]
    for world in worlds:
        for i in ids:
            new = NewExecution(id=i, tenant_id=DEFAULT_TENANT, target_id=world.target.id, spec={"n": i.hex})
            await world.ledger.create(new)
    memory = worlds[0].ledger
    moves, expected = [], []
    for step in script:
        move = move_of(await memory.execution(ids[step["row"]]), step)
        moves.append(move)
        expected.append(outcome(await memory.apply(move)))
    answers = [a for batch in batches(moves) for a in await postgres.apply_all(batch)]
    assert [outcome(a) for a in answers] == expected
    assert await picture(worlds[0], ids) == await picture(worlds[1], ids)


def outcome(applied: Applied) -> tuple[Verdict, ExecutionState | None, bool]:
    return applied.verdict, applied.state, applied.seq is None


def batches(moves: list[Move]) -> Iterator[list[Move]]:
    """Many moves together; but who of two executions gets a handle first is only promised between batches."""
    batch: list[Move] = []
    for move in moves:
        if move.handle is None:
            batch.append(move)
        else:
            yield from ([*batch], [move])
            batch.clear()
    yield batch


def test_both_ledgers_agree(database_url: str) -> None:
    with asyncio.Runner() as runner:
        postgres = runner.run(PostgresLedger.open(database_url, clock=Standing()))

        @settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
        @given(st.lists(steps, min_size=20, max_size=60))
        def agree(script: list[dict[str, Any]]) -> None:
            runner.run(play(postgres, script))

        try:
            agree()
        finally:
            runner.run(postgres.close())
