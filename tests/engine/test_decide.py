"""What is done next for one session, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from session_world import HOUR, MINUTE, NOW, ONE_YES, UNDO, World, lanes, session_of, step, world

from afield.engine import control
from afield.engine.decide import decide, execution_id
from afield.model.execution import Reason
from afield.model.ids import uuid7
from afield.model.session import (
    Approval,
    ApprovalRule,
    OnFail,
    Phase,
    SessionState,
    Step,
    StepKind,
    StepState,
    Work,
)
from afield.model.states import ExecutionState

S = SessionState
T = StepState
E = ExecutionState
DAY = timedelta(hours=24)
BACK = {"on_fail": OnFail.ROLLBACK}
ON = {"on_fail": OnFail.CONTINUE}


def yes(one: Step, by: str = "bob", **fields: object) -> Approval:
    return replace(Approval(by=by, approved=True, digest=one.digest, at=NOW), **fields)  # type: ignore[arg-type]


def answered(made: World, number: int, *approvals: Approval) -> None:
    made.steps[number] = replace(made.steps[number], approvals=approvals)
    made.think()


# ---------------------------------------------------------------------------------------------- one lane


def test_steps_run_one_after_the_other_to_the_end() -> None:
    made = world(step(1), step(2))
    assert (made.state, made.states) == (S.IN_PROGRESS, "running pending")
    made.ends(1)
    assert made.states == "succeeded running"
    made.ends(2)
    assert (made.state, made.session.finished_at, made.session.reason) == (S.COMPLETED, NOW, None)


def test_a_beginning_forgets_the_attempt_before() -> None:
    tried = step(
        1, T.FAILED, retries=1, exit_code=3, stdout="x", stderr="y", remote_id="h0", reason=Reason("exit_code"),
        finished_at=NOW,
    )  # fmt: skip
    made = world(tried)
    begun = made.steps[1]
    assert (begun.state, begun.attempt, begun.exit_code, begun.stdout, begun.stderr) == (T.RUNNING, 2, None, "", "")
    assert (begun.remote_id, begun.reason, begun.finished_at, begun.started_at) == (None, None, None, NOW)
    assert begun.execution_id == execution_id(made.session, 1, 2, NOW)


def test_ids_are_version_7_and_belong_to_one_attempt_of_one_session() -> None:
    one = session_of()
    made = execution_id(one, 1, 1, NOW)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == uuid7(int(NOW.timestamp() * 1000)).int >> 80
    assert made == execution_id(one, 1, 1, NOW)
    other = [(replace(one, key=UUID(int=78)), 1, 1), (one, 2, 1), (one, 1, 2), (one, 11, 1)]
    tails = {execution_id(*about, NOW + MINUTE).int & ((1 << 62) - 1) for about in [*other, (one, 1, 1)]}
    assert len(tails) == 5
    assert made.int & ((1 << 62) - 1) in tails


def test_a_failed_step_is_tried_as_often_as_it_may_be() -> None:
    made = world(step(1, retries=2), step(2))
    made.fails(1)
    made.ends(1, E.TIMED_OUT)
    assert made.states == "running pending"
    made.fails(1, "no space left")
    assert (made.state, made.states) == (S.FAILED, "failed skipped")
    assert made.begun == [(1, 1), (1, 2), (1, 3)]
    assert made.reason == "Step 1 (s1) of lane 0 failed: no space left."
    assert made.steps[2].reason == Reason("earlier_step_failed", "Not begun, because step 1 (s1) of lane 0 failed.")


def test_every_write_holds_only_moves_the_ledger_knows() -> None:
    """A step that is tried again is pending first; the session says that it goes on at once."""
    failed = step(1, T.FAILED, retries=1)
    first = decide(session_of(state=S.IN_PROGRESS), [failed], NOW)
    assert first.change is not None
    assert (first.change.steps[0].state, first.wake_at, first.change.session.next_at) == (T.PENDING, NOW, NOW)


@pytest.mark.parametrize("code", ["cannot_stop", "rejected", "approval_expired"])
def test_what_may_still_be_running_or_was_refused_is_not_tried_again_by_itself(code: str) -> None:
    assert world(step(1, T.TIMED_OUT, retries=3, reason=Reason(code)), state=S.IN_PROGRESS).state is S.FAILED


def test_a_failure_that_may_be_is_an_error_at_the_end() -> None:
    made = world(step(1, **ON), step(2))
    made.fails(1)
    made.ends(2)
    assert (made.state, made.states) == (S.COMPLETED_WITH_ERRORS, "failed succeeded")
    assert made.reason == "It went through, but step 1 (s1) of lane 0 failed: exit code 1."


@pytest.mark.parametrize(
    ("on_fail", "session", "states"),
    [
        (OnFail.STOP, S.FAILED, "failed skipped"),
        (OnFail.ROLLBACK, S.FAILED, "failed skipped"),
        (OnFail.CONTINUE, S.IN_PROGRESS, "failed running"),
    ],
)
def test_a_failing_precheck_stops_and_never_rolls_back(on_fail: OnFail, session: S, states: str) -> None:
    made = world(step(1, phase=Phase.PRECHECK, on_fail=on_fail, undo=UNDO), step(2))
    made.fails(1)
    assert (made.state, made.states) == (session, states)


def test_a_session_without_steps_is_complete() -> None:
    assert world().state is S.COMPLETED


# ---------------------------------------------------------------------------------------------- several lanes


def test_no_more_lanes_than_the_batch_and_those_under_way_first() -> None:
    made = world(*lanes(3, step(1), step(2)), batch_size=2)
    assert made.states == "running pending running pending pending pending"
    made.ends(3)
    assert made.states == "running pending succeeded running pending pending"
    made.ends(4)
    assert made.states == "running pending succeeded succeeded running pending"


def test_a_lane_under_way_goes_on_before_an_earlier_one_begins() -> None:
    made = world(step(1, lane=0), step(2, T.SUCCEEDED, lane=1), step(3, lane=1))
    assert made.states == "pending succeeded running"


def test_a_step_taken_up_again_waits_for_the_later_one_that_runs() -> None:
    made = world(step(1, attempt=1), step(2, T.RUNNING), state=S.IN_PROGRESS, batch_size=2)
    assert made.states == "pending running"
    made.ends(2)
    assert made.states == "running succeeded"


def test_over_the_budget_no_further_lane_begins() -> None:
    made = world(*lanes(4, step(1)), batch_size=2, error_budget=1)
    made.fails(1)
    assert made.states == "failed running running pending"
    made.fails(2)
    assert made.states == "failed failed running skipped"
    assert made.steps[4].reason == Reason("error_budget", "Not begun, because 2 lanes failed and 1 may.")
    made.ends(3)
    assert (made.state, made.session.reason and made.session.reason.code) == (S.FAILED, "error_budget")
    assert made.reason.startswith("2 of 4 lanes failed, more than the 1 allowed; 1 never began: step 1 (s1) of lane 0")


@pytest.mark.parametrize(("budget", "end"), [(0, S.FAILED), (1, S.COMPLETED_WITH_ERRORS)])
def test_some_lanes_failed(budget: int, end: S) -> None:
    made = world(*lanes(2, step(1)), batch_size=2, error_budget=budget)
    made.fails(1)
    made.ends(2)
    assert made.state is end


# ---------------------------------------------------------------------------------------------- people


def test_a_step_waits_for_its_approval_and_runs_with_it() -> None:
    made = world(step(1, rule=ONE_YES))
    assert (made.state, made.states, made.steps[1].asked_at) == (S.WAITING_APPROVAL, "waiting_approval", NOW)
    assert made.session.next_at == NOW + DAY
    assert made.reason == "A person has to decide about step 1 (s1) of lane 0."
    answered(made, 1, yes(made.steps[1]))
    assert (made.state, made.states, made.begun) == (S.IN_PROGRESS, "running", [(1, 1)])


WAITING = step(1, T.WAITING_APPROVAL, rule=ONE_YES)
TWO = step(1, T.WAITING_APPROVAL, rule=ApprovalRule(needed=2))
OTHER = step(1, T.WAITING_APPROVAL, rule=ApprovalRule(needed=1, other_than_starter=True))
NO = yes(WAITING, approved=False)


@pytest.mark.parametrize(
    ("one", "approvals", "state"),
    [
        (WAITING, [yes(WAITING, at=NOW - DAY)], T.RUNNING),
        (WAITING, [yes(WAITING, at=NOW - DAY - MINUTE)], T.WAITING_APPROVAL),
        (WAITING, [yes(WAITING, digest="of another command")], T.WAITING_APPROVAL),
        (WAITING, [NO], T.REJECTED),
        (WAITING, [yes(WAITING, "cleo"), NO], T.REJECTED),
        (WAITING, [replace(NO, digest="of another command")], T.WAITING_APPROVAL),
        (WAITING, [replace(NO, at=NOW - MINUTE)], T.WAITING_APPROVAL),
        (TWO, [yes(TWO, "bob"), yes(TWO, "BOB")], T.WAITING_APPROVAL),
        (TWO, [yes(TWO, "bob"), yes(TWO, "cleo")], T.RUNNING),
        (OTHER, [yes(OTHER, "Ann")], T.WAITING_APPROVAL),
        (OTHER, [yes(OTHER, "Ann"), yes(OTHER, "bob")], T.RUNNING),
        (replace(WAITING, asked_at=NOW - DAY), [], T.REJECTED),
        (replace(WAITING, asked_at=NOW - DAY, attempt=1), [], T.FAILED),
        (replace(WAITING, asked_at=NOW - DAY), [yes(WAITING)], T.RUNNING),
        (replace(WAITING, rule=ApprovalRule(needed=1, valid_for=timedelta.max)), [], T.WAITING_APPROVAL),
    ],
)
def test_which_answers_count(one: Step, approvals: list[Approval], state: T) -> None:
    made = world(replace(one, approvals=tuple(approvals)), state=S.WAITING_APPROVAL)
    assert made.steps[1].state is state


def test_who_said_no_is_named() -> None:
    made = world(step(1, rule=ONE_YES))
    made.says(control.approve(made.session, made.all(), 1, False, by="bob", note="not today", now=NOW))
    assert (made.state, made.reason) == (S.FAILED, "Step 1 (s1) of lane 0 failed: bob said no: not today.")


@pytest.mark.parametrize("kind", [StepKind.MANUAL, StepKind.APPROVAL])
def test_what_only_a_person_can_settle(kind: StepKind) -> None:
    made = world(step(1, kind=kind), step(2))
    assert made.states == "waiting_approval pending"
    answered(made, 1, yes(made.steps[1]))
    assert (made.states, made.begun) == ("succeeded running", [(2, 1)])


def test_an_approval_holds_for_the_next_attempt_until_it_is_too_old() -> None:
    made = world(step(1, rule=ONE_YES, retries=2))
    answered(made, 1, yes(made.steps[1]))
    made.fails(1)
    assert made.states == "running"
    made.now += DAY + MINUTE
    made.fails(1)
    assert (made.states, made.begun) == ("waiting_approval", [(1, 1), (1, 2)])


def test_the_first_question_to_expire_wakes_the_session() -> None:
    quick = ApprovalRule(needed=1, valid_for=HOUR)
    made = world(step(1, lane=0, rule=ONE_YES), step(2, lane=1, rule=quick), batch_size=2)
    assert made.last.wake_at == made.session.next_at == NOW + HOUR
    made.now += HOUR
    made.think()
    assert made.states == "waiting_approval rejected"
    assert made.steps[2].reason == Reason("approval_expired", "Nobody answered until 2026-01-02 01:00:00 UTC.")


# ---------------------------------------------------------------------------------------------- rollback


def test_a_lane_is_undone_backwards_and_only_what_ran() -> None:
    made = world(step(1, undo=UNDO), step(2), step(3, undo=UNDO, **BACK), step(4, undo=UNDO))
    made.ends(1)
    made.ends(2)
    made.fails(3)
    assert (made.state, made.states) == (S.ROLLING_BACK, "succeeded succeeded failed skipped running pending")
    undo = made.steps[5]
    assert (undo.name, undo.undoes, undo.phase, undo.work, undo.target_id) == (
        "Undo: s3", 3, Phase.ROLLBACK, UNDO.work, made.steps[3].target_id,
    )  # fmt: skip
    made.ends(5)
    assert made.states == "succeeded succeeded rolled_back skipped succeeded running"
    made.ends(6)
    assert (made.state, made.states) == (S.ROLLED_BACK, "rolled_back succeeded rolled_back skipped succeeded succeeded")
    assert made.reason == (
        "What was done is undone, because step 3 (s3) of lane 0 failed: exit code 1. "
        "Nothing undoes step 2 (s2) of lane 0: left as it is."
    )


@pytest.mark.parametrize(("on_fail", "last"), [(OnFail.STOP, "skipped"), (OnFail.CONTINUE, "running")])
def test_a_rollback_that_fails(on_fail: OnFail, last: str) -> None:
    made = world(step(1, undo=UNDO), step(2, undo=replace(UNDO, on_fail=on_fail), **BACK))
    made.ends(1)
    made.fails(2)
    made.fails(3)
    assert made.states == f"succeeded failed failed {last}"
    if on_fail is OnFail.CONTINUE:
        made.ends(4)
    assert made.state is S.ROLLBACK_FAILED
    assert made.reason.startswith("Undoing failed at step 3 (Undo: s2) of lane 0; a person has to look.")


def test_nothing_known_to_undo_is_a_failure() -> None:
    made = world(step(1, **BACK))
    made.fails(1)
    assert (made.state, made.reason) == (
        S.FAILED,
        "Step 1 (s1) of lane 0 failed: exit code 1. Nothing undoes step 1 (s1) of lane 0: left as it is.",
    )


def test_what_never_left_is_not_undone() -> None:
    made = world(step(1, undo=UNDO), step(2, undo=UNDO, **BACK))
    made.ends(1)
    made.ends(2, E.TIMED_OUT, handle=None)
    assert made.states == "succeeded timed_out running"
    assert made.steps[3].undoes == 1


def test_what_ran_once_is_undone_although_its_next_attempt_was_refused() -> None:
    made = world(step(1, undo=UNDO, retries=1, **BACK))
    made.fails(1)
    made.ends(1, E.REJECTED)
    assert made.states == "failed running"


def test_what_ran_once_is_undone_although_it_was_to_be_tried_again() -> None:
    waits = step(1, T.PENDING, attempt=1, retries=1, undo=UNDO, reason=Reason("exit_code"))
    made = world(waits, state=S.ROLLING_BACK, rollback_requested_at=NOW)
    assert made.states == "cancelled running"


def test_what_was_refused_is_not_undone_although_it_was_to_be_tried_again() -> None:
    made = world(*lanes(2, step(1, undo=UNDO)), batch_size=2, error_budget=1)
    made.ends(1)
    made.ends(2, E.REJECTED)
    made.write(control.retry(made.session, made.all(), 2, by="bob", now=NOW))
    made.says(control.rollback(made.session, made.all(), by="bob", now=NOW))
    assert (made.states, made.steps[3].undoes) == ("succeeded skipped running", 1)


def test_one_lane_goes_forward_while_another_goes_back() -> None:
    made = world(*lanes(2, step(1, undo=UNDO, **BACK)), batch_size=2, error_budget=1)
    made.fails(1)
    assert (made.state, made.states) == (S.IN_PROGRESS, "failed running running")
    made.ends(2)
    assert made.state is S.ROLLING_BACK
    made.ends(3)
    assert (made.state, made.states) == (S.COMPLETED_WITH_ERRORS, "rolled_back succeeded succeeded")


def test_a_person_asks_for_a_rollback_of_everything() -> None:
    made = world(*lanes(2, step(1, undo=UNDO), step(2)), batch_size=2)
    made.ends(1)
    made.says(control.rollback(made.session, made.all(), by="bob", now=NOW))
    assert (made.state, made.states) == (S.IN_PROGRESS, "succeeded running running skipped"), "what runs runs on"
    made.ends(2)
    made.ends(3)
    assert made.states == "succeeded succeeded succeeded skipped running running"
    made.ends(5)
    made.ends(6)
    assert (made.state, made.states) == (S.ROLLED_BACK, "rolled_back succeeded rolled_back skipped succeeded succeeded")
    assert made.reason.startswith("What was done is undone, as asked for. Nothing undoes step 2 (s2) of lane 0")


# ---------------------------------------------------------------------------------------------- unknown, pause, cancel


def test_an_unknown_step_holds_its_lane_and_then_the_session() -> None:
    made = world(*lanes(2, step(1), step(2)), batch_size=2)
    made.ends(1, E.LOST)
    assert (made.state, made.states) == (S.IN_PROGRESS, "unknown pending running pending")
    made.ends(3)
    made.ends(4)
    assert (made.state, made.session.reason and made.session.reason.code) == (S.PAUSED, "unknown_step")
    assert "step 1 (s1) of lane 0" in made.reason
    made.says(control.resolve(made.session, made.all(), 1, "succeeded", by="bob", now=NOW))
    assert (made.state, made.states) == (S.IN_PROGRESS, "succeeded running succeeded succeeded")


def test_an_unknown_step_is_asked_about_before_its_lane_is_undone() -> None:
    made = world(step(1, undo=UNDO), step(2, undo=UNDO))
    made.ends(1)
    made.says(control.rollback(made.session, made.all(), by="bob", now=NOW))
    made.ends(2, E.LOST)
    assert (made.state, made.states) == (S.PAUSED, "succeeded unknown")
    made.says(control.resolve(made.session, made.all(), 2, "not_run", by="bob", now=NOW))
    assert (made.state, made.states, made.steps[3].undoes) == (S.ROLLING_BACK, "succeeded skipped running", 1)


def test_a_step_that_turns_out_not_to_have_run_begins_again() -> None:
    made = world(step(1))
    made.ends(1, E.LOST)
    made.says(control.resolve(made.session, made.all(), 1, "not_run", by="bob", now=NOW))
    assert (made.state, made.states, made.begun) == (S.IN_PROGRESS, "running", [(1, 1), (1, 2)])


def test_a_paused_session_only_follows_what_runs() -> None:
    made = world(step(1), step(2))
    made.says(control.pause(made.session, made.all(), by="bob", now=NOW))
    made.ends(1)
    assert (made.state, made.states, made.last.change) == (S.PAUSED, "succeeded pending", None)


def test_a_cancel_stops_what_runs_and_begins_nothing() -> None:
    made = world(*lanes(3, step(1), step(2)), batch_size=2)
    made.steps[5] = replace(made.steps[5], rule=ONE_YES)
    made.says(control.cancel(made.session, made.all(), by="bob", now=NOW))
    assert (made.state, made.states) == (S.IN_PROGRESS, "running cancelled running cancelled cancelled cancelled")
    assert made.last.cancel == (made.steps[1].execution_id, made.steps[3].execution_id)
    made.ends(1, E.CANCELLED)
    made.ends(3)
    assert (made.state, made.reason, made.last.cancel) == (S.CANCELLED, "bob cancelled it.", ())
    assert made.begun == [(1, 1), (3, 1)]


def test_a_cancel_ends_a_pause_and_a_question() -> None:
    made = world(step(1, rule=ONE_YES))
    made.says(control.pause(made.session, made.all(), by="bob", now=NOW))
    made.says(control.cancel(made.session, made.all(), by="bob", now=NOW))
    assert (made.state, made.states) == (S.CANCELLED, "cancelled")


def test_a_cancel_stops_a_rollback_and_a_rollback_follows_a_cancel() -> None:
    made = world(step(1, undo=UNDO), step(2))
    made.ends(1)
    made.says(control.cancel(made.session, made.all(), by="bob", now=NOW))
    made.says(control.rollback(made.session, made.all(), by="bob", now=NOW))
    assert (made.state, made.states) == (S.IN_PROGRESS, "succeeded running")
    assert made.last.cancel == (made.steps[2].execution_id,)
    made.ends(2, E.CANCELLED)
    assert (made.state, made.states, made.last.cancel) == (S.ROLLING_BACK, "succeeded cancelled running", ())
    made.says(control.cancel(made.session, made.all(), by="bob", now=NOW))
    assert made.last.cancel == (made.steps[3].execution_id,)
    made.ends(3, E.CANCELLED)
    assert made.state is S.CANCELLED


@pytest.mark.parametrize("state", [S.COMPLETED, S.FAILED, S.CANCELLED, S.ROLLED_BACK, S.ABANDONED])
def test_a_session_that_is_over_is_left_alone(state: S) -> None:
    over = session_of(state=state, cancel_requested_at=NOW)
    result = decide(over, [step(1), step(2, T.RUNNING)], NOW)
    assert (result.change, result.cancel, result.wake_at) == (None, (), None)


def test_a_changed_command_is_asked_about_again() -> None:
    made = world(step(1, rule=ApprovalRule(needed=2)))
    made.says(control.approve(made.session, made.all(), 1, True, by="bob", now=NOW))
    made.says(control.edit(made.session, made.all(), 1, work=Work(text="rm other"), by="ann", now=NOW))
    made.says(control.approve(made.session, made.all(), 1, True, by="cleo", now=NOW))
    assert made.states == "waiting_approval"
    made.says(control.approve(made.session, made.all(), 1, True, by="bob", now=NOW))
    assert made.states == "running"
