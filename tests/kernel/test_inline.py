"""Executions driven in line: recorded first, run once, handed over when nobody waits for their end any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, ClassVar, cast
from uuid import uuid4

import pytest
from kernel_world import FAST, World, working

from afield import inline as inline_module
from afield.connectors.base import Accepted, Entry, Intent, Ran, RemoteState, Sink, Submission
from afield.connectors.registry import AnyConnector, register
from afield.connectors.talk import Talk
from afield.errors import CredentialError, IdempotencyError, InvalidInputError, NotFoundError
from afield.faultpoints import FaultPoint, armed
from afield.inline import Inline
from afield.kernel import Order
from afield.ledger.base import EventFilter
from afield.model.execution import Execution
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState, OutcomeOfAttempt, OutputState
from afield.model.target import DEFAULT_TENANT
from afield.testing.connector import MemoryConnector
from afield.testing.faults import Fault


class PromptConnector(MemoryConnector):
    """The in-process remote, for callers who wait. `gate` holds answers back."""

    name: ClassVar[str] = "prompt"
    gate: ClassVar[asyncio.Event] = asyncio.Event()
    waiting: ClassVar[asyncio.Event] = asyncio.Event()
    open_now: ClassVar[int] = 0

    async def run(self, intent: Intent, sink: Sink, talk: Talk | None = None) -> Ran | Submission:
        type(self).open_now += 1
        try:
            answer = await self.submit(intent)
            self.waiting.set()
            await self.gate.wait()
        finally:
            type(self).open_now -= 1
        if not isinstance(answer, Accepted) or intent.spec.get("seconds"):
            return answer
        failed = bool(intent.spec.get("fails"))
        state, word = (RemoteState.FAILED, "BROKEN") if failed else (RemoteState.SUCCEEDED, "DONE")
        entry = Entry(handle=answer.handle, status=word, state=state)
        return Ran(answer.handle, entry, await self.collect(answer.handle, sink))


register(cast("type[AnyConnector]", PromptConnector))


@pytest.fixture
async def inline(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Inline]:
    monkeypatch.setattr(inline_module, "HOLD_S", 1.0)
    PromptConnector.gate, PromptConnector.waiting = asyncio.Event(), asyncio.Event()
    PromptConnector.gate.set()
    await world.kernel.add_target(
        connector=PromptConnector.name, name="here", address={"remote": world.remote.name}, settings=cast("Any", FAST)
    )
    opened = Inline(world.kernel)
    yield opened
    await opened.close()


def order(**spec: object) -> Order:
    return Order(target="here", spec=cast("Any", {"seconds": 0, "prints": "out", **spec}))


async def history(world: World, row: Execution) -> list[tuple[str, str | None]]:
    events = await world.kernel.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, execution_id=row.id))
    return [(event.kind.value, event.to_state) for event in events]


@pytest.mark.parametrize(("fails", "end"), [(False, ExecutionState.SUCCEEDED), (True, ExecutionState.FAILED)])
async def test_a_run_is_recorded_whole(world: World, inline: Inline, fails: bool, end: ExecutionState) -> None:
    row = await inline.run(order(fails=fails))
    assert (row.state, row.output_state, row.complete, row.attempt) == (end, OutputState.STORED, True, 1)
    assert row == await world.kernel.ledger.execution(row.id)
    assert await history(world, row) == [
        ("created", "queued"),
        ("moved", "submitting"),
        ("moved", "submitted"),
        ("moved", end),
    ]
    (attempt,) = await world.kernel.ledger.attempts(row.id)
    assert (attempt.outcome, attempt.key) == (OutcomeOfAttempt.ACCEPTED, row.key)
    assert world.remote.count(row.id) == 1


async def test_many_at_once_share_commits_and_run_once_each(world: World, inline: Inline) -> None:
    patient = cast("Any", FAST | {"max_visibility_delay": 30})  # an intent may be sent long after it was written
    address: JsonObject = {"remote": world.remote.name}
    await world.kernel.add_target(connector=PromptConnector.name, name="patient", address=address, settings=patient)
    orders = [replace(order(prints=str(n)), target="patient") for n in range(60)]
    rows = await asyncio.gather(*map(inline.run, orders))
    assert {row.state for row in rows} == {ExecutionState.SUCCEEDED}
    assert [world.remote.count(row.id) for row in rows] == [1] * 60


async def test_while_it_runs_no_driver_touches_it(world: World, inline: Inline) -> None:
    PromptConnector.gate.clear()
    running = asyncio.create_task(inline.run(order()))
    await PromptConnector.waiting.wait()
    async with working(world.kernel):
        other = await world.kernel.submit(order(prints="other"))
        await world.until(other.execution.id, lambda row: row.complete)
        await asyncio.sleep(2 * inline_module.HOLD_S)  # held for longer than one hold lasts
        PromptConnector.gate.set()
        row = await running
    assert row.state is ExecutionState.SUCCEEDED
    assert [state for _, state in await history(world, row)] == ["queued", "submitting", "submitted", "succeeded"]


async def test_what_goes_on_is_followed_by_the_driver(world: World, inline: Inline) -> None:
    row = await inline.run(order(seconds=0.2))
    assert row.state is ExecutionState.SUBMITTED
    async with working(world.kernel):
        row = await world.until(row.id, lambda one: one.complete)
    assert (row.state, world.remote.count(row.id)) == (ExecutionState.SUCCEEDED, 1)


async def test_a_lost_reply_is_resolved_by_looking(world: World, inline: Inline) -> None:
    world.remote.faults.arm(Fault.REPLY_LOST, 1)
    row = await inline.run(order())
    assert (row.state, row.reason and row.reason.code) == (ExecutionState.UNCONFIRMED, "no_answer")
    async with working(world.kernel):
        row = await world.until(row.id, lambda one: one.complete)
    assert (row.state, row.attempt, world.remote.count(row.id)) == (ExecutionState.SUCCEEDED, 1, 1)


async def test_a_caller_that_goes_away_leaves_it_to_the_driver(world: World, inline: Inline) -> None:
    PromptConnector.gate.clear()
    running = asyncio.create_task(inline.run(order()))
    await PromptConnector.waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with working(world.kernel):
        (listed,) = (await world.kernel.ledger.executions(everything())).items
        row = await world.until(listed.id, lambda one: one.complete)
    assert (row.state, world.remote.count(row.id)) == (ExecutionState.SUCCEEDED, 1)


def everything() -> Any:
    from afield.ledger.base import ExecutionFilter

    return ExecutionFilter(tenant_id=DEFAULT_TENANT)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_cancel_or_a_deadline_hands_it_over_to_be_stopped(world: World, inline: Inline, how: str) -> None:
    PromptConnector.gate.clear()
    timeout = 0.5 if how == "deadline" else None
    asked = Order(target="here", spec={"seconds": 3600, "prints": ""}, timeout_s=timeout)
    running = asyncio.create_task(inline.run(asked))
    await PromptConnector.waiting.wait()
    (listed,) = (await world.kernel.ledger.executions(everything())).items
    if how == "cancel":
        await world.kernel.cancel(listed.id, "ada")
    row = await running
    assert row.state is ExecutionState.UNCONFIRMED
    async with working(world.kernel):
        row = await world.until(listed.id, lambda one: one.complete)
    assert row.state is (ExecutionState.CANCELLED if how == "cancel" else ExecutionState.TIMED_OUT)


@pytest.mark.parametrize("point", [FaultPoint.AFTER_INTENT, FaultPoint.AFTER_SEND, FaultPoint.AFTER_REPLY])
async def test_a_process_that_dies_is_found_out_about(world: World, inline: Inline, point: FaultPoint) -> None:
    class DeadError(BaseException):
        pass

    def die() -> Any:
        raise DeadError

    with armed(point, die), pytest.raises((DeadError, asyncio.CancelledError)):
        await inline.run(order())
    (listed,) = (await world.kernel.ledger.executions(everything())).items
    assert listed.state is ExecutionState.SUBMITTING
    async with working(world.kernel):
        row = await world.until(listed.id, lambda one: one.complete)
    assert (row.state, world.remote.count(row.id)) == (ExecutionState.SUCCEEDED, 1)
    assert row.attempt == (2 if point is FaultPoint.AFTER_INTENT else 1)


async def test_bad_orders_are_refused_before_anything_is_recorded(world: World, inline: Inline) -> None:
    with pytest.raises(InvalidInputError):
        await inline.run(order(seconds="many"))
    with pytest.raises(NotFoundError):
        await inline.run(Order(target="nowhere", spec={}))
    with pytest.raises(InvalidInputError):
        await inline.run(Order(target="here", spec={}, labels={"afield.session": "1"}))
    assert (await world.kernel.ledger.executions(everything())).items == ()


async def test_the_same_order_again_is_answered_with_what_there_is(world: World, inline: Inline) -> None:
    key = uuid4().hex
    first, second = [
        await inline.run(Order(target="here", spec={"seconds": 0, "prints": "a"}, idempotency_key=key)) for _ in "12"
    ]
    assert first == second
    assert world.remote.count(first.id) == 1
    with pytest.raises(IdempotencyError):
        await inline.run(Order(target="here", spec={"seconds": 0, "prints": "b"}, idempotency_key=key))


async def test_a_refused_credential_sends_nothing(world: World, inline: Inline) -> None:
    world.remote.faults.arm(Fault.DENIED, None)
    row = await inline.run(order())
    assert (row.state, row.reason and row.reason.code) == (ExecutionState.QUEUED, CredentialError.code)
    assert world.remote.count(row.id) == 0
