"""What an execution's state says about the step it was made for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from afield.connectors.command import TAIL_BYTES, exit_reason
from afield.engine.steps import CANNOT_STOP, NEVER_SENT
from afield.model.execution import Execution, Reason
from afield.model.jsontypes import JsonObject
from afield.model.session import Step, StepState
from afield.model.states import FINAL, ExecutionState, OutputState

_ENDS: Mapping[ExecutionState, StepState] = {
    ExecutionState.SUCCEEDED: StepState.SUCCEEDED,
    ExecutionState.FAILED: StepState.FAILED,
    ExecutionState.CANCELLED: StepState.CANCELLED,
    ExecutionState.TIMED_OUT: StepState.TIMED_OUT,
    ExecutionState.REJECTED: StepState.REJECTED,
    ExecutionState.LOST: StepState.UNKNOWN,
}

_MOST_SHOWN = 200  # characters of an output in a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is known of an execution's output."""

    available: bool
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    cut: bool = False  # there was more stdout than was kept


def observe(step: Step, execution: Execution) -> Step | None:
    """The running step as its execution shows it; None: nothing new, or not an execution of this attempt.

    A step ends once its execution is complete: its end is known, and its output is stored or given up.
    """
    if step.state is not StepState.RUNNING or step.execution_id != execution.id:
        return None
    if execution.complete:
        return _ended(step, execution)
    if execution.state not in FINAL and execution.reason is not None and execution.reason.code == CANNOT_STOP:
        return _unstoppable(step, execution, execution.reason)
    followed = replace(step, remote_id=execution.handle or step.remote_id, reason=execution.reason)
    return followed if followed != step else None


def _ended(step: Step, execution: Execution) -> Step:
    said = _said(execution)
    state, reason = _ENDS[execution.state], execution.reason
    if state is StepState.SUCCEEDED:
        wrong = _wrong(step.expected_output, said)
        state, reason = (StepState.FAILED, wrong) if wrong else (state, None)
    elif state is StepState.REJECTED and step.attempt > 1:
        state = StepState.FAILED  # an attempt before may have left something to be undone
    elif execution.handle is None and state in {StepState.CANCELLED, StepState.TIMED_OUT}:
        text = execution.reason.text if execution.reason else "It ended before it was sent."
        reason = Reason(NEVER_SENT, text)
    return replace(
        step,
        state=state,
        reason=reason or _default_reason(state),
        exit_code=said.exit_code,
        stdout=said.stdout[-TAIL_BYTES:],
        stderr=said.stderr[-TAIL_BYTES:],
        remote_id=execution.handle or step.remote_id,
        finished_at=execution.finished_at or execution.state_at,
    )


def _default_reason(state: StepState) -> Reason | None:
    if state is StepState.SUCCEEDED:
        return None
    return Reason(state.value, f"Its execution ended as {state}; the target gave no reason.")


def _unstoppable(step: Step, execution: Execution, reason: Reason) -> Step:
    """Its time is over or it was to be cancelled, and the target cannot be asked to stop it: say so, and go on."""
    cancelled = execution.cancel_requested_at is not None
    why = "It was cancelled" if cancelled else "Its time was over"
    text = f"{why}, but it cannot be stopped there and may still be running. {reason.text}".strip()
    return replace(
        step,
        state=StepState.CANCELLED if cancelled else StepState.TIMED_OUT,
        reason=Reason(CANNOT_STOP, text),
        remote_id=execution.handle or step.remote_id,
        finished_at=execution.updated_at,
    )


def _said(execution: Execution) -> _Said:
    output = execution.output
    if output is None or execution.output_state is OutputState.UNAVAILABLE:
        return _Said(available=False)
    found = output.get("detail")
    detail: JsonObject = found if isinstance(found, dict) else {}
    code, stdout, stderr = detail.get("exit_code"), detail.get("stdout"), detail.get("stderr")
    shown = json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else ""
    return _Said(
        available=True,
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        stdout=stdout if isinstance(stdout, str) else shown,
        stderr=stderr if isinstance(stderr, str) else "",
        cut=detail.get("stdout_cut") is True,
    )


def _wrong(expected: str | None, said: _Said) -> Reason | None:
    """Why an execution that succeeded is a failed step all the same; None: it is not."""
    if said.exit_code:
        return exit_reason(said.exit_code)
    if expected is None:
        return None
    if not said.available:
        return Reason("output_unavailable", f"{expected!r} was expected in its output, which could not be had.")
    problem = _missing(expected, said.stdout)
    if problem is None:
        return None
    end = said.stdout[-_MOST_SHOWN:].strip()
    came = f"the output ends with {end!r}" if end else "there was no output"
    cut = " Only the end of the output was kept and searched." if said.cut else ""
    return Reason("unexpected_output", f"{problem}; {came}.{cut}")


def _missing(expected: str, stdout: str) -> str | None:
    """What is wrong with this output. In a regular expression, `^` and `$` stand for the ends of a line."""
    if len(expected) > 2 and expected[0] == expected[-1] == "/":
        try:
            found = re.search(expected[1:-1], stdout, re.MULTILINE) is not None
        except (re.error, RecursionError) as error:
            return f"The expected output {expected} cannot be read as a regular expression ({error})"
    else:
        found = expected in stdout
    return None if found else f"{expected!r} was expected in the output"
