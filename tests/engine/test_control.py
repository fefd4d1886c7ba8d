"""What people may do to a session, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from session_world import MINUTE, NOW, ONE_YES, UNDO, World, lanes, step, world

from afield.engine import control
from afield.errors import AfieldError, ConflictError, InvalidInputError, NotFoundError
from afield.model.execution import Reason
from afield.model.session import ApprovalRule, OnFail, SessionChange, SessionState, StepKind, StepState, Work
from afield.model.states import ExecutionState

S = SessionState
T = StepState
E = ExecutionState
BACK = {"on_fail": OnFail.ROLLBACK}
Verb = Callable[..., SessionChange]


def does(made: World, verb: Verb, *about: object, by: str = "bob", **fields: object) -> SessionChange:
    """A person's verb, carried out."""
    change = verb(made.session, made.all(), *about, by=by, now=made.now, **fields)
    made.says(change)
    return change


def refused(
    made: World, error: type[AfieldError], verb: Verb, *about: object, by: str = "bob", **fields: object
) -> str:
    with pytest.raises(error) as caught:
        verb(made.session, made.all(), *about, by=by, now=made.now, **fields)
    assert caught.value.hint
    return caught.value.message


def failed() -> World:
    made = world(step(1), step(2), step(3))
    made.ends(1)
    made.fails(2)
    return made


def test_every_change_says_who_did_what_and_is_thought_about_at_once() -> None:
    made = world(step(1, rule=ONE_YES))
    change = control.approve(made.session, made.all(), 1, True, by="bob", note="go", now=NOW)
    assert (change.actor, change.note, change.at) == ("bob", Reason("approved", "bob approved step 1: go"), NOW)
    assert change.session.next_at == NOW
    assert refused(made, InvalidInputError, control.pause, by=" ") == "Nobody is named."


# ---------------------------------------------------------------------------------------------- approve


def test_who_may_not_answer() -> None:
    made = world(step(1, rule=ApprovalRule(needed=2, other_than_starter=True)), step(2))
    digest = made.steps[1].digest
    assert refused(made, ConflictError, control.approve, 1, True, digest="0" * 64) == "Step 1 has changed."
    assert "ann started" in refused(made, ConflictError, control.approve, 1, True, by="ann").lower()
    assert "does not wait" in refused(made, ConflictError, control.approve, 2, True)
    assert "no step 9" in refused(made, NotFoundError, control.approve, 9, True)
    does(made, control.approve, 1, True, digest=digest)
    assert "already approved" in refused(made, ConflictError, control.approve, 1, True, by="BOB")
    does(made, control.approve, 1, True, by="cleo")
    assert made.states == "running pending"


def test_a_no_is_one_for_all() -> None:
    made = world(step(1, rule=ApprovalRule(needed=2)))
    made.write(control.approve(made.session, made.all(), 1, False, by="bob", now=NOW))
    assert "already said no" in refused(made, ConflictError, control.approve, 1, True, by="cleo")


def test_an_answer_from_a_slower_clock_is_still_an_answer() -> None:
    made = world(step(1, rule=ONE_YES))
    made.says(control.approve(made.session, made.all(), 1, False, by="bob", now=NOW - MINUTE))
    assert made.states == "rejected"


# ---------------------------------------------------------------------------------------------- pause, resume, cancel


def test_pause_and_resume_give_a_question_its_time_again() -> None:
    made = world(step(1, rule=ONE_YES), step(2))
    assert does(made, control.pause, note="lunch").session.reason == Reason("paused", "bob paused it: lunch")
    assert made.session.next_at is None
    refused(made, ConflictError, control.pause)
    made.now += ONE_YES.valid_for
    does(made, control.resume)
    assert (made.state, made.steps[1].asked_at) == (S.WAITING_APPROVAL, made.now)
    refused(made, ConflictError, control.resume)


def test_an_answer_given_during_a_pause_counts_after_it() -> None:
    made = world(step(1, rule=ONE_YES))
    does(made, control.pause)
    does(made, control.approve, 1, False)
    made.now += MINUTE
    does(made, control.resume)
    assert made.states == "rejected"


