"""What an execution's state says about its step."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from session_world import MINUTE, NOW, execution_of, step

from afield.engine.observe import observe
from afield.model.execution import Execution, Reason
from afield.model.jsontypes import JsonObject
from afield.model.session import Step, StepState
from afield.model.states import ExecutionState, OutputState

E = ExecutionState
T = StepState
RUNNING = step(1, T.RUNNING)
WHY = Reason("boom", "It went boom.")


def seen(one: Step, state: E = E.SUCCEEDED, **fields: object) -> Step:
    result = observe(one, execution_of(one, state, **fields))
    assert result is not None
    return result


def said(**detail: object) -> JsonObject:
    return {"artifact": None, "detail": detail}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("state", "fields", "end", "reason"),
    [
        (E.SUCCEEDED, {}, T.SUCCEEDED, None),
        (E.FAILED, {"reason": WHY}, T.FAILED, WHY),
        (E.CANCELLED, {"reason": WHY}, T.CANCELLED, WHY),
        (E.TIMED_OUT, {"reason": WHY}, T.TIMED_OUT, WHY),
        (E.REJECTED, {"reason": WHY}, T.REJECTED, WHY),
        (E.LOST, {"reason": WHY}, T.UNKNOWN, WHY),
        (E.TIMED_OUT, {"reason": WHY, "handle": None}, T.TIMED_OUT, Reason("never_sent", WHY.text)),
        (E.FAILED, {}, T.FAILED, Reason("failed", "Its execution ended as failed; the target gave no reason.")),
    ],
)
def test_every_end(state: E, fields: dict[str, object], end: T, reason: Reason | None) -> None:
    ended = seen(RUNNING, state, **fields)
    assert (ended.state, ended.reason, ended.finished_at) == (end, reason, NOW + MINUTE)


def test_details_come_along_with_every_end() -> None:
    ended = seen(RUNNING, E.FAILED, output=said(exit_code=3, stdout="a", stderr="b"))
    assert (ended.exit_code, ended.stdout, ended.stderr, ended.remote_id) == (3, "a", "b", "h1")


def test_a_success_with_an_exit_code_is_a_failure() -> None:
    ended = seen(RUNNING, output=said(exit_code=3))
    assert (ended.state, ended.reason) == (T.FAILED, Reason("exit_code", "The script ended with exit code 3."))


@pytest.mark.parametrize(
    ("expected", "stdout", "wrong"),
    [
        ("well", "all well\n", None),
        ("/^all w.ll$/", "first\nall well\n", None),
        ("a.l", "all well", "'a.l' was expected in the output; the output ends with 'all well'."),
        ("/^well/", "all well", "'/^well/' was expected in the output; the output ends with 'all well'."),
        ("/", "a/b", None),
        ("//", "a//b", None),
        ("/(/", "(", "The expected output /(/ cannot be read as a regular expression"),
        ("well", "", "'well' was expected in the output; there was no output."),
    ],
)
def test_an_expected_output(expected: str, stdout: str, wrong: str | None) -> None:
    ended = seen(replace(RUNNING, expected_output=expected), output=said(exit_code=0, stdout=stdout))
    assert ended.state is (T.FAILED if wrong else T.SUCCEEDED)
    assert (ended.reason.code if ended.reason else None) == ("unexpected_output" if wrong else None)
    assert wrong is None or (ended.reason is not None and ended.reason.text.startswith(wrong))


def test_a_cut_output_is_said_to_be_cut() -> None:
    ended = seen(replace(RUNNING, expected_output="x"), output=said(stdout="y", stdout_cut=True))
    assert ended.reason is not None
    assert ended.reason.text.endswith("Only the end of the output was kept and searched.")


@pytest.mark.parametrize("output_state", [OutputState.UNAVAILABLE, OutputState.NONE])
def test_an_output_that_cannot_be_had_fails_only_who_expects_it(output_state: OutputState) -> None:
    gone: dict[str, object] = {"output_state": output_state, "output": None}
    assert seen(RUNNING, **gone).state is T.SUCCEEDED
    expecting = seen(replace(RUNNING, expected_output="x"), **gone)
    assert (expecting.state, expecting.reason and expecting.reason.code) == (T.FAILED, "output_unavailable")


def test_other_connectors_details_are_shown_as_they_are() -> None:
    ended = seen(replace(RUNNING, expected_output='"rows": 3'), output=said(rows=3, exit_code=True))
    assert (ended.state, ended.stdout, ended.exit_code) == (T.SUCCEEDED, '{"exit_code": true, "rows": 3}', None)


def test_only_the_end_of_a_long_output_is_kept_and_all_of_it_judged() -> None:
    ended = seen(replace(RUNNING, expected_output="start"), output=said(stdout="start" + "x" * 9000))
    assert (ended.state, len(ended.stdout)) == (T.SUCCEEDED, 4096)


@pytest.mark.parametrize(
    "live",
    [
        execution_of(RUNNING, E.QUEUED, handle=None, output=None, output_state=OutputState.NONE),
        execution_of(RUNNING, E.RUNNING, handle=None),
        execution_of(RUNNING, E.SUCCEEDED, handle=None, output_state=OutputState.PENDING),
    ],
)
def test_what_has_not_ended_changes_nothing_unless_it_says_why(live: Execution) -> None:
    assert observe(RUNNING, live) is None
    told = observe(RUNNING, replace(live, handle="h9", reason=Reason("conflict", "409")))
    assert told == replace(RUNNING, remote_id="h9", reason=Reason("conflict", "409"))
    assert observe(told, live) == replace(told, reason=None), "the conflict is over"


@pytest.mark.parametrize("state", [E.UNCONFIRMED, E.SUBMITTED, E.RUNNING])
def test_what_cannot_be_stopped_ends_here_and_says_that_it_may_go_on_there(state: E) -> None:
    reason = Reason("cannot_stop", "A Windows agent older than 2.7 has no way.")
    late = seen(RUNNING, state, reason=reason, output_state=OutputState.NONE)
    cancelled = seen(RUNNING, state, reason=reason, output_state=OutputState.NONE, cancel_requested_at=NOW)
    assert (late.state, cancelled.state) == (T.TIMED_OUT, T.CANCELLED)
    for one, why in ((late, "Its time was over"), (cancelled, "It was cancelled")):
        text = f"{why}, but it cannot be stopped there and may still be running. {reason.text}"
        assert (one.reason, one.finished_at) == (Reason("cannot_stop", text), NOW + MINUTE)


def test_an_execution_of_another_attempt_says_nothing() -> None:
    assert observe(RUNNING, execution_of(RUNNING, id=UUID(int=5))) is None
    assert observe(replace(RUNNING, state=T.CANCELLED), execution_of(RUNNING)) is None
