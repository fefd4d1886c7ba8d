"""Advancing one session: read what became of its executions, decide, write, and only then let new ones begin.

Nothing here needs to be alone. Two workers that think about one session at once read the same and decide the same; the
second write finds another version and thinks again. An execution is recorded under an id that was written down before,
so recording it twice is recording it once. Killed anywhere, the next thought goes on from what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from afield.clock import Clock
from afield.engine.decide import Decision, decide
from afield.engine.observe import observe
from afield.errors import AfieldError, InvalidInputError, NotFoundError
from afield.faultpoints import FaultPoint, reach
from afield.ledger.base import Created
from afield.model.execution import Execution, NewExecution, Reason
from afield.model.session import SESSION_FINAL, SESSION_KEY, STEP_KEY, Session, SessionChange, Step, StepKind, StepState

log = structlog.get_logger(__name__)

_MOST_ROUNDS = 1000


class SessionLedger(Protocol):
    """What advancing needs of the store of sessions."""

    async def session(self, session_id: int, tenant_id: UUID | None = None) -> Session: ...
    async def steps(self, session_id: int) -> list[Step]: ...
    async def write(self, change: SessionChange) -> Session | None: ...


class ExecutionLedger(Protocol):
    """What advancing needs of the ledger."""

    async def create(self, new: NewExecution) -> Created: ...
    async def executions_by_id(self, execution_ids: Sequence[UUID]) -> dict[UUID, Execution]: ...
    async def request_cancel(self, execution_id: UUID, actor: str, at: datetime) -> Execution: ...


class Nudge(Protocol):
    """Tells a target's driver that there is work."""

    def __call__(self, target_id: UUID) -> None: ...


