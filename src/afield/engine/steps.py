"""One step of a session: what its state and its reason together say. Pure."""

from __future__ import annotations

from dataclasses import replace

from afield.model.execution import Reason
from afield.model.session import STEP_FAILED, OnFail, Step, StepKind, StepState

OPEN = frozenset({StepState.PENDING, StepState.WAITING_APPROVAL})
"""It has not begun (again)."""

REJECTED = "rejected"  # a person said no
EXPIRED = "approval_expired"  # nobody answered in time
CANNOT_STOP = "cannot_stop"  # it counts as ended, and may still be running at its target
ERROR_BUDGET = "error_budget"  # left out, because too many lanes had failed
NEVER_SENT = "never_sent"  # its attempt did not reach the target
NOT_RUN = "not_run"  # a person found out that it had not run, so it is still to be done

_LAST_WORDS = frozenset({REJECTED, EXPIRED, CANNOT_STOP})  # it does not begin again by itself


def code_of(step: Step) -> str:
    """The code of its reason; empty without one."""
    return step.reason.code if step.reason else ""


def renewable(step: Step) -> bool:
    """Whether it begins again by itself: a failure with tries left, or a step that is known not to have run."""
    if step.state is StepState.SKIPPED:
        return code_of(step) == NOT_RUN
    failed = step.kind is StepKind.RUN and step.state in {StepState.FAILED, StepState.TIMED_OUT}
    return failed and 0 < step.attempt <= step.retries and code_of(step) not in _LAST_WORDS


def given_up(step: Step) -> bool:
    """Whether it failed for good."""
    return step.state in STEP_FAILED and not renewable(step)


def passed(step: Step) -> bool:
    """Whether the lane goes on after it."""
    if step.state in {StepState.SUCCEEDED, StepState.ROLLED_BACK}:
        return True
    if step.state is StepState.SKIPPED:
        return not renewable(step)
    return given_up(step) and step.on_fail is OnFail.CONTINUE


def did_run(step: Step) -> bool:
    """Whether it did, or may have done, something at its target. A first attempt that never left did nothing."""
    return step.ran and not (step.attempt == 1 and code_of(step) == NEVER_SENT)


def ran_before(step: Step) -> bool:
    """Of a step that has not begun again: whether an earlier attempt did, or may have done, something."""
    return step.attempt > 1 or (step.attempt == 1 and code_of(step) not in {NEVER_SENT, NOT_RUN})


def asked_again(step: Step) -> Step:
    """The step before anybody is asked: what was refused is no longer held against it, what was approved stays.

    The reason stays too while it tells of an earlier attempt.
    """
    yes = tuple(approval for approval in step.approvals if approval.approved)
    reason = step.reason if step.attempt else None
    if reason is not None and step.state is StepState.REJECTED and step.attempt == 1:
        reason = Reason(NEVER_SENT, reason.text)
    return replace(step, state=StepState.PENDING, approvals=yes, asked_at=None, finished_at=None, reason=reason)
