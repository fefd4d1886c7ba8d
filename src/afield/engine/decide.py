"""What to do next for one session. Pure: the session, its steps and the time in; one change and the wishes out.

Every step makes at most one move in a call, so that each write holds only moves the ledger allows. Where that leaves
something undone (a failed step becomes pending before it begins again), `wake_at` is now: write, and ask again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from afield.engine.approving import approved, expires_at, verdict
from afield.engine.ending import called, cancelling, failed_lanes, reachable, standing
from afield.engine.lanes import Lane, lane_of, lanes_of
from afield.engine.rollback import undo_steps, undone
from afield.engine.steps import ERROR_BUDGET, OPEN, asked_again, given_up, ran_before, renewable
from afield.model.execution import Reason
from afield.model.session import SESSION_FINAL, Phase, Session, SessionChange, SessionState, Step, StepKind, StepState


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a session as it is."""

    change: SessionChange | None  # None: nothing to write
    cancel: tuple[UUID, ...] = ()  # executions to be asked to stop; asking again is harmless
    wake_at: datetime | None = None  # when to think again if nothing happens before; now: at once, after the write


def decide(session: Session, steps: Sequence[Step], now: datetime) -> Decision:
    """Everything that can be done now. Never raises. Asked again about its own result it says the same wishes and no
    change, unless it had said to think again at once."""
    stop = _to_stop(session, steps)
    if session.state in SESSION_FINAL or (session.state is SessionState.PAUSED and not cancelling(session)):
        return Decision(None, () if session.state in SESSION_FINAL else stop)
    thinking = _Thinking(session, steps, now)
    thinking.run()
    return thinking.decision(stop)


