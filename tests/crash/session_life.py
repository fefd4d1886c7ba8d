"""Sessions on a crash test's world: how they are started, how their end is waited for, and what really ran of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

from crash_world import SPEC, World
from session_victim import TAKEOVER_AFTER

from afield.engine.worker import WorkerSettings
from afield.kernel import open_worker
from afield.ledger.base import EventFilter
from afield.model.execution import Event
from afield.model.ids import parse_attempt_key
from afield.model.session import SESSION_FINAL, NewSession, NewStep, OnFail, Session, Step, StepState, Undo, Work
from afield.model.target import DEFAULT_TENANT, Target
from afield.sessions import SessionDesk

_WORK = Work(spec=SPEC)
_ENDED = frozenset(state.value for state in SESSION_FINAL)


def desk(world: World) -> SessionDesk:
    """Where a person starts sessions."""
    return SessionDesk(world.kernel, DEFAULT_TENANT)


async def begun(world: World, *steps: NewStep, batch_size: int = 1) -> int:
    """The number of a new session."""
    new = NewSession(
        tenant_id=DEFAULT_TENANT, kind="crash", title="t", started_by="ada", steps=steps, batch_size=batch_size
    )
    return (await desk(world).create(new))[0].id


def plain(target: Target, count: int, lane: int = 0) -> list[NewStep]:
    """Steps that follow each other."""
    return [NewStep(name=f"{lane}-{n}", target_id=target.id, lane=lane, work=_WORK) for n in range(count)]


def undoable(target: Target, count: int) -> list[NewStep]:
    """Steps with an undo each, of which the last one fails, so that all are undone."""
    undo = Undo(work=_WORK)
    made = [NewStep(name=f"{n}", target_id=target.id, work=_WORK, undo=undo) for n in range(count - 1)]
    failing = NewStep(
        name="fails", target_id=target.id, work=_WORK, undo=undo, expected_output="never", on_fail=OnFail.ROLLBACK
    )
    return [*made, failing]


@asynccontextmanager
async def heir(world: World) -> AsyncIterator[None]:
    """A worker of the test's own process, which takes over what the dead one left."""
    how = WorkerSettings(name=f"heir-{uuid4()}", takeover_after=TAKEOVER_AFTER)
    async with open_worker(world.kernel, how) as worker:
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await working


async def until(world: World, wanted: Callable[[Event], bool], session_id: int | None = None) -> None:
    """Wait until the feed has told such an event."""
    events = world.kernel.ledger.follow(EventFilter(tenant_id=DEFAULT_TENANT, session_id=session_id), after=0)
    async with aclosing(cast("Any", events)) as following:
        async for event in following:
            if wanted(event):
                return


async def step_ended(world: World, session_id: int, number: int) -> None:
    """Wait until this step has succeeded."""
    await until(world, lambda e: (e.data.get("number"), e.data.get("to")) == (number, StepState.SUCCEEDED), session_id)


async def ended(world: World, session_id: int) -> tuple[Session, Sequence[Step]]:
    """Wait for the session's end."""
    await until(world, lambda e: "number" not in e.data and e.data.get("to") in _ENDED, session_id)
    return await desk(world).get(session_id)


async def ran(world: World) -> list[UUID]:
    """What really ran at the simulator, in the order of arrival: the execution of each."""
    keys = [parse_attempt_key(one["workflow_id"]) for one in await world.sim.admin.executions()]
    assert None not in keys, "something ran that nobody meant to run"
    return [key[0] for key in keys if key is not None]


def in_order(steps: Sequence[Step]) -> list[UUID]:
    """What should have run: the execution of each step that has one, in the steps' order."""
    return [step.execution_id for step in steps if step.execution_id is not None]
