"""A lane: the steps of one target in order, where it stands, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from afield.engine.steps import ERROR_BUDGET, OPEN, code_of, given_up, passed
from afield.model.session import OnFail, Phase, Step, StepState

_BUSY = frozenset({StepState.RUNNING, StepState.WAITING_APPROVAL, StepState.UNKNOWN})


def _head(steps: Sequence[Step]) -> Step | None:
    return next((step for step in steps if not passed(step)), None)


class Ending(StrEnum):
    """How a lane ended."""

    WELL = "well"
    ERRORS = "errors"  # it went through, and some steps failed
    FAILED = "failed"
    LEFT_OUT = "left_out"  # never begun, because too many others had failed
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


@dataclass(frozen=True, slots=True)
class Lane:
    """The steps of one lane, each part in the order in which it is gone through."""

    number: int
    steps: tuple[Step, ...]  # forward
    undoing: tuple[Step, ...] = ()  # backward; empty unless the lane is, or was, rolled back

    @property
    def head(self) -> Step | None:
        """The step at which it stands going forward; None: at its end."""
        return _head(self.steps)

    @property
    def undo_head(self) -> Step | None:
        """The step at which it stands going backward; None: at its end, or not going backward."""
        return _head(self.undoing)

    @property
    def broken(self) -> Step | None:
        """The step that failed for good and stopped the lane."""
        head = self.head
        return head if head is not None and given_up(head) else None

    @property
    def wants_undo(self) -> bool:
        """Whether the step that stopped it asks for a rollback. Before the first real step there is nothing to undo."""
        broken = self.broken
        return broken is not None and broken.on_fail is OnFail.ROLLBACK and broken.phase is not Phase.PRECHECK

    @property
    def unknown(self) -> Step | None:
        """The step nobody knows the outcome of."""
        return next((step for step in self.steps + self.undoing if step.state is StepState.UNKNOWN), None)

    @property
    def busy(self) -> bool:
        """Whether something runs, waits for a person, or is unknown."""
        return any(step.state in _BUSY for step in self.steps + self.undoing)

    @property
    def fresh(self) -> bool:
        """Whether nothing of it has begun."""
        untouched = OPEN - {StepState.WAITING_APPROVAL} | {StepState.SKIPPED}
        return not self.undoing and all(step.attempt == 0 and step.state in untouched for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether it counts against the error budget."""
        return bool(self.undoing) or self.broken is not None

    @property
    def ending(self) -> Ending:
        """How it ended, once nothing of it is open."""
        if self.undoing:
            return Ending.UNDONE if all(s.state is StepState.SUCCEEDED for s in self.undoing) else Ending.UNDO_FAILED
        if self.broken is not None:
            return Ending.FAILED
        if any(code_of(s) == ERROR_BUDGET for s in self.steps if s.state is StepState.SKIPPED):
            return Ending.LEFT_OUT
        return Ending.ERRORS if any(given_up(step) for step in self.steps) else Ending.WELL


def lane_of(steps: Iterable[Step], number: int) -> Lane:
    """The lane of this number. A rollback of an earlier round, which names no step any more, is history."""
    own = sorted((step for step in steps if step.lane == number), key=lambda step: step.number)
    forward = tuple(step for step in own if step.phase is not Phase.ROLLBACK)
    return Lane(number, forward, tuple(s for s in own if s.phase is Phase.ROLLBACK and s.undoes is not None))


def lanes_of(steps: Iterable[Step]) -> list[Lane]:
    """All lanes, by number."""
    grouped: dict[int, list[Step]] = {}
    for step in steps:
        grouped.setdefault(step.lane, []).append(step)
    return [lane_of(own, number) for number, own in sorted(grouped.items())]
