"""Callers share a transaction, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from ledger_world import S, World

from afield.errors import InvalidInputError, UnavailableError
from afield.ledger.base import EventFilter
from afield.ledger.commit import GroupCommit
from afield.ledger.postgres import PostgresLedger
from afield.model.target import DEFAULT_TENANT


class Recorder:
    """A flush that keeps its batches and can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def flush(self, items: Sequence[bytes]) -> list[bytes]:
        self.batches.append(list(items))
        await self.gate.wait()
        if b"bad" in items:
            raise psycopg.DataError("no")
        if b"bug" in items:
            raise ZeroDivisionError
        return [item.upper() for item in items]


async def test_who_comes_while_it_writes_shares_the_next_batch() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    commit = GroupCommit(recorder.flush, limit=3)
    first = asyncio.create_task(commit.write([b"a"]))
    while not recorder.batches:
        await asyncio.sleep(0)
    others = [asyncio.create_task(commit.write([item])) for item in (b"b", b"c", b"d", b"e")]
    await asyncio.sleep(0)
    recorder.gate.set()
    assert await asyncio.gather(first, *others) == [[b"A"], [b"B"], [b"C"], [b"D"], [b"E"]]
    assert recorder.batches == [[b"a"], [b"b", b"c", b"d"], [b"e"]]
    await commit.close()


async def test_a_long_list_is_written_in_order() -> None:
    recorder = Recorder()
    commit = GroupCommit(recorder.flush, limit=2)
    assert await commit.write([b"a", b"b", b"c"]) == [b"A", b"B", b"C"]
    assert recorder.batches == [[b"a", b"b"], [b"c"]]
    await commit.close()


async def test_a_bad_item_fails_alone() -> None:
    recorder = Recorder()
    commit = GroupCommit(recorder.flush)
    answers = await asyncio.gather(*[commit.write([i]) for i in (b"a", b"bad", b"c")], return_exceptions=True)
    assert answers[0] == [b"A"]
    assert isinstance(answers[1], InvalidInputError)
    assert answers[2] == [b"C"]
    await commit.close()


async def test_it_survives_a_bug_and_a_caller_that_left() -> None:
    recorder = Recorder()
    commit = GroupCommit(recorder.flush)
    with pytest.raises(ZeroDivisionError):
        await commit.write([b"bug"])
    recorder.gate.clear()
    leaver = asyncio.create_task(commit.write([b"a"]))
    while len(recorder.batches) < 2:
        await asyncio.sleep(0)
    leaver.cancel()
    recorder.gate.set()
    assert await commit.write([b"b"]) == [b"B"]
    await commit.close()
    with pytest.raises(UnavailableError):
        await commit.write([b"c"])


async def test_nobody_waits_for_a_writer_that_ended() -> None:
    recorder = Recorder()
    commit = GroupCommit(recorder.flush)
    recorder.gate.clear()
    waiting = [asyncio.create_task(commit.write([b"a"]))]
    while not recorder.batches:
        await asyncio.sleep(0)
    waiting.append(asyncio.create_task(commit.write([b"b"])))
    await asyncio.sleep(0)
    assert commit._writer is not None
    commit._writer.cancel()
    for one in waiting:
        with pytest.raises(UnavailableError):
            await one
    recorder.gate.set()
    assert await commit.write([b"c"]) == [b"C"], "the next caller gets a new writer"
    await commit.close()


async def test_closing_writes_what_waits() -> None:
    recorder = Recorder()
    commit = GroupCommit(recorder.flush)
    waiting = asyncio.create_task(commit.write([b"a"]))
    await asyncio.sleep(0)
    await commit.close()
    assert await waiting == [b"A"]


async def test_one_transaction_for_many_callers(postgres_world: World, database_url: str) -> None:
    rows = [await postgres_world.execution() for _ in range(50)]
    await asyncio.gather(*[postgres_world.ledger.apply(postgres_world.move(r, S.SUBMITTING)) for r in rows])
    with psycopg.connect(database_url) as connection:
        counted = connection.execute("select count(distinct xmin::text), count(*) from afield.attempt").fetchone()
    assert counted == (1, 50)


async def test_a_move_whose_answer_was_lost_is_made_once(
    postgres_world: World, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit happens, its answer does not arrive; the repetition has to find out."""
    row = await postgres_world.execution(S.RUNNING)
    fetch, lost = psycopg.AsyncCursor.fetchall, [1]

    async def fetchall(self: psycopg.AsyncCursor[object]) -> list[object]:
        found = await fetch(self)
        if lost:
            lost.pop()
            raise psycopg.OperationalError("connection lost")
        return found

    before = await ledger.last_seq()
    monkeypatch.setattr(psycopg.AsyncCursor, "fetchall", fetchall)
    note = await ledger.apply(postgres_world.move(row, S.RUNNING, remote_status="NOTED"))
    assert (note.ok, note.seq) == (True, before + 1)
    lost.append(1)
    moved = await ledger.apply(postgres_world.move(row, S.SUCCEEDED))
    assert (moved.ok, moved.seq) == (True, before + 2)
    lost.append(1)
    created = await ledger.create(postgres_world.new(idempotency_key="k"))
    assert not created.replayed
    lost.append(1)
    noted = await ledger.note_event("repaired", target_id=row.target_id, at=row.created_at, actor="a")  # type: ignore[arg-type]
    assert noted == before + 4
    assert await ledger.last_seq() == before + 4


async def test_a_dropped_connection_costs_a_pause(
    postgres_world: World, ledger: PostgresLedger, database_url: str
) -> None:
    row = await postgres_world.execution()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert (await ledger.apply(postgres_world.move(row, S.SUBMITTING))).ok
    assert (await ledger.execution(row.id)).state is S.SUBMITTING
    events = await ledger.events(EventFilter(tenant_id=DEFAULT_TENANT))
    assert [e.seq for e in events] == [1, 2]


async def test_without_a_database_callers_are_told() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        await PostgresLedger.open("postgresql://nobody@127.0.0.1:1/none", patience=0.1)