def execution_id(session: Session, number: int, attempt: int, now: datetime) -> UUID:
    """The id of a step's execution: a UUID version 7 (RFC 9562) of this time, whose other 74 bits follow from the
    session's random key, the step and the attempt. Nobody else can arrive at it."""
    name = f"{session.key}:{number}:{attempt}".encode()
    value = int.from_bytes(hashlib.sha256(name).digest()[:10], "big")
    value |= (int(now.timestamp() * 1000) & ((1 << 48) - 1)) << 80
    value = value & ~(0xF << 76) | (0x7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


def left_out(step: Step, code: str, text: str, now: datetime) -> Step:
    """An open step that does not begin any more. One that ran before is cancelled, so that it can still be undone."""
    state = StepState.CANCELLED if ran_before(step) else StepState.SKIPPED
    return replace(step, state=state, reason=Reason(code, text), finished_at=now)


def _to_stop(session: Session, steps: Sequence[Step]) -> tuple[UUID, ...]:
    if session.cancel_requested_at is None:
        return ()
    running = (step for step in steps if step.state is StepState.RUNNING and _cancel_covers(session, step))
    return tuple(step.execution_id for step in running if step.execution_id is not None)


def _cancel_covers(session: Session, step: Step) -> bool:
    """What goes forward always; what goes backward, unless the rollback was asked for since."""
    return step.phase is not Phase.ROLLBACK or session.rollback_requested_at is None


def _begun(session: Session, step: Step, now: datetime) -> Step:
    """A pending step as it begins: it runs, or a person is asked."""
    if step.kind is not StepKind.RUN or not approved(session, step, now):
        return replace(step, state=StepState.WAITING_APPROVAL, asked_at=now)
    attempt = step.attempt + 1
    return replace(
        step,
        state=StepState.RUNNING,
        attempt=attempt,
        execution_id=execution_id(session, step.number, attempt, now),
        started_at=now,
        finished_at=None,
        exit_code=None,
        stdout="",
        stderr="",
        reason=None,
        remote_id=None,
    )


def _answered(session: Session, step: Step, now: datetime) -> Step:
    """A waiting step after the answers that are there."""
    said = verdict(session, step, now)
    if said is None:
        return step
    state, reason = said
    if state is StepState.RUNNING:
        return _begun(session, step, now)
    return replace(step, state=state, reason=reason, finished_at=now)


Rule = Callable[[Session, Lane, datetime], Iterator[Step]]


def _take_answers(session: Session, lane: Lane, now: datetime) -> Iterator[Step]:
    for step in lane.steps + lane.undoing:
        if step.state is StepState.WAITING_APPROVAL:
            yield _answered(session, step, now)


def _mark_undone(_session: Session, lane: Lane, _now: datetime) -> Iterator[Step]:
    yield from undone(lane)


def _renew(session: Session, lane: Lane, _now: datetime) -> Iterator[Step]:
    """A failure with tries left is pending again; its reason stays until it begins."""
    forward = None if lane.undoing or session.rollback_requested_at else lane.head
    for step in (forward, lane.undo_head):
        if step is not None and renewable(step):
            yield asked_again(step)


def _leave_out_the_rest(_session: Session, lane: Lane, now: datetime) -> Iterator[Step]:
    """Behind a step that stopped the lane, or its rollback, nothing begins."""
    for way, head in ((lane.steps, lane.head), (lane.undoing, lane.undo_head)):
        if head is not None and given_up(head):
            for step in way:
                if step.state in OPEN:
                    yield left_out(step, "earlier_step_failed", f"Not begun, because {called(head)} failed.", now)


_RULES: tuple[Rule, ...] = (_take_answers, _mark_undone, _renew, _leave_out_the_rest)


class _Thinking:
    """The working state of one call of `decide`."""

    def __init__(self, session: Session, steps: Sequence[Step], now: datetime) -> None:
        self.session = session
        self.now = now
        self.before = {step.number: step for step in steps}
        self.steps = dict(self.before)
        self.lanes = {lane.number: lane for lane in lanes_of(steps)}
        self.again = False

    def put(self, step: Step) -> None:
        """Take the step over, unless it has made its move already."""
        was = self.before.get(step.number)
        if was is not None and self.steps[step.number].state is not was.state:
            self.again = True
            return
        self.steps[step.number] = step
        lane = self.lanes[step.lane]
        own = {other.number: other for other in lane.steps + lane.undoing} | {step.number: step}
        self.lanes[step.lane] = lane_of(own.values(), step.lane)

    def run(self) -> None:
        self.obey()
        if not cancelling(self.session):
            for number in self.lanes:
                self.settle(number)
            for number in self.lanes:
                self.turn_back(number)
            self.keep_budget()
            self.begin()
        self.again = self.again or any(_answered(self.session, s, self.now) != s for s in self.waiting())

    def waiting(self) -> list[Step]:
        """The steps a person has to decide about."""
        return [step for step in self.steps.values() if step.state is StepState.WAITING_APPROVAL]

    def obey(self) -> None:
        """A cancel, or a wish to roll back: what has not begun does not begin any more."""
        for step in list(self.steps.values()):
            if step.state not in OPEN:
                continue
            if self.session.cancel_requested_at is not None and _cancel_covers(self.session, step):
                reason = Reason("cancelled", "Cancelled before it began.")
                self.put(replace(step, state=StepState.CANCELLED, reason=reason, finished_at=self.now))
            elif self.session.rollback_requested_at is not None and step.phase is not Phase.ROLLBACK:
                self.put(left_out(step, "rollback", "Not begun, because the session is rolled back.", self.now))

    def settle(self, number: int) -> None:
        """What follows within one lane, before anything begins."""
        for rule in _RULES:
            for step in rule(self.session, self.lanes[number], self.now):
                self.put(step)

    def turn_back(self, number: int) -> None:
        """Record the steps that undo the lane, if it is to be rolled back and nobody has to be asked first."""
        lane = self.lanes[number]
        wanted = lane.wants_undo
        if self.session.rollback_requested_at is not None:
            wanted = not any(step.state is StepState.RUNNING and step.undoes is None for step in self.steps.values())
        if wanted and lane.unknown is None:
            for step in undo_steps(lane, max(self.steps) + 1):
                self.put(step)
            self.settle(number)

    def keep_budget(self) -> None:
        """Once too many lanes failed, those that have not begun are left out."""
        failed = failed_lanes(self.lanes.values())
        if failed <= self.session.error_budget:
            return
        text = f"Not begun, because {failed} lanes failed and {self.session.error_budget} may."
        for step in [step for lane in self.lanes.values() if lane.fresh for step in lane.steps]:
            if step.state in OPEN:
                self.put(left_out(step, ERROR_BUDGET, text, self.now))

    def begin(self) -> None:
        """Fill the places: lanes under way go on before others begin."""
        room = max(1, self.session.batch_size) - sum(lane.busy for lane in self.lanes.values())
        for lane in sorted(self.lanes.values(), key=lambda lane: (lane.fresh, lane.number)):
            step = lane.undo_head if lane.undoing else lane.head
            if lane.busy or step is None or step.state is not StepState.PENDING:
                continue
            if room <= 0:
                return
            room -= 1
            self.put(_begun(self.session, step, self.now))

    def decision(self, stop: tuple[UUID, ...]) -> Decision:
        aim, reason = standing(self.session, list(self.lanes.values()), again=self.again)
        state = reachable(self.session.state, aim)
        again = self.again or state is not aim
        wake_at = self.now if again else self.wake_at(state)
        final = state in SESSION_FINAL
        finished_at = (self.session.finished_at or self.now) if final else None
        session = replace(self.session, state=state, reason=reason, next_at=wake_at, finished_at=finished_at)
        steps = tuple(step for number, step in sorted(self.steps.items()) if self.before.get(number) != step)
        if session == self.session and not steps:
            return Decision(None, stop, wake_at)
        session = replace(session, updated_at=self.now)
        return Decision(SessionChange(session=session, steps=steps, at=self.now), stop, wake_at)

    def wake_at(self, state: SessionState) -> datetime | None:
        """When the first unanswered question expires."""
        if state in SESSION_FINAL or state is SessionState.PAUSED:
            return None
        return min(filter(None, map(expires_at, self.waiting())), default=None)