@dataclass(frozen=True, slots=True)
class Advancer:
    """Advances sessions of one ledger."""

    sessions: SessionLedger
    ledger: ExecutionLedger
    nudge: Nudge
    clock: Clock

    async def advance(self, session_id: int) -> None:
        """Do all that can be done for a session now."""
        for _ in range(_MOST_ROUNDS):
            if not await self._once(session_id):
                return
        log.error("session.restless", session_id=session_id, rounds=_MOST_ROUNDS)

    async def _once(self, session_id: int) -> bool:
        """One thought; whether another may be worth while."""
        session = await self.sessions.session(session_id)
        if session.state in SESSION_FINAL:
            return False  # given up while a step ran: that is not followed, and nothing begins any more
        # The steps after the session: a write on steps older than the version it names could begin a step twice.
        steps = await self.sessions.steps(session_id)
        running = await self._executions(steps)
        now = self.clock.now()
        observed = observed_steps(steps, running)
        known = [observed.get(step.number, step) for step in steps]
        decision = decide(session, known, now)
        change = _together(session, observed, decision, now)
        if change is not None:
            reach(FaultPoint.SESSION_BEFORE_WRITE)
            if await self.sessions.write(change) is None:
                return True
            reach(FaultPoint.SESSION_AFTER_WRITE)
            log_steps(session, steps, change.steps)
        settled = {step.number: step for step in change.steps} if change else {}
        after = {step.number: step for step in known} | settled
        refused = await self._begin(session, list(after.values()), running)
        await self._stop(decision.cancel, running, now)
        again = change is not None and change.session.next_at is not None and change.session.next_at <= now
        return refused or again

    async def _executions(self, steps: Sequence[Step]) -> dict[UUID, Execution]:
        wanted = [step.execution_id for step in steps if step.state is StepState.RUNNING and step.execution_id]
        return await self.ledger.executions_by_id(wanted) if wanted else {}

    async def _begin(self, session: Session, steps: Sequence[Step], known: Mapping[UUID, Execution]) -> bool:
        """Record the execution of every running step that has none yet, together; whether one was refused."""
        running = (step for step in steps if step.state is StepState.RUNNING and step.kind is StepKind.RUN)
        missing = [step for step in running if step.execution_id not in known]
        answers = await asyncio.gather(*(self._record(session, step) for step in missing), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return not all(answers)

    async def _record(self, session: Session, step: Step) -> bool:
        assert step.execution_id is not None, "a step that runs has the id of its execution"
        assert step.target_id is not None, "a step of kind RUN has a target"
        try:
            await self.ledger.create(_execution(session, step))
        except (InvalidInputError, NotFoundError) as error:  # any other may be over soon, or may have been recorded
            await self._refuse(session.id, step, error)
            return False
        reach(FaultPoint.SESSION_AFTER_CREATE)
        self.nudge(step.target_id)
        return True

    async def _refuse(self, session_id: int, step: Step, error: AfieldError) -> None:
        """What can never be recorded has not begun: the step is refused, and people see why."""
        session = await self.sessions.session(session_id)
        steps = {one.number: one for one in await self.sessions.steps(session_id)}
        found = steps[step.number]
        if found.state is not StepState.RUNNING or found.execution_id != step.execution_id:
            return
        now = self.clock.now()
        reason = Reason(error.code, str(error))
        rejected = replace(found, state=StepState.REJECTED, reason=reason, finished_at=now)
        await self.sessions.write(SessionChange(session=replace(session, next_at=now), steps=(rejected,), at=now))

    async def _stop(self, wanted: Sequence[UUID], known: Mapping[UUID, Execution], now: datetime) -> None:
        for execution_id in wanted:
            execution = known.get(execution_id)  # None: recorded a moment ago, or refused
            if execution is not None and (execution.cancel_requested_at is not None or execution.complete):
                continue
            with suppress(NotFoundError):
                asked = await self.ledger.request_cancel(execution_id, "session", now)
                self.nudge(asked.target_id)


def observed_steps(steps: Sequence[Step], executions: Mapping[UUID, Execution]) -> dict[int, Step]:
    """The steps about which their executions tell something new, by number. Pure."""
    found: dict[int, Step] = {}
    for step in steps:
        execution = executions.get(step.execution_id) if step.execution_id else None
        seen = observe(step, execution) if execution is not None else None
        if seen is not None:
            found[step.number] = seen
    return found


def _together(
    session: Session, observed: Mapping[int, Step], decision: Decision, now: datetime
) -> SessionChange | None:  # fmt: skip
    """One write of what was seen and what was decided. A step that was seen to end makes no second move in it: the
    ledger checks each move by itself."""
    if decision.change is None:
        if not observed and session.next_at == decision.wake_at:
            return None
        return SessionChange(session=replace(session, next_at=decision.wake_at), steps=tuple(observed.values()), at=now)
    decided = {step.number: step for step in decision.change.steps}
    twice = [number for number, step in decided.items() if number in observed and step.state != observed[number].state]
    if twice:
        return SessionChange(session=replace(session, next_at=now), steps=tuple(observed.values()), at=now)
    return replace(decision.change, steps=tuple((dict(observed) | decided).values()))


def _execution(session: Session, step: Step) -> NewExecution:
    assert step.execution_id is not None
    assert step.target_id is not None
    return NewExecution(
        id=step.execution_id,
        tenant_id=session.tenant_id,
        target_id=step.target_id,
        spec=step.work.spec,
        labels={SESSION_KEY: str(session.id), STEP_KEY: str(step.number)},
        timeout_s=step.work.timeout_s,
    )


def log_steps(session: Session, before: Sequence[Step], after: Sequence[Step]) -> None:
    """One line for every step that moved, under the marker that operators search for."""
    was = {step.number: step.state for step in before}
    for step in after:
        if was.get(step.number) is not step.state:
            log.info(
                "[EXECUTE_STEP]",
                session_id=session.id,
                step=step.number,
                name=step.name,
                lane=step.lane,
                attempt=step.attempt,
                state=step.state.value,
                target_id=str(step.target_id) if step.target_id else None,
                execution_id=str(step.execution_id) if step.execution_id else None,
                exit_code=step.exit_code,
                reason=step.reason.code if step.reason else None,
            )