def test_an_unknown_step_is_resolved_before_anything_goes_on() -> None:
    made = world(step(1), step(2))
    made.ends(1, E.LOST)
    assert "step 1" in refused(made, ConflictError, control.resume)
    refused(made, InvalidInputError, control.resolve, 1, "maybe")
    refused(made, ConflictError, control.resolve, 2, "failed")
    refused(made, ConflictError, control.skip, 1)
    refused(made, ConflictError, control.retry, 1)
    does(made, control.resolve, 1, "failed")
    assert (made.state, made.states) == (S.FAILED, "failed skipped")


def test_the_last_unknown_step_lets_the_session_go_on() -> None:
    made = world(*lanes(2, step(1), step(2)), batch_size=2)
    made.ends(1, E.LOST)
    made.ends(3, E.LOST)
    assert does(made, control.resolve, 1, "succeeded").session.state is S.PAUSED
    assert does(made, control.resolve, 3, "succeeded").session.state is S.IN_PROGRESS
    assert made.states == "succeeded running succeeded running"


def test_a_pause_of_a_persons_own_outlasts_the_resolving() -> None:
    made = world(step(1), step(2))
    does(made, control.pause)
    made.ends(1, E.LOST)
    does(made, control.resolve, 1, "succeeded")
    assert (made.state, made.states) == (S.PAUSED, "succeeded pending")


def test_a_cancel_is_asked_for_once() -> None:
    made = world(step(1))
    does(made, control.cancel)
    for verb in (control.cancel, control.pause, control.retry):
        refused(made, ConflictError, verb)
    made.ends(1, E.CANCELLED)
    refused(made, ConflictError, control.cancel)


# ---------------------------------------------------------------------------------------------- retry and skip


def test_a_retry_goes_on_from_the_step_that_failed() -> None:
    made = failed()
    change = does(made, control.retry)
    assert change.note == Reason("retried", "bob tries lane 0 again.")
    assert (made.state, made.states, made.session.finished_at) == (S.IN_PROGRESS, "succeeded running pending", None)
    assert made.steps[2].attempt == 2


def test_a_retry_of_some_lanes() -> None:
    made = world(*lanes(3, step(1)), batch_size=3, error_budget=3)
    for number in (1, 2, 3):
        made.fails(number)
    does(made, control.retry, lanes=[1])
    assert made.states == "failed running failed"
    refused(made, ConflictError, control.retry, lanes=[1])
    refused(made, InvalidInputError, control.retry, 1, lanes=[1])
    does(made, control.retry)
    assert made.states == "running running running"


def test_a_retry_takes_up_what_was_left_out_of_the_budget() -> None:
    made = world(*lanes(3, step(1)))
    made.fails(1)
    assert made.states == "failed skipped skipped"
    does(made, control.retry)
    assert made.states == "running pending pending"


def test_a_retry_with_another_command_is_asked_about_again() -> None:
    made = world(step(1, rule=ONE_YES))
    does(made, control.approve, 1, True)
    made.fails(1)
    refused(made, InvalidInputError, control.retry, work=Work(text="other"))
    does(made, control.retry, 1, work=Work(text="other"), target_id=UUID(int=9))
    assert (made.states, made.steps[1].work.text, made.steps[1].target_id) == (
        "waiting_approval", "other", UUID(int=9),
    )  # fmt: skip


def test_a_retry_can_take_the_rest_of_the_lane_to_another_target() -> None:
    elsewhere = UUID(int=9)
    made = failed()
    does(made, control.retry, 2, target_id=elsewhere, onwards=True)
    assert [made.steps[number].target_id == elsewhere for number in (1, 2, 3)] == [False, True, True]
    made = failed()
    does(made, control.retry, 2, target_id=elsewhere)
    assert [made.steps[number].target_id == elsewhere for number in (1, 2, 3)] == [False, True, False]


def test_a_refused_step_can_be_asked_about_again() -> None:
    made = world(step(1, rule=ONE_YES))
    does(made, control.approve, 1, False)
    does(made, control.retry, 1)
    assert made.states == "waiting_approval"


def test_a_cancelled_session_is_taken_up_where_it_was() -> None:
    made = world(step(1), step(2))
    does(made, control.cancel)
    made.ends(1, E.CANCELLED, reason=Reason("cancelled", "Cancelled on request."))
    does(made, control.retry)
    assert (made.state, made.states) == (S.IN_PROGRESS, "running pending")


