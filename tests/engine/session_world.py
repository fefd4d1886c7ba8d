"""A session in memory: what `decide` and people write is held to the tables of allowed moves, as the ledger does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from afield.engine.decide import Decision, decide
from afield.engine.observe import observe
from afield.model.execution import Execution, Reason
from afield.model.session import (
    SESSION_ALLOWED,
    STEP_ALLOWED,
    ApprovalRule,
    Session,
    SessionChange,
    SessionState,
    Step,
    StepState,
    Undo,
    Work,
)
from afield.model.states import ExecutionState, OutputState

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TENANT, TARGET = UUID(int=1), UUID(int=2)
ONE_YES = ApprovalRule(needed=1)
UNDO = Undo(work=Work(text="undo it"))


def session_of(**fields: object) -> Session:
    made = Session(
        id=7,
        key=UUID(int=77),
        tenant_id=TENANT,
        version=1,
        kind="runbook",
        title="Disk full",
        state=SessionState.PENDING,
        started_by="ann",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def step(number: int, state: StepState = StepState.PENDING, **fields: object) -> Step:
    """A step of lane 0. One that is past its beginning has had its first attempt."""
    begun = state not in {StepState.PENDING, StepState.WAITING_APPROVAL, StepState.SKIPPED}
    made = Step(
        number=number,
        name=f"s{number}",
        state=state,
        target_id=TARGET,
        work=Work(text=f"do {number}"),
        attempt=int(begun),
        execution_id=UUID(int=1000 + number) if begun else None,
        started_at=NOW if begun else None,
        asked_at=NOW if state is StepState.WAITING_APPROVAL else None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def execution_of(one: Step, state: ExecutionState = ExecutionState.SUCCEEDED, **fields: object) -> Execution:
    """The execution of a running step's attempt."""
    assert one.execution_id is not None
    made = Execution(
        id=one.execution_id,
        tenant_id=TENANT,
        target_id=TARGET,
        state=state,
        attempt=1,
        handle="h1",
        created_at=NOW,
        state_at=NOW + MINUTE,
        updated_at=NOW + MINUTE,
        finished_at=NOW + MINUTE,
        spec={},
        output_state=OutputState.STORED,
        output={"artifact": "a", "detail": {"exit_code": 0, "stdout": "all well\n", "stderr": ""}},
    )
    return replace(made, **fields)  # type: ignore[arg-type]


class World:
    """One session, its steps, and a clock. Refuses writes the ledger would refuse."""

    def __init__(self, session: Session, steps: Sequence[Step], now: datetime = NOW) -> None:
        self.session = session
        self.steps: dict[int, Step] = {one.number: one for one in steps}
        self.now = now
        self.begun: list[tuple[int, int]] = []  # number and attempt of every beginning
        self.last = Decision(None)

    def write(self, change: SessionChange) -> None:
        assert change.session.version == self.session.version
        if change.session.state is not self.session.state:
            assert change.session.state in SESSION_ALLOWED[self.session.state], (self.session, change.session)
        for new in change.steps:
            old = self.steps.get(new.number)
            assert old != new, "a step that did not change is written"
            if old is not None and old.state is not new.state:
                assert new.state in STEP_ALLOWED[old.state], (old, new)
            if new.state is StepState.RUNNING and (old is None or old.attempt != new.attempt):
                self.begun.append((new.number, new.attempt))
        self.steps.update({one.number: one for one in change.steps})
        self.session = replace(change.session, version=self.session.version + 1)

    def think(self) -> list[SessionChange]:
        """Decide and write until nothing more can be done now."""
        changes: list[SessionChange] = []
        for _ in range(10):
            self.last = decide(self.session, self.all(), self.now)
            if self.last.change is not None:
                changes.append(self.last.change)
                self.write(self.last.change)
            if self.last.wake_at != self.now:
                assert decide(self.session, self.all(), self.now) == replace(self.last, change=None)
                return changes
        raise AssertionError("it never comes to rest")

    def all(self) -> list[Step]:
        return [self.steps[number] for number in sorted(self.steps)]

    def ends(self, number: int, state: ExecutionState = ExecutionState.SUCCEEDED, **fields: object) -> None:
        """The step's execution ends; the session takes note, and goes on."""
        seen = observe(self.steps[number], execution_of(self.steps[number], state, **fields))
        assert seen is not None
        self.steps[number] = seen
        self.think()

    def fails(self, number: int, text: str = "exit code 1") -> None:
        self.ends(number, ExecutionState.FAILED, reason=Reason("exit_code", text))

    def says(self, change: SessionChange) -> None:
        """A person does something; the session goes on."""
        self.write(change)
        self.think()

    @property
    def state(self) -> SessionState:
        return self.session.state

    @property
    def states(self) -> str:
        """The steps' states in one line."""
        return " ".join(one.state for one in self.all())

    @property
    def reason(self) -> str:
        return self.session.reason.text if self.session.reason else ""


def world(*steps: Step, now: datetime = NOW, **session: object) -> World:
    """A session that has been thought about once."""
    made = World(session_of(**session), steps, now)
    made.think()
    return made


def lanes(count: int, *per_lane: Step) -> list[Step]:
    """The same steps in each of so many lanes, numbered through."""
    return [
        replace(one, lane=lane, number=lane * len(per_lane) + place)
        for lane in range(count)
        for place, one in enumerate(per_lane, 1)
    ]
