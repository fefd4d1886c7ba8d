"""What people may do to a session and its steps. Pure: a session as it is in, one change out, or an error that says why
not. `engine.decide` carries out what follows.

Every verb names who does it (`by`) and raises ConflictError where the state does not allow it, NotFoundError for a step
that is not there, InvalidInputError for input that can never be right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from afield.engine.approving import refusal, same_person, valid_approvals
from afield.engine.decide import left_out
from afield.engine.ending import UNKNOWN_STEP, cancelling
from afield.engine.lanes import lanes_of
from afield.engine.restart import left_behind, restarted, restarted_from
from afield.engine.steps import NOT_RUN, OPEN, asked_again, did_run, passed
from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.model.execution import Reason
from afield.model.session import (
    SESSION_ALLOWED,
    SESSION_FINAL,
    STEP_FAILED,
    Approval,
    OnFail,
    Phase,
    Session,
    SessionChange,
    SessionState,
    Step,
    StepKind,
    StepState,
    Work,
)

_S = SessionState
_T = StepState


def step_of(session: Session, steps: Sequence[Step], number: int) -> Step:
    """The step of this number. Raises NotFoundError."""
    for step in steps:
        if step.number == number:
            return step
    numbers = f"1 to {max(step.number for step in steps)}" if steps else "none"
    raise NotFoundError(f"Session {session.id} has no step {number}.", hint=f"Its steps: {numbers}.")


def changed(session: Session, steps: Sequence[Step], *, by: str, now: datetime, note: Reason) -> SessionChange:
    """A person's change, and the wish that what follows from it be thought about at once."""
    if not by.strip():
        raise InvalidInputError("Nobody is named.", hint="Say who does it.")
    rests = session.state in SESSION_FINAL or (session.state is _S.PAUSED and not cancelling(session))
    finished_at = (session.finished_at or now) if session.state in SESSION_FINAL else None
    session = replace(session, finished_at=finished_at, next_at=None if rests else now, updated_at=now)
    return SessionChange(session=session, steps=tuple(steps), actor=by, at=now, note=note)


def noted(code: str, by: str, did: str, note: str = "") -> Reason:
    """Who did what, and what they said to it."""
    return Reason(code, f"{by} {did}: {note}" if note else f"{by} {did}.")


def still_open(session: Session) -> None:
    """Raises ConflictError once the session is over."""
    if session.state in SESSION_FINAL:
        hint = "A failed session can be taken up again with retry, or undone with rollback."
        raise ConflictError(f"Session {session.id} is over: it is {session.state}.", hint=hint)


def approve(
    session: Session,
    steps: Sequence[Step],
    number: int,
    approved: bool,
    *,
    by: str,
    note: str = "",
    digest: str | None = None,
    now: datetime,
) -> SessionChange:
    """One person's answer to a step that waits. `digest`: what they read; refused if the step is another by now."""
    still_open(session)
    step = step_of(session, steps, number)
    if step.state is not _T.WAITING_APPROVAL:
        raise ConflictError(f"Step {number} does not wait for anybody: it is {step.state}.", hint="Read it again.")
    if digest is not None and digest != step.digest:
        raise ConflictError(f"Step {number} has changed.", hint="Read it again, then answer with its present digest.")
    _may_answer(session, step, by, now)
    at = max(now, step.asked_at or now)  # two clocks: an answer never comes before its question
    answer = Approval(by=by, approved=approved, digest=step.digest, at=at, note=note)
    said = noted("approved", by, f"approved step {number}", note)
    if not approved:
        said = noted("rejected", by, f"said no to step {number}", note)
    return changed(session, [replace(step, approvals=(*step.approvals, answer))], by=by, now=now, note=said)


def _may_answer(session: Session, step: Step, by: str, now: datetime) -> None:
    if step.rule.other_than_starter and same_person(by, session.started_by):
        hint = "Ask a colleague, or cancel the session."
        raise ConflictError(f"{by} started the session, and step {step.number} asks for somebody else.", hint=hint)
    no = refusal(step)
    if no is not None:
        raise ConflictError(f"{no.by} has already said no to step {step.number}.", hint="Retry the step to ask again.")
    if any(same_person(by, approval.by) for approval in valid_approvals(session, step, now)):
        raise ConflictError(f"{by} has already approved step {step.number}.", hint="Another person is needed.")