def test_a_failed_rollback_is_tried_again_and_nothing_else() -> None:
    made = world(step(1, undo=UNDO), step(2, undo=UNDO, **BACK))
    made.ends(1)
    made.fails(2)
    made.fails(3)
    assert (made.state, made.states) == (S.ROLLBACK_FAILED, "succeeded failed failed skipped")
    refused(made, ConflictError, control.retry, 2)
    does(made, control.retry)
    assert (made.state, made.states) == (S.ROLLING_BACK, "succeeded failed running pending")
    made.fails(3)
    does(made, control.skip, 3)
    assert (made.state, made.states) == (S.ROLLING_BACK, "succeeded failed failed running")
    made.ends(4)
    assert made.state is S.ROLLBACK_FAILED, "what was not undone stays said"


def test_a_lane_that_was_rolled_back_is_done_anew_and_can_be_rolled_back_anew() -> None:
    made = world(*lanes(2, step(1, undo=UNDO), step(2, **BACK)), batch_size=2, error_budget=1)
    made.ends(1)
    made.fails(2)
    made.ends(5)
    made.ends(3)
    made.ends(4)
    assert (made.state, made.states) == (
        S.COMPLETED_WITH_ERRORS, "rolled_back failed succeeded succeeded succeeded",
    )  # fmt: skip
    does(made, control.retry)
    assert made.states == "running pending succeeded succeeded succeeded"
    made.ends(1)
    made.fails(2)
    assert made.states == "succeeded failed succeeded succeeded succeeded running"
    assert (made.steps[5].undoes, made.steps[6].undoes) == (None, 1)


def test_skipping_goes_past_a_step() -> None:
    made = failed()
    does(made, control.skip, 2)
    assert (made.state, made.states) == (S.IN_PROGRESS, "succeeded failed running")
    assert made.steps[2].ran, "it stays known as one that ran"
    made.ends(3)
    assert made.state is S.COMPLETED_WITH_ERRORS


def test_skipping_what_has_not_begun() -> None:
    made = world(step(1), step(2), step(3, kind=StepKind.MANUAL))
    does(made, control.skip, 2)
    refused(made, ConflictError, control.skip, 1)
    refused(made, ConflictError, control.skip, 2)
    made.ends(1)
    assert made.states == "succeeded skipped waiting_approval"
    does(made, control.skip, 3)
    assert (made.state, made.states) == (S.COMPLETED, "succeeded skipped skipped")


# ---------------------------------------------------------------------------------------------- the rest


def test_edit_is_for_what_has_not_begun() -> None:
    made = world(step(1), step(2))
    does(made, control.edit, 2, work=Work(text="other"))
    assert made.steps[2].work.text == "other"
    refused(made, ConflictError, control.edit, 1, work=Work(text="other"))
    refused(made, InvalidInputError, control.edit, 2)
    assert "over" in refused(failed(), ConflictError, control.edit, 3, work=Work())


def test_a_rollback_needs_something_to_undo() -> None:
    refused(failed(), ConflictError, control.rollback)
    made = world(step(1, undo=UNDO))
    made.ends(1)
    does(made, control.rollback)
    assert (made.state, made.states) == (S.ROLLING_BACK, "succeeded running")
    refused(made, ConflictError, control.rollback)
    made.fails(2)
    assert made.state is S.ROLLBACK_FAILED
    does(made, control.rollback)
    made.ends(2)
    assert (made.state, made.states) == (S.ROLLED_BACK, "rolled_back succeeded")
    for verb in (control.rollback, control.retry, control.abandon, control.complete):
        refused(made, ConflictError, verb)


def test_a_session_declared_done() -> None:
    made = failed()
    does(made, control.complete, note="did it by hand")
    assert (made.state, made.states, made.reason) == (
        S.COMPLETED, "succeeded failed skipped", "bob declared it done: did it by hand",
    )  # fmt: skip
    running = world(step(1), step(2))
    refused(running, ConflictError, control.complete)
    does(running, control.pause)
    assert "still running" in refused(running, ConflictError, control.complete)
    running.ends(1)
    does(running, control.complete)
    assert (running.state, running.states) == (S.COMPLETED, "succeeded skipped")


def test_a_session_given_up_stays_as_it_is() -> None:
    made = world(step(1), step(2))
    change = does(made, control.abandon)
    assert change.note == Reason("abandoned", "bob gave it up while step 1 was running.")
    assert (made.state, made.states, made.session.finished_at) == (S.ABANDONED, "running pending", NOW)
    assert refused(made, ConflictError, control.resume)
