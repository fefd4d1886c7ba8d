"""Taking a lane up again: which of its steps are to be done once more. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from afield.engine.lanes import Ending, Lane
from afield.engine.steps import ERROR_BUDGET, asked_again, code_of
from afield.model.session import STEP_FAILED, Step, StepState

_BY_CONSEQUENCE = frozenset({"earlier_step_failed", ERROR_BUDGET, "rollback", "cancelled"})


def _left_out(step: Step) -> bool:
    """Whether it was left out because of something else, and not because a person wanted it so."""
    return step.state in {StepState.SKIPPED, StepState.CANCELLED} and code_of(step) in _BY_CONSEQUENCE


def left_behind(lane: Lane, step: Step) -> Iterator[Step]:
    """What was left out behind the step, pending again."""
    way = lane.undoing if step.undoes is not None else lane.steps
    for other in way:
        if other.number > step.number and _left_out(other):
            yield asked_again(other)


def _from(lane: Lane, step: Step) -> Sequence[Step]:
    return (asked_again(step), *left_behind(lane, step))


def _from_the_start(lane: Lane) -> Iterator[Step]:
    """A lane that was rolled back: what was undone or failed is done again. The rollback's steps stay as a record
    that names no step any more, so that a later rollback has steps of its own."""
    for step in lane.steps:
        if step.state in STEP_FAILED | {StepState.ROLLED_BACK} or _left_out(step):
            yield asked_again(step)
    for step in lane.undoing:
        yield replace(step, undoes=None)


def restarted(lane: Lane, *, undo_only: bool) -> Sequence[Step]:
    """What taking up a lane that failed, was rolled back or never began means for its steps; empty: it is none."""
    if lane.busy:
        return ()
    if lane.ending is Ending.UNDO_FAILED:
        first = next((step for step in lane.undoing if step.state in STEP_FAILED), None)
        return _from(lane, first) if first is not None else ()
    if undo_only or lane.ending is Ending.WELL:
        return ()
    if lane.ending is Ending.UNDONE:
        return tuple(_from_the_start(lane))
    first = lane.broken or next((step for step in lane.steps if _left_out(step)), None)
    return _from(lane, first) if first is not None else ()


def restarted_from(lane: Lane, step: Step) -> Sequence[Step]:
    """What taking up the lane at this step means; empty: it cannot be."""
    if step.undoes is None and lane.undoing:
        return tuple(_from_the_start(lane)) if lane.ending is Ending.UNDONE else ()
    skipped = step.state is StepState.SKIPPED and (step.undoes is not None or lane.broken is None)
    return _from(lane, step) if step.state in STEP_FAILED or skipped else ()
