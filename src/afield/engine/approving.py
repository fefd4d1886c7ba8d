"""People's answers: which of them count, and what follows for the step that waits. Pure."""

from __future__ import annotations

from datetime import datetime

from afield.engine.steps import EXPIRED, REJECTED, ran_before
from afield.model.execution import Reason
from afield.model.session import Approval, Session, Step, StepKind, StepState


def same_person(one: str, other: str) -> bool:
    """Names of people are compared without regard to case and to blanks around them."""
    return one.strip().casefold() == other.strip().casefold()


def needed(step: Step) -> int:
    """How many people have to say yes. What only a person can settle needs one at least."""
    if step.kind is StepKind.MANUAL:
        return 1
    return max(step.rule.needed, 1 if step.kind is StepKind.APPROVAL else 0)


def expires_at(step: Step) -> datetime | None:
    """Until when an answer is waited for; None: for ever, or nobody was asked."""
    try:
        return step.asked_at + step.rule.valid_for if step.asked_at else None
    except OverflowError:
        return None


def valid_approvals(session: Session, step: Step, now: datetime) -> tuple[Approval, ...]:
    """The approvals that count now: for exactly this work and target, not too old, one for each person."""
    people: dict[str, Approval] = {}
    digest = step.digest
    for approval in step.approvals:
        by_starter = step.rule.other_than_starter and same_person(approval.by, session.started_by)
        fresh = now - approval.at <= step.rule.valid_for
        if approval.approved and approval.digest == digest and fresh and not by_starter:
            people[approval.by.strip().casefold()] = approval
    return tuple(people.values())


def approved(session: Session, step: Step, now: datetime) -> bool:
    """Whether enough people said yes."""
    want = needed(step)
    return want == 0 or len(valid_approvals(session, step, now)) >= want


def refusal(step: Step) -> Approval | None:
    """The first no to what is asked now."""
    for approval in step.approvals:
        after = step.asked_at is None or approval.at >= step.asked_at
        if not approval.approved and after and approval.digest == step.digest:
            return approval
    return None


def verdict(session: Session, step: Step, now: datetime) -> tuple[StepState, Reason] | None:
    """What the answers to a waiting step amount to; None: they are still waited for.

    A no counts more than any yes. A yes that came in time counts even if it is read late.
    """
    no = refusal(step)
    if no is not None:
        said = f": {no.note}" if no.note else "."
        return _denied(step), Reason(REJECTED, f"{no.by} said no{said}")
    if approved(session, step, now):
        people = ", ".join(approval.by for approval in valid_approvals(session, step, now))
        goes_on = StepState.RUNNING if step.kind is StepKind.RUN else StepState.SUCCEEDED
        return goes_on, Reason("approved", f"{people or 'Nobody needed to'} said yes.")
    until = expires_at(step)
    if until is not None and until <= now:
        return _denied(step), Reason(EXPIRED, f"Nobody answered until {until:%Y-%m-%d %H:%M:%S} UTC.")
    return None


def _denied(step: Step) -> StepState:
    """A step that ran before stays a step that ran, so that it can be undone: only its next attempt was refused."""
    return StepState.FAILED if ran_before(step) else StepState.REJECTED
