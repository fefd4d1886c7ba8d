"""Undoing a lane: which steps it takes, what follows from their ends, and what nothing can undo. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from afield.engine.lanes import Lane
from afield.engine.steps import did_run
from afield.model.execution import Reason
from afield.model.session import STEP_ALLOWED, Phase, Step, StepKind, StepState


def to_undo(lane: Lane) -> Iterator[Step]:
    """The steps that did something, can be undone, and are not being undone yet: the last one first."""
    taken_care_of = {step.undoes for step in lane.undoing}
    for step in reversed(lane.steps):
        if did_run(step) and step.undo is not None and step.number not in taken_care_of:
            yield step


def undo_steps(lane: Lane, first_number: int) -> tuple[Step, ...]:
    """The steps that undo the lane, numbered from `first_number`."""
    return tuple(_undo_step(step, number) for number, step in enumerate(to_undo(lane), first_number))


def _undo_step(step: Step, number: int) -> Step:
    assert step.undo is not None
    return Step(
        number=number,
        name=f"Undo: {step.name}",
        kind=StepKind.RUN,
        phase=Phase.ROLLBACK,
        lane=step.lane,
        target_id=step.target_id,
        work=step.undo.work,
        rule=step.undo.rule,
        on_fail=step.undo.on_fail,
        severity=step.severity,
        undoes=step.number,
    )


def undone(lane: Lane) -> Iterator[Step]:
    """Steps whose undoing succeeded, as rolled back. Why a step had failed stays with it."""
    done = {step.undoes: step for step in lane.undoing if step.state is StepState.SUCCEEDED}
    for step in lane.steps:
        if step.number in done and StepState.ROLLED_BACK in STEP_ALLOWED[step.state]:
            reason = Reason("rolled_back", f"Undone by step {done[step.number].number}.")
            yield replace(step, state=StepState.ROLLED_BACK, reason=step.reason or reason)


def left_as_is(lane: Lane) -> Iterator[Step]:
    """What was done in the lane and nothing undoes: steps without an undo, and what people did by hand.

    Checks are not named: they look, and leave nothing behind.
    """
    for step in lane.steps:
        by_hand = step.kind is StepKind.MANUAL and step.state is StepState.SUCCEEDED
        if step.phase is Phase.STEP and (by_hand or (did_run(step) and step.undo is None)):
            yield step
