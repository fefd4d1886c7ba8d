"""Sessions through a worker, at in-process remotes: steps run once, in order, and people's words count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from kernel_world import settings_for, working

from afield.clock import SystemClock
from afield.engine import control
from afield.errors import ConflictError, IdempotencyError, InvalidInputError, NotFoundError
from afield.kernel import Kernel, Order, open_kernel
from afield.ledger.base import EventFilter
from afield.ledger.sessions import SessionFilter
from afield.model.execution import EventKind
from afield.model.session import (
    SESSION_FINAL,
    ApprovalRule,
    NewSession,
    NewStep,
    OnFail,
    Session,
    SessionState,
    Step,
    StepKind,
    StepState,
    Undo,
    Work,
)
from afield.model.target import DEFAULT_TENANT
from afield.sessions import SessionDesk
from afield.testing.connector import MemoryConnector, register_memory
from afield.testing.remote import MemoryRemote

register_memory()

S, T = SessionState, StepState
FAST = {"min_interval": 0.05, "max_interval": 0.2, "visibility_delay": 0, "max_visibility_delay": 0.5}


@dataclass
class Bench:
    """A kernel, a remote, and a target there."""

    kernel: Kernel
    desk: SessionDesk
    remote: MemoryRemote
    target: UUID
    others: list[MemoryRemote] = field(default_factory=list)

    def step(self, name: str, **changes: object) -> NewStep:
        spec = {"seconds": 0.0, "prints": name} | changes.pop("spec", {})  # type: ignore[operator]
        made = NewStep(name=name, target_id=self.target, work=Work(spec=spec, text=name))
        return replace(made, **changes)  # type: ignore[arg-type]

    async def start(self, *steps: NewStep, **changes: object) -> int:
        new = NewSession(tenant_id=DEFAULT_TENANT, kind="test", title="t", started_by="ada", steps=steps)
        session, _ = await self.desk.create(replace(new, **changes))  # type: ignore[arg-type]
        return session.id

    async def until(self, session_id: int, good: Callable[[Session, Sequence[Step]], bool]) -> list[Step]:
        """Wait, along the events, until it is so."""
        after = 0
        while True:
            session, steps = await self.desk.get(session_id)
            if good(session, steps):
                return steps
            wanted = EventFilter(tenant_id=DEFAULT_TENANT)
            async for event in self.kernel.ledger.follow(wanted, after=after):
                after = event.seq
                break

    async def ended(self, session_id: int) -> tuple[Session, list[Step]]:
        await self.until(session_id, lambda session, _: session.state in SESSION_FINAL)
        return await self.desk.get(session_id)

    def ran(self) -> list[str]:
        """What really ran at the remote, in order."""
        return [str(one.body["prints"]) for one in self.remote.executions.values()]


@pytest.fixture
async def bench(tmp_path: Path, database_url: str) -> AsyncIterator[Bench]:
    async with _bench(tmp_path, database_url) as made:
        yield made


@asynccontextmanager
async def _bench(tmp_path: Path, database_url: str) -> AsyncIterator[Bench]:
    settings = settings_for(tmp_path / "home", database_url)
    remote = MemoryRemote(name=f"remote-{uuid4()}", clock=SystemClock(), waits=timedelta(0))
    async with open_kernel(settings) as kernel:
        target = await kernel.add_target(
            connector=MemoryConnector.name, name="north", address={"remote": remote.name}, settings=FAST
        )
        async with working(settings):
            yield Bench(kernel, SessionDesk(kernel, DEFAULT_TENANT), remote, target.id)


async def test_steps_run_one_after_the_other_and_once(bench: Bench) -> None:
    number = await bench.start(*(bench.step(name) for name in "abc"))
    session, steps = await bench.ended(number)
    assert (session.state, [step.state for step in steps]) == (S.COMPLETED, [T.SUCCEEDED] * 3)
    assert bench.ran() == ["a", "b", "c"]
    assert all(step.started_at and step.finished_at and step.remote_id for step in steps)


async def test_what_ran_is_undone_in_reverse(bench: Bench) -> None:
    def undo(name: str) -> Undo:
        return Undo(work=Work(spec={"seconds": 0.0, "prints": f"undo {name}"}))

    number = await bench.start(
        bench.step("a", undo=undo("a")),
        bench.step("b", undo=undo("b")),
        bench.step("c", undo=undo("c"), spec={"fails": True}, on_fail=OnFail.ROLLBACK),
        bench.step("d", undo=undo("d")),
    )
    session, steps = await bench.ended(number)
    assert session.state is S.ROLLED_BACK
    assert bench.ran() == ["a", "b", "c", "undo c", "undo b", "undo a"]
    assert [step.state for step in steps[:4]] == [T.ROLLED_BACK] * 3 + [T.SKIPPED]


async def test_a_step_waits_for_another_person(bench: Bench) -> None:
    rule = ApprovalRule(needed=1, other_than_starter=True)
    number = await bench.start(bench.step("a", rule=rule), bench.step("b"))
    (waiting, _) = await bench.until(number, lambda _, steps: steps[0].state is T.WAITING_APPROVAL)
    assert [(session.id, step.number) for session, step in await bench.desk.waiting()] == [(number, 1)]
    assert bench.ran() == []

    def approve(by: str) -> Callable[[Session, Sequence[Step]], object]:
        now = bench.kernel.clock.now()
        return lambda session, steps: control.approve(
            session, steps, 1, True, digest=waiting.digest, by=by, now=now
        )  # fmt: skip

    with pytest.raises(ConflictError):
        await bench.desk.control(number, approve("ada"))  # type: ignore[arg-type]
    await bench.desk.control(number, approve("grace"))  # type: ignore[arg-type]
    session, steps = await bench.ended(number)
    assert (session.state, steps[0].approvals[0].by) == (S.COMPLETED, "grace")
    assert await bench.desk.waiting() == []


async def test_a_cancel_stops_what_runs_and_begins_nothing(bench: Bench) -> None:
    number = await bench.start(bench.step("a", spec={"seconds": 3600.0}), bench.step("b"))
    await bench.until(number, lambda _, steps: steps[0].remote_id is not None)
    now = bench.kernel.clock.now()
    await bench.desk.control(number, lambda session, steps: control.cancel(session, steps, by="ada", now=now))
    session, steps = await bench.ended(number)
    assert (session.state, [step.state for step in steps]) == (S.CANCELLED, [T.CANCELLED] * 2)
    assert bench.ran() == ["a"]
    assert [one.word(bench.remote.clock.now()) for one in bench.remote.executions.values()] == ["STOPPED"]


async def test_a_manual_step_and_lanes(bench: Bench) -> None:
    lanes = [bench.step(f"{name}{lane}", lane=lane) for lane in range(4) for name in "xy"]
    number = await bench.start(*lanes, batch_size=2)
    session, _ = await bench.ended(number)
    assert session.state is S.COMPLETED
    for lane in range(4):
        assert bench.ran().index(f"x{lane}") < bench.ran().index(f"y{lane}")
    by_hand = await bench.start(bench.step("look", kind=StepKind.MANUAL, target_id=None))
    await bench.until(by_hand, lambda session, _: session.state is S.WAITING_APPROVAL)
    now = bench.kernel.clock.now()
    await bench.desk.control(by_hand, lambda s, steps: control.approve(s, steps, 1, True, by="ada", now=now))
    assert (await bench.ended(by_hand))[0].state is S.COMPLETED


async def test_history_tells_every_move(bench: Bench) -> None:
    number = await bench.start(bench.step("a"), bench.step("b", spec={"fails": True}))
    session, steps = await bench.ended(number)
    events = await bench.kernel.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, session_id=number))
    state: dict[object, object] = {}
    for event in events:
        key = event.data["number"] if event.kind is EventKind.STEP else "session"
        assert event.data.get("from") == state.get(key) or key not in state
        state[key] = event.data["to"]
    assert state == {"session": session.state.value} | {step.number: step.state.value for step in steps}
    assert [event.seq for event in events] == sorted(event.seq for event in events)


async def test_two_workers_do_nothing_twice(tmp_path: Path, database_url: str) -> None:
    async with _bench(tmp_path, database_url) as bench, working(settings_for(tmp_path / "home", database_url)):
        numbers = [await bench.start(*(bench.step(f"{n}-{name}") for name in "abc")) for n in range(5)]
        for number in numbers:
            assert (await bench.ended(number))[0].state is S.COMPLETED
        assert sorted(bench.ran()) == sorted(f"{n}-{name}" for n in range(5) for name in "abc")


async def test_what_cannot_be_is_refused_before_anything_is_recorded(bench: Bench) -> None:
    with pytest.raises(InvalidInputError, match="'a'"):
        await bench.start(bench.step("a", spec={"seconds": "many"}))
    with pytest.raises(NotFoundError, match="'a'"):
        await bench.start(bench.step("a", target_id=uuid4()))
    with pytest.raises(InvalidInputError):
        await bench.start()
    assert await bench.desk.latest(SessionFilter(tenant_id=DEFAULT_TENANT)) == []


async def test_the_same_key_is_the_same_session(bench: Bench) -> None:
    first = await bench.start(bench.step("a"), idempotency_key="k")
    assert await bench.start(bench.step("a"), idempotency_key="k") == first
    with pytest.raises(IdempotencyError):
        await bench.start(bench.step("b"), idempotency_key="k")
    await bench.ended(first)
    assert bench.ran() == ["a"]


async def test_an_ended_session_can_be_put_away(bench: Bench) -> None:
    wanted = SessionFilter(tenant_id=DEFAULT_TENANT)
    number = await bench.start(bench.step("a", kind=StepKind.MANUAL, target_id=None))
    with pytest.raises(InvalidInputError):
        await bench.desk.archive(number)
    now = bench.kernel.clock.now()
    await bench.desk.control(number, lambda s, steps: control.abandon(s, steps, by="ada", now=now))
    await bench.desk.archive(number)
    assert await bench.desk.latest(wanted) == []
    assert [one.id for one in await bench.desk.latest(replace(wanted, archived=True))] == [number]


async def test_labels_of_our_own_cannot_be_given(bench: Bench) -> None:
    with pytest.raises(InvalidInputError):
        await bench.kernel.submit(Order(target="north", spec={}, labels={"afield.session": "1"}))
