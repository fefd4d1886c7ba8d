"""What a move may do, and what it leaves, in both ledgers."""

from __future__ import annotations

from itertools import product

import psycopg
import pytest
from ledger_world import PATHS, S, World, at

from afield.ledger.rules import OUTCOMES
from afield.model.execution import EventKind, Reason, Verdict
from afield.model.ids import attempt_key, uuid7
from afield.model.states import ALLOWED, ExecutionState, OutcomeOfAttempt, OutputState, allowed


async def test_every_pair_of_states(world: World) -> None:
    for before, after in product(ExecutionState, ExecutionState):
        row = await world.execution(before)
        (answer,) = await world.apply(world.move(row, after))
        expected = Verdict.APPLIED if allowed(before, after) else Verdict.FORBIDDEN
        assert answer.verdict is expected, (before, after)
        assert answer.state is (after if answer.ok else before)
        assert (await world.ledger.execution(row.id)).state is answer.state


def test_rules_in_the_database_are_the_models(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select from_state, to_state, outcome from afield.move_rule").fetchall()
    assert set(found) == {
        (before, after, OUTCOMES.get((before, after))) for before in ALLOWED for after in ALLOWED[before]
    }


async def test_a_move_that_expects_another_state_is_stale(world: World) -> None:
    row = await world.execution(S.RUNNING)
    for expect in set(ExecutionState) - {S.RUNNING}:
        (answer,) = await world.apply(world.move(row, S.FAILED, expect=expect))
        assert (answer.verdict, answer.state, answer.seq) == (Verdict.STALE_STATE, S.RUNNING, None)


@pytest.mark.parametrize("attempt", [0, 2, 3])
async def test_a_move_at_another_attempt_is_stale(world: World, attempt: int) -> None:
    row = await world.execution(S.SUBMITTING)
    (answer,) = await world.apply(world.move(row, S.SUBMITTED, attempt=attempt))
    assert answer.verdict is Verdict.STALE_STATE


async def test_an_attempt_is_started_once(world: World) -> None:
    row = await world.execution()
    again = world.move(row, S.SUBMITTING)
    answers = await world.apply(again, again)
    assert [a.verdict for a in answers] == [Verdict.APPLIED, Verdict.STALE_STATE]
    assert len(await world.ledger.attempts(row.id)) == 1


async def test_a_replaced_driver_moves_nothing(world: World) -> None:
    row = await world.execution(S.SUBMITTING)
    newer = await world.ledger.take(world.target.id, "driver-2", at(5))
    assert (newer.epoch, newer.driver) == (world.target.epoch + 1, "driver-2")
    (old,) = await world.apply(world.move(row, S.SUBMITTED))
    assert old.verdict is Verdict.STALE_EPOCH
    (new, person) = await world.apply(
        world.move(row, S.UNCONFIRMED, epoch=newer.epoch),
        world.move(row, S.LOST, expect=S.UNCONFIRMED, epoch=None, actor="ada"),
    )
    assert new.ok
    assert person.ok


async def test_what_is_not_there_is_missing(world: World) -> None:
    row = await world.execution()
    (answer,) = await world.apply(world.move(row, S.SUBMITTING, execution_id=uuid7()))
    assert (answer.verdict, answer.state) == (Verdict.MISSING, None)


async def test_moves_of_a_batch_are_made_in_order_and_a_stale_one_hurts_nobody(world: World) -> None:
    one, two = await world.execution(), await world.execution()
    answers = await world.apply(
        world.move(one, S.SUBMITTING),
        world.move(two, S.RUNNING, expect=S.SUBMITTED),
        world.move(one, S.SUBMITTED, expect=S.SUBMITTING, attempt=1, handle="h1"),
        world.move(one, S.FAILED, expect=S.QUEUED, attempt=1),
        world.move(one, S.SUCCEEDED, expect=S.SUBMITTED, attempt=1, output_state=OutputState.PENDING),
        world.move(two, S.SUBMITTING),
    )
    assert [a.ok for a in answers] == [True, False, True, False, True, True]
    assert [a.state for a in answers] == [S.SUBMITTING, S.QUEUED, S.SUBMITTED, S.SUBMITTED, S.SUCCEEDED, S.SUBMITTING]
    done = await world.ledger.execution(one.id)
    assert (done.state, done.handle, done.complete) == (S.SUCCEEDED, "h1", False)
    numbers = [a.seq for a in answers if a.seq is not None]
    assert len(set(numbers)) == 4
    assert answers[0].seq < answers[2].seq < answers[4].seq  # type: ignore[operator]


async def test_a_handle_has_one_owner_for_good(world: World) -> None:
    one, two, three = [await world.execution(S.SUBMITTING) for _ in range(3)]
    answers = await world.apply(
        world.move(one, S.SUBMITTED, handle="h"),
        world.move(two, S.SUBMITTED, handle="h"),
        world.move(three, S.SUBMITTED, handle="other"),
    )
    assert [a.verdict for a in answers] == [Verdict.APPLIED, Verdict.OWNED, Verdict.APPLIED]
    lost = await world.step(await world.ledger.execution(one.id), S.LOST)
    queued = await world.step(lost, S.QUEUED)
    assert (await world.step(queued, S.SUBMITTING)).handle is None
    (answer,) = await world.apply(world.move(two, S.SUBMITTED, handle="h"))
    assert answer.verdict is Verdict.OWNED
    owners = await world.ledger.owners(world.target.id, ["h", "other", "unheard of"])
    assert owners == {"h": one.id, "other": three.id}


async def test_times_of_a_life(world: World) -> None:
    row = await world.execution()
    for seconds, state in enumerate((S.SUBMITTING, S.SUBMITTED, S.RUNNING, S.SUCCEEDED), start=1):
        row = await world.step(row, state, at=at(seconds))
    assert (row.intent_at, row.submitted_at, row.started_at, row.finished_at) == (at(1), at(2), at(3), at(4))
    assert (row.state_at, row.updated_at) == (at(4), at(4))


async def test_a_note_changes_fields_and_no_state(world: World) -> None:
    row = await world.execution(S.RUNNING)
    noted = await world.step(
        row,
        S.RUNNING,
        at=at(9),
        remote_status="PUBLISHING",
        reason=Reason("odd", "Says so."),
        failures=2,
        retry_at=at(50),
    )
    assert (noted.state_at, noted.updated_at, noted.remote_seen_at) == (row.state_at, at(9), at(9))
    assert (noted.remote_status, noted.reason, noted.failures) == ("PUBLISHING", Reason("odd", "Says so."), 2)
    again = await world.step(noted, S.RUNNING, deadline_at=at(60))
    assert (again.reason, again.retry_at, again.failures) == (noted.reason, at(50), 2)
    moved = await world.step(again, S.SUCCEEDED)
    assert (moved.reason, moved.retry_at, moved.failures) == (None, None, 0)
    assert (moved.remote_status, moved.deadline_at) == ("PUBLISHING", at(60))


async def test_a_new_attempt_forgets_the_remote_side_of_the_old(world: World) -> None:
    row = await world.execution(S.SUBMITTED)
    row = await world.step(row, S.LOST, remote_status="GONE", handle="h")
    row = await world.ledger.execution(row.id)
    row = await world.step(row, S.QUEUED)
    row = await world.step(row, S.SUBMITTING, at=at(9))
    assert (row.attempt, row.handle, row.remote_status, row.submitted_at) == (2, None, None, None)
    assert (row.intent_at, row.finished_at) == (at(9), None)


async def test_a_person_starts_a_lost_one_over(world: World) -> None:
    row = await world.execution(S.RUNNING)
    row = await world.step(row, S.RUNNING, deadline_at=at(3), cancel_asked_at=at(2))
    await world.ledger.request_cancel(row.id, "ada", at(1))
    row = await world.step(row, S.LOST)
    row = await world.step(row, S.QUEUED, epoch=None, actor="ada")
    assert (row.cancel_requested_at, row.cancel_asked_at, row.deadline_at, row.finished_at) == (None,) * 4


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ((S.SUBMITTING,), OutcomeOfAttempt.OPEN),
        ((S.SUBMITTING, S.SUBMITTED), OutcomeOfAttempt.ACCEPTED),
        ((S.SUBMITTING, S.SUBMITTED, S.SUCCEEDED), OutcomeOfAttempt.ACCEPTED),
        ((S.SUBMITTING, S.REJECTED), OutcomeOfAttempt.REFUSED),
        ((S.SUBMITTING, S.QUEUED), OutcomeOfAttempt.NOT_SENT),
        ((S.SUBMITTING, S.UNCONFIRMED), OutcomeOfAttempt.UNKNOWN),
        ((S.SUBMITTING, S.UNCONFIRMED, S.QUEUED), OutcomeOfAttempt.ABSENT),
        ((S.SUBMITTING, S.UNCONFIRMED, S.LOST), OutcomeOfAttempt.ABSENT),
        ((S.SUBMITTING, S.UNCONFIRMED, S.CANCELLED), OutcomeOfAttempt.ABSENT),
        ((S.SUBMITTING, S.UNCONFIRMED, S.TIMED_OUT), OutcomeOfAttempt.ABSENT),
        ((S.SUBMITTING, S.UNCONFIRMED, S.SUBMITTED), OutcomeOfAttempt.ACCEPTED),
        ((S.SUBMITTING, S.SUBMITTED, S.LOST, S.SUBMITTED), OutcomeOfAttempt.ACCEPTED),
    ],
)
async def test_the_outcome_of_an_attempt(
    world: World, path: tuple[ExecutionState, ...], outcome: OutcomeOfAttempt
) -> None:
    row = await world.execution()
    for seconds, state in enumerate(path, start=1):
        row = await world.step(row, state, at=at(seconds))
    (attempt,) = await world.ledger.attempts(row.id)
    assert (attempt.number, attempt.key, attempt.intent_at) == (1, attempt_key(row.id, 1), at(1))
    assert attempt.outcome is outcome
    assert attempt.settled_at == (None if outcome is OutcomeOfAttempt.OPEN else at(2))