def pause(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Let nothing new begin. What runs, runs on and is followed."""
    still_open(session)
    if session.state is _S.PAUSED and (session.reason is None or session.reason.code != UNKNOWN_STEP):
        raise ConflictError(f"Session {session.id} is paused already.", hint="Resume it to go on.")
    if cancelling(session):
        raise ConflictError(f"Session {session.id} is being cancelled.", hint="Wait for its end.")
    said = noted("paused", by, "paused it", note)
    return changed(replace(session, state=_S.PAUSED, reason=said), (), by=by, now=now, note=said)


def resume(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Go on. Questions nobody has answered get their whole time again."""
    if session.state is not _S.PAUSED:
        hint = "A failed session is taken up again with retry."
        raise ConflictError(f"Session {session.id} is not paused: it is {session.state}.", hint=hint)
    unknown = [str(step.number) for step in steps if step.state is _T.UNKNOWN]
    if unknown and session.reason is not None and session.reason.code == UNKNOWN_STEP:
        hint = "Find out at the target, then resolve it as succeeded, failed or not_run."
        raise ConflictError(f"Nobody knows what became of step {', '.join(unknown)}.", hint=hint)
    waiting = [step for step in steps if step.state is _T.WAITING_APPROVAL and refusal(step) is None]
    asked = [replace(step, asked_at=now) for step in waiting if step.asked_at != now]
    said = noted("resumed", by, "resumed it", note)
    return changed(going_on(session), asked, by=by, now=now, note=said)


def going_on(session: Session) -> Session:
    """The session under way again; a final one that a person takes up, too."""
    back = session.rollback_requested_at is not None or session.state is _S.ROLLBACK_FAILED
    return replace(session, state=_S.ROLLING_BACK if back else _S.IN_PROGRESS, reason=None)


def cancel(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Begin nothing more, and stop what runs; a rollback under way, too."""
    still_open(session)
    if cancelling(session):
        hint = "What runs is being stopped; wait for its end."
        raise ConflictError(f"Session {session.id} is being cancelled already.", hint=hint)
    said = noted("cancelled", by, "cancelled it", note)
    session = replace(session, cancel_requested_at=now, rollback_requested_at=None, reason=said)
    return changed(session, (), by=by, now=now, note=said)


def rollback(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Undo all that was done, once nothing runs. A rollback that failed is tried again."""
    if session.state is not _S.ROLLING_BACK and _S.ROLLING_BACK not in SESSION_ALLOWED[session.state]:
        hint = "Start a session that does what is needed."
        raise ConflictError(f"Session {session.id} is over: it is {session.state}.", hint=hint)
    if session.rollback_requested_at is not None and session.state not in SESSION_FINAL | {_S.PAUSED}:
        raise ConflictError(f"Session {session.id} is being rolled back already.", hint="Follow its steps.")
    undoing = [step for step in steps if step.undoes is not None and step.state in STEP_FAILED | {_T.SKIPPED}]
    again = [asked_again(step) for step in undoing]
    in_play = (step.state is _T.RUNNING or (did_run(step) and step.undo is not None) for step in steps)
    if not again and not any(in_play):
        hint = "Cancel it instead." if session.state not in SESSION_FINAL else "Nothing it did can be undone."
        raise ConflictError(f"Session {session.id} has done nothing that an undo is known for.", hint=hint)
    said = noted("rollback_requested", by, "rolls it back", note)
    session = replace(session, state=_S.ROLLING_BACK, rollback_requested_at=now, reason=said)
    return changed(session, again, by=by, now=now, note=said)


def complete(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Declare a session done that failed, is paused or waits. What is pending is left out."""
    if session.state not in {_S.FAILED, _S.PAUSED, _S.WAITING_APPROVAL}:
        hint = "Only one that failed, is paused or waits for a person can be declared done."
        raise ConflictError(f"Session {session.id} is {session.state}.", hint=hint)
    running = [str(step.number) for step in steps if step.state is _T.RUNNING]
    if running:
        hint = "Wait for its end, or cancel the session."
        raise ConflictError(f"Step {', '.join(running)} is still running.", hint=hint)
    text = f"{by} declared the session done."
    rest = [left_out(step, "completed", text, now) for step in steps if step.state in OPEN]
    said = noted("completed", by, "declared it done", note)
    return changed(replace(session, state=_S.COMPLETED, reason=said), rest, by=by, now=now, note=said)


def abandon(session: Session, steps: Sequence[Step], *, by: str, note: str = "", now: datetime) -> SessionChange:
    """Give the session up as it is. What runs is neither stopped nor followed by it any more."""
    if _S.ABANDONED not in SESSION_ALLOWED[session.state]:
        raise ConflictError(f"Session {session.id} is {session.state}.", hint="There is nothing to give up.")
    running = [str(step.number) for step in steps if step.state is _T.RUNNING]
    did = f"gave it up while step {', '.join(running)} was running" if running else "gave it up"
    said = noted("abandoned", by, did, note)
    return changed(replace(session, state=_S.ABANDONED, reason=said), (), by=by, now=now, note=said)


def resolve(
    session: Session, steps: Sequence[Step], number: int, outcome: str, *, by: str, note: str = "", now: datetime
) -> SessionChange:
    """Say what became of a step nobody knew about: `succeeded`, `failed` or `not_run`. One that did not run begins
    again, if its session goes on."""
    ends = {
        "succeeded": (_T.SUCCEEDED, "resolved"),
        "failed": (_T.FAILED, "resolved"),
        "not_run": (_T.SKIPPED, NOT_RUN),
    }
    if outcome not in ends:
        raise InvalidInputError(f"{outcome!r} is no outcome.", hint=f"Say one of {', '.join(ends)}.")
    step = step_of(session, steps, number)
    if step.state is not _T.UNKNOWN:
        raise ConflictError(f"What became of step {number} is known: it is {step.state}.", hint="Read it again.")
    state, code = ends[outcome]
    said = noted("resolved", by, f"found out that step {number} is {outcome}", note)
    settled = replace(step, state=state, reason=Reason(code, said.text), finished_at=step.finished_at or now)
    others = any(other.state is _T.UNKNOWN for other in steps if other.number != number)
    held = session.state is _S.PAUSED and session.reason is not None and session.reason.code == UNKNOWN_STEP
    if held and not others:
        session = going_on(session)
    return changed(session, [settled], by=by, now=now, note=said)


def edit(
    session: Session,
    steps: Sequence[Step],
    number: int,
    *,
    work: Work | None = None,
    target_id: UUID | None = None,
    by: str,
    note: str = "",
    now: datetime,
) -> SessionChange:
    """Change what a step does, or where, before it begins. Whoever approved the step before did not approve this."""
    still_open(session)
    step = step_of(session, steps, number)
    if work is None and target_id is None:
        raise InvalidInputError("Nothing is to be changed.", hint="Give the step other work or another target.")
    if step.state not in OPEN:
        raise ConflictError(f"Step {number} is {step.state}.", hint="Only a step that has not begun can be changed.")
    said = noted("edited", by, f"changed step {number}", note)
    return changed(session, [rewritten(step, work, target_id)], by=by, now=now, note=said)


def rewritten(step: Step, work: Work | None, target_id: UUID | None) -> Step:
    """The step with other work or another target, not asked about yet."""
    return replace(step, state=_T.PENDING, asked_at=None, work=work or step.work, target_id=target_id or step.target_id)


def retry(
    session: Session,
    steps: Sequence[Step],
    number: int | None = None,
    *,
    lanes: Collection[int] | None = None,
    target_id: UUID | None = None,
    work: Work | None = None,
    onwards: bool = False,
    by: str,
    note: str = "",
    now: datetime,
) -> SessionChange:
    """Run a failed step again, and what was left out behind it. Without a number: in every lane that failed, was
    rolled back or never began because others failed, or in those of them that `lanes` names.

    `target_id` is where the step runs from now on; with `onwards`, everything behind it in its lane too.
    """
    if number is None and (work is not None or target_id is not None):
        raise InvalidInputError("Other work or another target is for one step.", hint="Name the step's number.")
    if number is not None and lanes is not None:
        raise InvalidInputError("Both a step and lanes are named.", hint="Name one step, or lanes.")
    _can_be_taken_up(session)
    again = _retried_lanes(session, steps, lanes) if number is None else _retried_step(session, steps, number)
    if number is not None:
        again = [rewritten(step, work, target_id) if step.number == number else step for step in again]
        if onwards and target_id is not None:
            again = _moved(steps, again, number, target_id)
    what = f"step {number}" if number is not None else f"lane {', '.join(sorted({str(s.lane) for s in again}))}"
    said = noted("retried", by, f"tries {what} again", note)
    return changed(_taken_up(session, again), again, by=by, now=now, note=said)


def _moved(steps: Sequence[Step], again: Sequence[Step], number: int, target_id: UUID) -> list[Step]:
    """The steps of the lane behind the numbered one, as far as they are still to come, at another target too."""
    after = {step.number: step for step in steps} | {step.number: step for step in again}
    lane = after[number].lane
    moved = {
        step.number: rewritten(step, None, target_id)
        for step in after.values()
        if step.lane == lane and step.number > number and step.state is _T.PENDING and step.kind is StepKind.RUN
    }
    return list(({step.number: step for step in again} | moved).values())


def _retried_lanes(session: Session, steps: Sequence[Step], lanes: Collection[int] | None) -> list[Step]:
    undo_only = _undo_only(session)
    ours = [lane for lane in lanes_of(steps) if lanes is None or lane.number in lanes]
    again = [step for lane in ours for step in restarted(lane, undo_only=undo_only)]
    if not again:
        hint = "Name the number of a step that failed."
        raise ConflictError(f"No lane of session {session.id} waits to be tried again.", hint=hint)
    return again


def _retried_step(session: Session, steps: Sequence[Step], number: int) -> list[Step]:
    step = step_of(session, steps, number)
    lane = next(lane for lane in lanes_of(steps) if lane.number == step.lane)
    if step.state is _T.UNKNOWN:
        raise ConflictError(f"Nobody knows what became of step {number}.", hint="Resolve it first.")
    if step.phase is not Phase.ROLLBACK and _undo_only(session):
        hint = "Only the steps of its rollback can be tried again."
        raise ConflictError(f"Session {session.id} is {session.state}.", hint=hint)
    again = () if lane.busy else restarted_from(lane, step)
    if number not in {other.number for other in again}:
        hint = "A step can be tried again once it failed and its lane stands still."
        raise ConflictError(f"Step {number} is {step.state}.", hint=hint)
    return list(again)


def skip(
    session: Session, steps: Sequence[Step], number: int, *, by: str, note: str = "", now: datetime
) -> SessionChange:
    """Leave a step out, or go on after it although it failed. One that ran stays known as one that ran."""
    _can_be_taken_up(session)
    step = step_of(session, steps, number)
    lane = next(lane for lane in lanes_of(steps) if lane.number == step.lane)
    hint = {_T.RUNNING: "Wait for its end, or cancel the session.", _T.UNKNOWN: "Resolve it first."}.get(step.state, "")
    gone_past = passed(step) or (lane.undoing and step.undoes is None)
    if hint or gone_past or (step.undoes is None and _undo_only(session)):
        text = f"Step {number} is {step.state}, and so is not left out."
        raise ConflictError(text, hint=hint or "Only a step that is still to be done, or stopped its lane, can be.")
    said = noted("skipped", by, f"goes on without step {number}", note)
    changes = [_without(step, said, now), *left_behind(lane, step)]
    session = _taken_up(session, changes) if session.state in SESSION_FINAL else session
    return changed(session, changes, by=by, now=now, note=said)


def _without(step: Step, said: Reason, now: datetime) -> Step:
    if step.state in OPEN:
        step = left_out(step, said.code, said.text, now)
    elif not did_run(step):
        step = replace(step, state=_T.SKIPPED, reason=said)
    return replace(step, on_fail=OnFail.CONTINUE, retries=min(step.retries, max(step.attempt - 1, 0)))


def _can_be_taken_up(session: Session) -> None:
    if session.state in {_S.COMPLETED, _S.ROLLED_BACK, _S.ABANDONED}:
        hint = "Start another session."
        raise ConflictError(f"Session {session.id} is over: it is {session.state}.", hint=hint)
    if session.state not in SESSION_FINAL and cancelling(session):
        raise ConflictError(f"Session {session.id} is being cancelled.", hint="Wait for its end, then retry.")


def _undo_only(session: Session) -> bool:
    return session.rollback_requested_at is not None or session.state is _S.ROLLBACK_FAILED


def _taken_up(session: Session, again: Sequence[Step]) -> Session:
    """A session that was over is under way again; an open one stays as it is."""
    if session.state not in SESSION_FINAL:
        return session
    back = any(step.phase is Phase.ROLLBACK and step.undoes is not None for step in again)
    state = _S.ROLLING_BACK if back else _S.IN_PROGRESS
    return replace(session, state=state, cancel_requested_at=None, reason=None)
