"""Where a whole session stands, and the sentence that says why. Pure: its lanes in, a state and a reason out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from afield.engine.lanes import Ending, Lane
from afield.engine.rollback import left_as_is
from afield.engine.steps import OPEN, given_up
from afield.model.execution import Reason
from afield.model.session import SESSION_ALLOWED, STEP_FAILED, Session, SessionState, Step, StepState

UNKNOWN_STEP = "unknown_step"

_MOST_NAMED = 5  # more would not fit a sentence
_WENT_THROUGH = {Ending.WELL, Ending.ERRORS}
_FAILED = {Ending.FAILED, Ending.UNDONE, Ending.UNDO_FAILED}

Standing = tuple[SessionState, Reason | None]


def cancelling(session: Session) -> bool:
    """Whether a cancel is the last word. A rollback asked for after it, or with it, takes its place."""
    return session.cancel_requested_at is not None and session.rollback_requested_at is None


def called(step: Step) -> str:
    """How a sentence names a step."""
    return f"step {step.number} ({step.name}) of lane {step.lane}"


def failed_lanes(lanes: Iterable[Lane]) -> int:
    """How much of the error budget is used."""
    return sum(lane.failed for lane in lanes)


def standing(session: Session, lanes: Sequence[Lane], *, again: bool) -> Standing:
    """The state the lanes put the session in, and why. `again`: something more can be done at once."""
    steps = [step for lane in lanes for step in lane.steps + lane.undoing]
    states = {step.state for step in steps}
    if StepState.RUNNING in states or again:
        return _under_way(session, lanes), _request(session)
    if cancelling(session):
        return SessionState.CANCELLED, _cancelled(session, steps)
    if StepState.WAITING_APPROVAL in states:
        return SessionState.WAITING_APPROVAL, _waits(steps)
    if StepState.UNKNOWN in states:
        return SessionState.PAUSED, _unknown(steps)
    return _ended(session, lanes)


def reachable(now: SessionState, aim: SessionState) -> SessionState:
    """`aim`, or the state on the way to it where no arrow leads there directly."""
    if aim is now or aim in SESSION_ALLOWED[now]:
        return aim
    way = {SessionState.PENDING: SessionState.ROLLING_BACK, SessionState.ROLLING_BACK: SessionState.IN_PROGRESS}
    return way.get(now, now)


def _under_way(session: Session, lanes: Sequence[Lane]) -> SessionState:
    moving = OPEN | {StepState.RUNNING}
    forward = any(step.state in moving for lane in lanes if not lane.undoing for step in lane.steps)
    backward = session.rollback_requested_at is not None or any(lane.undoing for lane in lanes)
    return SessionState.ROLLING_BACK if backward and not forward else SessionState.IN_PROGRESS


def _request(session: Session) -> Reason | None:
    """What a person asked for stays readable while it is carried out."""
    if session.cancel_requested_at is None and session.rollback_requested_at is None:
        return None
    code = "cancelled" if cancelling(session) else "rollback_requested"
    kept = session.reason is not None and session.reason.code == code
    return session.reason if kept else Reason(code, "Somebody asked for it.")


def _cancelled(session: Session, steps: Iterable[Step]) -> Reason:
    asked = session.reason if session.reason and session.reason.code == "cancelled" else None
    text = asked.text if asked else "Cancelled on request."
    unknown = [step for step in steps if step.state is StepState.UNKNOWN]
    doubt = f" Nobody knows what became of {_named(unknown)}." if unknown else ""
    return Reason("cancelled", text + doubt)


def _waits(steps: Iterable[Step]) -> Reason:
    waiting = [step for step in steps if step.state is StepState.WAITING_APPROVAL]
    return Reason("waiting_approval", f"A person has to decide about {_named(waiting)}.")


def _unknown(steps: Iterable[Step]) -> Reason:
    unknown = [step for step in steps if step.state is StepState.UNKNOWN]
    return Reason(UNKNOWN_STEP, f"Nobody knows what became of {_named(unknown)}; a person has to find out and say so.")


def _ended(session: Session, lanes: Sequence[Lane]) -> Standing:
    endings = {lane.ending for lane in lanes}
    if Ending.UNDO_FAILED in endings:
        return SessionState.ROLLBACK_FAILED, _rollback_failed(lanes)
    if session.rollback_requested_at is not None:
        return SessionState.ROLLED_BACK, _rolled_back(lanes, "What was done is undone, as asked for.")
    if not endings - {Ending.WELL}:
        return SessionState.COMPLETED, None
    if not endings - _WENT_THROUGH:
        return SessionState.COMPLETED_WITH_ERRORS, Reason("step_failed", f"It went through, but {_why(lanes)}")
    return _ended_badly(session, lanes, endings)


def _ended_badly(session: Session, lanes: Sequence[Lane], endings: set[Ending]) -> Standing:
    if Ending.LEFT_OUT in endings:
        left_out = sum(lane.ending is Ending.LEFT_OUT for lane in lanes)
        text = f"{_count(lanes)}, more than the {session.error_budget} allowed; {left_out} never began: {_why(lanes)}"
        return SessionState.FAILED, Reason("error_budget", text)
    if endings == {Ending.UNDONE}:
        return SessionState.ROLLED_BACK, _rolled_back(lanes, f"What was done is undone, because {_why(lanes)}")
    within = failed_lanes(lanes) <= session.error_budget
    if endings & _WENT_THROUGH and within:
        text = f"{_count(lanes)}, the others went through: {_why(lanes)}"
        return SessionState.COMPLETED_WITH_ERRORS, Reason("step_failed", text + _left(lanes))
    return SessionState.FAILED, Reason("step_failed", _sentence(_why(lanes)) + _left(lanes))


def _count(lanes: Sequence[Lane]) -> str:
    return f"{sum(lane.ending in _FAILED for lane in lanes)} of {len(lanes)} lanes failed"


def _why(lanes: Sequence[Lane]) -> str:
    """Which step failed first, where, and what is known of it."""
    culprits = [culprit for lane in lanes if (culprit := _culprit(lane)) is not None]
    if not culprits:
        return "a step failed."
    step = culprits[0]
    said = step.reason.text.rstrip(".") if step.reason and step.reason.text else "no reason given"
    more = f" (and {len(culprits) - 1} more)" if len(culprits) > 1 else ""
    return f"{called(step)} failed: {said}{more}."


def _culprit(lane: Lane) -> Step | None:
    """The step that stopped the lane; after a rollback, the last one that something is held against."""
    if lane.broken is not None:
        return lane.broken
    if lane.undoing:
        undone = [s for s in lane.steps if s.state is StepState.ROLLED_BACK and s.reason]
        blamed = [s for s in undone if s.reason and s.reason.code not in {"rolled_back", "approved"}]
        return blamed[-1] if blamed else None
    return next((step for step in lane.steps if given_up(step)), None)


def _rollback_failed(lanes: Sequence[Lane]) -> Reason:
    undoing = [step for lane in lanes for step in lane.undoing if step.state is not StepState.SUCCEEDED]
    failed = [step for step in undoing if step.state in STEP_FAILED]
    text = f"Undoing failed at {_named(failed or undoing)}; a person has to look."
    return Reason("rollback_failed", text + _left(lanes))


def _rolled_back(lanes: Sequence[Lane], text: str) -> Reason:
    return Reason("rolled_back", text + _left(lanes, everywhere=True))


def _left(lanes: Sequence[Lane], *, everywhere: bool = False) -> str:
    left = [step for lane in lanes if everywhere or lane.undoing or lane.wants_undo for step in left_as_is(lane)]
    return f" Nothing undoes {_named(left)}: left as it is." if left else ""


def _named(steps: Sequence[Step]) -> str:
    names = ", ".join(called(step) for step in steps[:_MOST_NAMED])
    return names + (f" and {len(steps) - _MOST_NAMED} more" if len(steps) > _MOST_NAMED else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