async def test_an_earlier_attempt_is_adopted(world: World) -> None:
    row = await world.execution()
    for state in (S.SUBMITTING, S.UNCONFIRMED, S.QUEUED):
        row = await world.step(row, state)
    late = await world.ledger.late_attempts(world.target.id, at(-1))
    assert [(a.execution_id, a.number) for a in late] == [(row.id, 1)]
    assert await world.ledger.late_attempts(world.target.id, at(0)) == []
    row = await world.step(row, S.SUBMITTED, handle="late", adopted_attempt=1)
    (attempt,) = await world.ledger.attempts(row.id)
    assert (attempt.outcome, attempt.handle, row.attempt) == (OutcomeOfAttempt.ACCEPTED, "late", 1)
    assert await world.ledger.late_attempts(world.target.id, at(-1)) == []


async def test_intents(world: World) -> None:
    queued = await world.execution(spec={"sql": "select 1"})
    sending = await world.execution()
    sending = await world.step(sending, S.SUBMITTING, at=at(1))
    doubt = await world.step(await world.step(await world.execution(), S.SUBMITTING, at=at(1)), S.UNCONFIRMED, at=at(2))
    found = await world.ledger.intents([queued.id, sending.id, doubt.id, uuid7()])
    assert set(found) == {queued.id, sending.id, doubt.id}
    assert (found[queued.id].attempt, found[queued.id].spec) == (1, {"sql": "select 1"})
    assert found[queued.id].key == attempt_key(queued.id, 1)
    assert (found[sending.id].sent_after, found[sending.id].sent_before) == (at(1), None)
    assert (found[doubt.id].sent_after, found[doubt.id].sent_before) == (at(1), at(2))


