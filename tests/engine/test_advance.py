"""Advancing sessions: written first, begun once, told to stop; and a worker that thinks when something happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from session_world import NOW, World, execution_of, session_of, step

from afield.clock import SystemClock
from afield.engine import control
from afield.engine.advance import Advancer
from afield.engine.session_worker import SessionWorker
from afield.errors import InvalidInputError, NotFoundError, UnavailableError
from afield.ledger.base import Created
from afield.model.execution import Execution, NewExecution
from afield.model.session import Session, SessionChange, SessionState, Step, StepState
from afield.model.states import ExecutionState, OutputState

S, T = SessionState, StepState


class Clock(SystemClock):
    def now(self) -> datetime:
        return NOW


class Ledger:
    """A session and its executions in memory, and everything that was done to them, in order."""

    def __init__(self, *steps: Step, **fields: object) -> None:
        self.world = World(session_of(**fields), steps)
        self.rows: dict[UUID, Execution] = {}
        self.done: list[str] = []
        self.errors: list[Exception] = []  # for the next recordings
        self.between: Callable[[], None] = lambda: None  # what others do while a thought reads

    async def session(self, session_id: int, tenant_id: UUID | None = None) -> Session:
        if session_id != self.world.session.id:
            raise NotFoundError("There is none.")
        return self.world.session

    async def steps(self, session_id: int) -> list[Step]:
        between, self.between = self.between, lambda: None
        between()
        return self.world.all()

    async def write(self, change: SessionChange) -> Session | None:
        if change.session.version != self.world.session.version:
            return None
        self.world.write(change)
        self.done.append("write")
        return self.world.session

    async def create(self, new: NewExecution) -> Created:
        if self.errors:
            raise self.errors.pop()
        assert new.id in {one.execution_id for one in self.world.all()}, "recorded before it was written down"
        self.done.append("create")
        row = execution_of(
            step(1, execution_id=new.id), ExecutionState.QUEUED, output_state=OutputState.NONE, output=None
        )
        return Created(self.rows.setdefault(new.id, replace(row, handle=None, finished_at=None)), replayed=False)

    async def executions_by_id(self, execution_ids: Sequence[UUID]) -> dict[UUID, Execution]:
        return {one: self.rows[one] for one in execution_ids if one in self.rows}

    async def request_cancel(self, execution_id: UUID, actor: str, at: datetime) -> Execution:
        self.done.append("cancel")
        self.rows[execution_id] = replace(self.rows[execution_id], cancel_requested_at=at)
        return self.rows[execution_id]

    def states(self) -> list[StepState]:
        return [one.state for one in self.world.all()]

    async def advance(self) -> None:
        await Advancer(self, self, lambda target_id: None, Clock()).advance(self.world.session.id)


async def test_a_step_is_written_before_its_execution_is_recorded() -> None:
    ledger = Ledger(step(1), step(2))
    await ledger.advance()
    assert (ledger.done, ledger.states()) == (["write", "create"], [T.RUNNING, T.PENDING])
    await ledger.advance()
    assert ledger.done == ["write", "create"], "nothing new, nothing done"


async def test_steps_older_than_the_version_begin_nothing() -> None:
    ledger = Ledger(step(1), step(2))
    other = Advancer(ledger, ledger, lambda target_id: None, Clock())
    loop = asyncio.get_running_loop()
    raced: list[asyncio.Task[None]] = []
    ledger.between = lambda: raced.append(loop.create_task(other.advance(7)))
    await ledger.advance()
    await raced[0]
    assert ledger.world.begun == [(1, 1)]
    assert len(ledger.rows) == 1


async def test_another_writer_makes_a_thought_start_over() -> None:
    ledger = Ledger(step(1))
    session = ledger.world.session
    ledger.between = lambda: ledger.world.write(control.pause(session, ledger.world.all(), by="ann", now=NOW))
    await ledger.advance()
    assert (ledger.world.session.state, ledger.states(), ledger.rows) == (S.PAUSED, [T.PENDING], {})


async def test_what_was_given_up_before_it_was_recorded_is_not_begun() -> None:
    ledger = Ledger(step(1, T.RUNNING), state=S.ABANDONED)
    await ledger.advance()
    assert ledger.done == []


async def test_a_cancel_reaches_what_is_recorded_in_the_same_thought() -> None:
    ledger = Ledger(step(1, T.RUNNING), step(2), state=S.IN_PROGRESS, cancel_requested_at=NOW)
    await ledger.advance()
    assert ledger.done[-2:] == ["create", "cancel"]
    asked = ledger.done.count("cancel")
    await ledger.advance()
    assert ledger.done.count("cancel") == asked == 1


async def test_a_database_that_is_away_refuses_no_step() -> None:
    ledger = Ledger(step(1))
    ledger.errors = [UnavailableError("The database does not answer.")]
    with pytest.raises(UnavailableError):
        await ledger.advance()
    assert ledger.states() == [T.RUNNING]
    await ledger.advance()
    assert list(ledger.rows) == [ledger.world.all()[0].execution_id]


async def test_what_can_never_be_recorded_is_refused_and_says_why() -> None:
    ledger = Ledger(step(1))
    ledger.errors = [InvalidInputError("It is too long.")]
    await ledger.advance()
    [refused] = ledger.world.all()
    assert (refused.state, refused.reason and refused.reason.text) == (T.REJECTED, "It is too long.")
    assert ledger.world.session.state is S.FAILED


async def test_lanes_are_recorded_together_and_one_refusal_stays_its_own() -> None:
    ledger = Ledger(*(step(n, lane=n) for n in range(1, 5)), batch_size=4, error_budget=4)
    ledger.errors = [InvalidInputError("Not this one.")]
    await ledger.advance()
    assert sorted(ledger.states()) == sorted([T.REJECTED] + [T.RUNNING] * 3)
    assert len(ledger.rows) == 3


# A worker's thoughts.


class Thoughts:
    """What a `SessionWorker` does with its sessions; each thought waits until it is let go."""

    def __init__(self, *due: int) -> None:
        self.due_now = list(due)
        self.thought: list[int] = []
        self.news = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.hear: Callable[[int | None], None] = lambda session_id: None
        self.errors: dict[int, Exception] = {}
        self.stop = asyncio.Event()
        self.swept = 0
        self.worker = SessionWorker(self, self.due, self.listening)  # type: ignore[arg-type]

    async def advance(self, session_id: int) -> None:
        self.thought.append(session_id)
        self.news.set()
        await self.go.wait()
        if session_id in self.errors:
            raise self.errors.pop(session_id)

    async def due(self) -> list[int]:
        self.swept += 1
        if self.swept == 1 and not self.due_now:
            raise OSError("away")
        return self.due_now

    @contextmanager
    def listening(self, hear: Callable[[int | None], None]) -> Iterator[None]:
        self.hear = hear
        yield

    async def until(self, *thought: int) -> None:
        while sorted(self.thought) != sorted(thought):
            self.news.clear()
            await self.news.wait()

    def running(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.worker.run(self.stop, 3600))


async def test_what_is_due_and_what_is_heard_of_is_thought_about() -> None:
    thoughts = Thoughts(1, 2)
    running = thoughts.running()
    await thoughts.until(1, 2)
    thoughts.hear(3)
    await thoughts.until(1, 2, 3)
    thoughts.stop.set()
    await running


async def test_after_a_gap_everything_due_is_looked_for_at_once() -> None:
    thoughts = Thoughts()  # the first sweep fails
    running = thoughts.running()
    while not thoughts.swept:
        await asyncio.sleep(0)
    thoughts.due_now = [5]
    thoughts.hear(None)
    await thoughts.until(5)
    thoughts.stop.set()
    await running


async def test_news_during_a_thought_leads_to_one_more() -> None:
    thoughts = Thoughts(1)
    thoughts.go.clear()
    running = thoughts.running()
    await thoughts.until(1)
    for _ in range(5):
        thoughts.hear(1)
    thoughts.go.set()
    await thoughts.until(1, 1)
    thoughts.stop.set()
    await running
    assert thoughts.thought == [1, 1]


async def test_a_session_that_cannot_be_thought_about_keeps_no_other_from_it() -> None:
    thoughts = Thoughts(1, 2, 3)
    thoughts.errors = {1: RuntimeError("odd"), 2: NotFoundError("gone")}
    running = thoughts.running()
    await thoughts.until(1, 2, 3)
    thoughts.hear(1)
    await thoughts.until(1, 1, 2, 3)
    thoughts.stop.set()
    await running


async def test_a_thought_that_does_not_end_is_cut_off_when_the_worker_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afield.engine.session_worker._GRACE", 0.01)
    thoughts = Thoughts(1)
    thoughts.go.clear()
    running = thoughts.running()
    await thoughts.until(1)
    thoughts.hear(1)
    thoughts.stop.set()
    await running
    thoughts.hear(2)
    assert thoughts.thought == [1]
