"""Sessions in the ledger: allowed moves and no others, one writer at a time, a history that leaves nothing out."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from ledger_world import World, at

from afield.errors import IdempotencyError, InvalidInputError, NotFoundError
from afield.ledger.base import EventFilter
from afield.ledger.database import Connection
from afield.ledger.postgres import PostgresLedger
from afield.ledger.sessions import SessionFilter, Sessions
from afield.model.execution import Event, EventKind, Reason
from afield.model.ids import uuid7
from afield.model.session import (
    SESSION_ALLOWED,
    SESSION_FINAL,
    SESSION_KEY,
    STEP_ALLOWED,
    Approval,
    ApprovalRule,
    NewSession,
    NewStep,
    OnFail,
    Phase,
    Session,
    SessionChange,
    SessionState,
    Step,
    StepKind,
    StepState,
    Undo,
    Work,
)
from afield.model.target import DEFAULT_TENANT

S, T = SessionState, StepState
HERE = SessionFilter(tenant_id=DEFAULT_TENANT)


@pytest.fixture
def sessions(ledger: PostgresLedger) -> Sessions:
    return Sessions(ledger.database)


def new_session(*steps: NewStep, **fields: Any) -> NewSession:
    steps = steps or (NewStep(name="a"), NewStep(name="b"))
    return NewSession(
        **{"tenant_id": DEFAULT_TENANT, "kind": "test", "title": "t", "started_by": "ada", "steps": steps} | fields
    )


async def made(sessions: Sessions, *steps: NewStep, **fields: Any) -> Session:
    return (await sessions.create(new_session(*steps, **fields), at(0)))[0]


def changed(session: Session, *steps: Step, **more: Any) -> SessionChange:
    return SessionChange(session=session, steps=steps, at=at(1), **more)


async def raw(ledger: PostgresLedger, sql: str, *values: object) -> None:
    async def work(connection: Connection, _again: bool) -> None:
        await connection.execute(sql.encode(), values)

    await ledger.database.patiently(work)


async def forced(ledger: PostgresLedger, sql: str, *values: object) -> None:
    """A write that the database would refuse from anybody who does not hold the gate open."""

    async def work(connection: Connection, _again: bool) -> None:
        async with connection.transaction():
            await connection.execute("set local afield.gate = 'open'")
            await connection.execute(sql.encode(), values)

    await ledger.database.patiently(work)


async def history(ledger: PostgresLedger, session: Session) -> list[Event]:
    return await ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, session_id=session.id))


async def test_the_database_allows_what_the_model_allows_and_nothing_else(
    ledger: PostgresLedger, sessions: Sessions
) -> None:
    session = await made(sessions)
    refused: set[tuple[SessionState, SessionState]] = set()
    for before, after in itertools.product(S, S):
        await forced(ledger, "update afield.session set state = %s where id = %s", before, session.id)
        session = await sessions.session(session.id)
        try:
            assert await sessions.write(changed(replace(session, state=after)))
        except psycopg.errors.CheckViolation:
            refused.add((before, after))
    allowed = {(before, after) for before in S for after in S if after is before or after in SESSION_ALLOWED[before]}
    assert refused == set(itertools.product(S, S)) - allowed


async def test_the_steps_moves_too(ledger: PostgresLedger, sessions: Sessions) -> None:
    session = await made(sessions)
    [step, _] = await sessions.steps(session.id)
    refused: set[tuple[StepState, StepState]] = set()
    for before, after in itertools.product(T, T):
        await forced(ledger, "update afield.step set state = %s where session_id = %s", before, session.id)
        session = await sessions.session(session.id)
        try:
            assert await sessions.write(changed(session, replace(step, state=after)))
        except psycopg.errors.CheckViolation:
            refused.add((before, after))
    allowed = {(before, after) for before in T for after in T if after is before or after in STEP_ALLOWED[before]}
    assert refused == set(itertools.product(T, T)) - allowed


@pytest.mark.parametrize(
    "sql",
    [
        "update afield.session set state = 'completed'",
        "update afield.session set version = 7",
        "update afield.step set state = 'running'",
        "update afield.step set attempt = 1",
        "update afield.step set execution_id = gen_random_uuid() where number = 1",
        "insert into afield.step (session_id, number, state, body) select id, 9, 'succeeded', '{}' from afield.session",
        "delete from afield.step",
        "delete from afield.session",
    ],
)
async def test_nobody_gets_past_the_function(ledger: PostgresLedger, sessions: Sessions, sql: str) -> None:
    session = await made(sessions)
    before = session, await sessions.steps(session.id)
    with pytest.raises(psycopg.Error):
        await raw(ledger, sql)
    assert (await sessions.session(session.id), await sessions.steps(session.id)) == before


async def test_open_is_what_the_model_calls_not_final(ledger: PostgresLedger, sessions: Sessions) -> None:
    session = await made(sessions)
    for state in S:
        await forced(ledger, "update afield.session set state = %s where id = %s", state, session.id)
        assert (await sessions.due(at(0)) == [session.id]) == (state not in SESSION_FINAL)


async def test_a_refused_write_leaves_nothing(ledger: PostgresLedger, sessions: Sessions) -> None:
    session = await made(sessions)
    steps = await sessions.steps(session.id)
    good, bad = replace(steps[0], state=T.RUNNING), replace(steps[1], state=T.ROLLED_BACK)
    before = await history(ledger, session)
    with pytest.raises(psycopg.errors.CheckViolation):
        await sessions.write(changed(replace(session, state=S.IN_PROGRESS), good, bad))
    assert await sessions.session(session.id) == session
    assert await sessions.steps(session.id) == steps
    assert await history(ledger, session) == before


async def test_of_many_writers_on_one_version_one_wins(sessions: Sessions) -> None:
    session = await made(sessions)
    wishes = [changed(replace(session, data={"writer": n})) for n in range(10)]
    written = await asyncio.gather(*(sessions.write(wish) for wish in wishes))
    [winner] = [one for one in written if one is not None]
    assert await sessions.session(session.id) == winner
    assert winner.version == session.version + 1


async def test_everything_of_a_step_comes_back(sessions: Sessions, postgres_world: World) -> None:
    undo = Undo(work=Work(spec={"n": 2}), on_fail=OnFail.CONTINUE, rule=ApprovalRule(needed=1))
    rule = ApprovalRule(needed=2, other_than_starter=True, valid_for=at(90.5) - at(0))
    new = NewStep(
        name="a", phase=Phase.PRECHECK, lane=3, target_id=postgres_world.target.id,
        work=Work(spec={"run": ["x", 1, None]}, text="x 1", timeout_s=1.5), expected_output="/ok$/",
        on_fail=OnFail.ROLLBACK, retries=2, rule=rule, undo=undo, severity="high",
    )  # fmt: skip
    session = await made(sessions, new, NewStep(name="b", kind=StepKind.MANUAL))
    [first, second] = await sessions.steps(session.id)
    assert {name: getattr(first, name) for name in NewStep.__dataclass_fields__} == {
        name: getattr(new, name) for name in NewStep.__dataclass_fields__
    }
    full = replace(
        first, state=T.RUNNING, attempt=2, execution_id=uuid7(), asked_at=at(1), exit_code=3_221_225_477,
        approvals=(Approval(by="bob", approved=True, digest=first.digest, at=at(2), note="ok"),),
        stdout="out", stderr="err", reason=Reason("code", "text"), remote_id="r", started_at=at(3), finished_at=at(4),
    )  # fmt: skip
    added = replace(second, number=3, name="undo a", phase=Phase.ROLLBACK, undoes=1)
    assert await sessions.write(changed(session, full, added))
    assert await sessions.steps(session.id) == [full, second, added]


async def test_a_remotes_strange_words_are_kept_readable(sessions: Sessions) -> None:
    session = await made(sessions)
    [step, _] = await sessions.steps(session.id)
    assert await sessions.write(changed(session, replace(step, state=T.RUNNING, stdout="a\0b\ud800")))
    [step, _] = await sessions.steps(session.id)
    assert step.stdout == "a\N{REPLACEMENT CHARACTER}b?"


@pytest.mark.parametrize("text", ["rm -r /tmp/a\0b", "\ud800"])
async def test_what_cannot_be_stored_is_refused_not_altered(sessions: Sessions, text: str) -> None:
    asked = [
        new_session(NewStep(name="a", work=Work(spec={"command": text}))),
        new_session(NewStep(name="a", work=Work(text=text))),
        new_session(title=text),
        new_session(data={"input": text}),
    ]
    for new in asked:
        with pytest.raises(InvalidInputError):
            await sessions.create(new, at(0))
    assert await sessions.sessions(HERE) == []


async def test_history_tells_every_move_and_every_word_of_a_person(ledger: PostgresLedger, sessions: Sessions) -> None:
    session = await made(sessions)
    [a, b] = await sessions.steps(session.id)
    ran = replace(a, state=T.RUNNING, attempt=1, execution_id=uuid7())
    session = await written(sessions, changed(replace(session, state=S.IN_PROGRESS), ran))
    asked = replace(b, state=T.WAITING_APPROVAL)
    session = await written(sessions, changed(session, replace(ran, state=T.SUCCEEDED, exit_code=0), asked))
    note = Reason("approved", "bob approved step 2.")
    session = await written(sessions, changed(session, note=note, actor="bob"))
    session = await written(sessions, changed(replace(session, next_at=at(9))))
    told = [
        (e.kind, e.data.get("number"), e.data.get("from"), e.data["to"], e.data.get("exit_code"), e.actor)
        for e in await history(ledger, session)
    ]
    assert told == [
        (EventKind.SESSION, None, None, "pending", None, "ada"),
        (EventKind.SESSION, None, "pending", "in_progress", None, "engine"),
        (EventKind.STEP, 1, "pending", "running", None, "engine"),
        (EventKind.STEP, 1, "running", "succeeded", 0, "engine"),
        (EventKind.STEP, 2, "pending", "waiting_approval", None, "engine"),
        (EventKind.SESSION, None, "in_progress", "in_progress", None, "bob"),
    ]
    assert (await history(ledger, session))[-1].reason == note


async def written(sessions: Sessions, change: SessionChange) -> Session:
    session = await sessions.write(change)
    assert session is not None
    return session


async def test_many_sessions_write_one_gapless_feed(ledger: PostgresLedger, sessions: Sessions) -> None:
    async def life() -> None:
        session = await made(sessions)
        for state in (S.IN_PROGRESS, S.PAUSED, S.CANCELLED):
            session = await written(sessions, changed(replace(session, state=state)))

    await asyncio.gather(*(life() for _ in range(10)))
    events = await ledger.events(EventFilter(tenant_id=DEFAULT_TENANT))
    assert [event.seq for event in events] == list(range(1, 41))


async def test_a_write_that_is_repeated_after_a_lost_answer_is_made_once(
    ledger: PostgresLedger, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await made(sessions)
    lost = []

    async def loses_the_first_answer(work: Any) -> Any:
        async with ledger.database.connection() as connection:
            lost.append(await work(connection, False))
            return await work(connection, True)

    monkeypatch.setattr(ledger.database, "patiently", loses_the_first_answer)
    after = await sessions.write(changed(replace(session, state=S.IN_PROGRESS)))
    assert after is not None
    again, replayed = await sessions.create(new_session(idempotency_key="k"), at(0))
    monkeypatch.undo()
    assert len(lost) >= 2
    assert await sessions.session(session.id) == after
    assert not replayed
    assert [one.id for one in await sessions.sessions(HERE)] == [again.id, session.id]
    assert len(await history(ledger, session)) == 2


async def test_a_key_is_good_for_one_session(sessions: Sessions) -> None:
    asked = [sessions.create(new_session(idempotency_key="k"), at(n)) for n in range(8)]
    answers = await asyncio.gather(*asked)
    assert len({session.id for session, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False] + [True] * 7
    for other in ({"title": "u"}, {"labels": {"ticket": "1"}}, {"data": {"x": 1}}, {"steps": (NewStep(name="z"),)}):
        with pytest.raises(IdempotencyError):
            await sessions.create(new_session(idempotency_key="k", **other), at(9))


async def test_listed_are_those_that_were_asked_for(ledger: PostgresLedger, sessions: Sessions) -> None:
    numbers = [(await made(sessions, labels={"n": str(n % 2)}, kind="ab"[n % 2])).id for n in range(5)]
    newest = numbers[::-1]

    async def listed(limit: int = 100, before: int | None = None, **wanted: Any) -> list[int]:
        found = await sessions.sessions(replace(HERE, **wanted), limit=limit, before=before)
        return [one.id for one in found]

    assert await listed() == newest
    assert await listed(limit=2) == newest[:2]
    assert await listed(before=newest[1]) == newest[2:]
    assert await listed(labels={"n": "1"}) == await listed(kind="b") == [newest[1], newest[3]]
    assert await listed(states=frozenset({S.FAILED})) == []
    assert await listed(tenant_id=uuid4()) == []
    with pytest.raises(NotFoundError):
        await sessions.session(numbers[0], uuid4())


async def test_due_is_what_somebody_should_think_about(
    ledger: PostgresLedger, sessions: Sessions, postgres_world: World
) -> None:
    session = await made(sessions, NewStep(name="a", target_id=postgres_world.target.id))
    assert await sessions.due(at(0)) == [session.id]  # nobody has thought about it
    [step] = await sessions.steps(session.id)
    session = await written(sessions, changed(replace(session, state=S.IN_PROGRESS, next_at=None)))
    assert await sessions.due(at(9)) == []
    session = await written(sessions, changed(replace(session, next_at=at(5))))
    assert (await sessions.due(at(4)), await sessions.due(at(5))) == ([], [session.id])
    running = replace(step, state=T.RUNNING, attempt=1, execution_id=uuid7())
    session = await written(sessions, changed(replace(session, next_at=None), running))
    assert await sessions.due(at(1)) == [session.id]  # its execution is not there
    await ended(postgres_world, running.execution_id, session)
    assert await sessions.due(at(1)) == [session.id]  # ... has ended
    session = await written(sessions, changed(session, replace(running, state=T.SUCCEEDED)))
    assert await sessions.due(at(1)) == []


async def ended(world: World, execution_id: UUID | None, session: Session) -> None:
    row = await world.execution(id=execution_id, labels={SESSION_KEY: str(session.id)})
    for state in ("submitting", "submitted", "succeeded"):
        row = await world.step(row, type(row.state)(state))


async def test_a_session_hears_of_its_executions(
    ledger: PostgresLedger, sessions: Sessions, postgres_world: World
) -> None:
    session = await made(sessions)
    heard: asyncio.Queue[int | None] = asyncio.Queue()
    with ledger.listener.sessions(heard.put_nowait):
        assert await heard.get() is None, "it listens from now on"
        await ended(postgres_world, uuid7(), session)
        assert await heard.get() == session.id