async def test_the_event_of_a_move(world: World) -> None:
    row = await world.execution(S.SUBMITTING)
    (answer,) = await world.apply(
        world.move(row, S.SUBMITTED, handle="h", remote_status="NEW", reason=Reason("ok", "Fine."), at=at(3))
    )
    from afield.ledger.base import EventFilter

    wanted = EventFilter(tenant_id=world.target.tenant_id, execution_id=row.id)
    *_, event = await world.ledger.events(wanted)
    assert (event.seq, event.kind, event.at, event.attempt, event.epoch) == (
        answer.seq, EventKind.MOVED, at(3), 1, world.target.epoch
    )  # fmt: skip
    assert (event.from_state, event.to_state, event.reason) == (S.SUBMITTING, S.SUBMITTED, Reason("ok", "Fine."))
    assert event.data == {"handle": "h", "remote_status": "NEW"}


def test_the_paths_reach_every_state() -> None:
    assert set(PATHS) == set(ExecutionState)


@pytest.mark.parametrize("change", ["state = 'running'", "attempt = attempt + 1"])
async def test_a_direct_change_of_state_is_refused(postgres_world: World, database_url: str, change: str) -> None:
    row = await postgres_world.execution()
    with psycopg.connect(database_url) as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="apply_moves only"):
            connection.execute(f"update afield.execution set {change} where id = %s".encode(), [row.id])
        connection.rollback()
        with pytest.raises(psycopg.errors.CheckViolation, match="never changed"):
            connection.execute("update afield.event set actor = 'nobody'")


async def test_moves_do_not_leave_the_gate_open(postgres_world: World, database_url: str) -> None:
    row = await postgres_world.execution()
    with psycopg.connect(database_url) as connection:
        connection.execute("select * from afield.apply_moves_v1('[]')")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("update afield.execution set state = 'running' where id = %s", [row.id])
