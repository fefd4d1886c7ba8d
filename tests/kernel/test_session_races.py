"""Several advance one session at once and die while they do; and a cancel after a death lets nothing begin any more."""

from __future__ import annotations

import asyncio
import random
from typing import NoReturn

import pytest
from kernel_world import World, working

from afield.engine import control
from afield.engine.advance import Advancer
from afield.faultpoints import FaultPoint, armed
from afield.ledger.base import ExecutionFilter
from afield.ledger.sessions import Sessions
from afield.model.execution import Execution, Move
from afield.model.session import (
    SESSION_FINAL,
    SESSION_KEY,
    STEP_KEY,
    NewSession,
    NewStep,
    Session,
    SessionState,
    Step,
    StepState,
    Work,
)
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from afield.sessions import SessionDesk

POINTS = (FaultPoint.SESSION_BEFORE_WRITE, FaultPoint.SESSION_AFTER_WRITE, FaultPoint.SESSION_AFTER_CREATE)
TO_THE_END = (ExecutionState.SUBMITTING, ExecutionState.SUBMITTED, ExecutionState.SUCCEEDED)


class DiedError(Exception):
    """What a process that is killed would not even notice."""


def die() -> NoReturn:
    raise DiedError


async def start(world: World, *, lanes: int = 1, steps: int = 1) -> int:
    target = await world.target()
    planned = tuple(
        NewStep(name=f"{n}", lane=lane, target_id=target.id, work=Work(spec={"seconds": 0, "prints": "x"}))
        for lane in range(lanes)
        for n in range(steps)
    )
    new = NewSession(
        tenant_id=DEFAULT_TENANT, kind="test", title="t", started_by="ada", steps=planned, batch_size=lanes
    )
    return (await SessionDesk(world.kernel, DEFAULT_TENANT).create(new))[0].id


def advancer(world: World) -> Advancer:
    kernel = world.kernel
    return Advancer(Sessions(kernel.ledger.database), kernel.ledger, lambda _: None, kernel.clock)


async def executions(world: World, number: int) -> list[Execution]:
    wanted = ExecutionFilter(tenant_id=DEFAULT_TENANT, labels={SESSION_KEY: str(number)})
    return list((await world.kernel.ledger.executions(wanted, limit=1000)).items)


async def succeed(world: World, row: Execution) -> None:
    state = row.state
    for after in TO_THE_END:
        move = Move(execution_id=row.id, expect=state, to=after, attempt=1, at=world.clock.now())
        assert (await world.kernel.ledger.apply(move)).ok
        state = after


@pytest.mark.parametrize("seed", range(4))
async def test_no_step_begins_twice_however_many_advance_it_and_die(world: World, seed: int) -> None:
    rng = random.Random(seed)
    number = await start(world, lanes=3, steps=4)
    desk = SessionDesk(world.kernel, DEFAULT_TENANT)
    deaths = 0
    while (await desk.get(number))[0].state not in SESSION_FINAL:
        with armed(rng.choice(POINTS), die, count=rng.randint(1, 4)):
            ends = await asyncio.gather(*(advancer(world).advance(number) for _ in range(4)), return_exceptions=True)
        deaths += sum(isinstance(end, DiedError) for end in ends)
        assert all(end is None or isinstance(end, DiedError) for end in ends), ends
        for row in await executions(world, number):
            if row.state is ExecutionState.QUEUED and rng.random() < 0.5:
                await succeed(world, row)
    session, steps = await desk.get(number)
    assert (session.state, {step.state for step in steps}) == (SessionState.COMPLETED, {StepState.SUCCEEDED})
    made = sorted(int(row.labels[STEP_KEY]) for row in await executions(world, number))
    assert made == [step.number for step in steps]
    assert deaths


async def test_a_cancel_after_a_death_lets_nothing_begin(world: World) -> None:
    number = await start(world, steps=2)
    with armed(FaultPoint.SESSION_AFTER_WRITE, die), pytest.raises(DiedError):
        await advancer(world).advance(number)
    desk = SessionDesk(world.kernel, DEFAULT_TENANT)
    assert (await desk.get(number))[1][0].state is StepState.RUNNING
    now = world.clock.now()
    await desk.control(number, lambda session, steps: control.cancel(session, steps, by="ada", now=now))
    await advancer(world).advance(number)
    [row] = await executions(world, number)
    assert row.cancel_requested_at is not None
    async with working(world.kernel):
        [session, steps] = await until_ended(world, number)
    assert (session.state, {step.state for step in steps}) == (SessionState.CANCELLED, {StepState.CANCELLED})
    assert not world.remote.executions


async def until_ended(world: World, number: int) -> tuple[Session, list[Step]]:
    desk = SessionDesk(world.kernel, DEFAULT_TENANT)
    [row] = await executions(world, number)
    await world.until(row.id, lambda execution: execution.complete)
    while (await desk.get(number))[0].state not in SESSION_FINAL:
        await advancer(world).advance(number)
    return await desk.get(number)
