"""Driving a target at an in-process remote, in simulated time."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest
from engine_world import DAY, World

from afield.connectors.base import Cancellation, Entry, Intent, Match, Output, Sink, Submission
from afield.engine.drive import Outcome
from afield.model.execution import Move, Resubmit
from afield.model.states import LIVE, ExecutionState, OutcomeOfAttempt, OutputState
from afield.testing.connector import MemoryConnector, NamelessConnector
from afield.testing.faults import Fault
from afield.testing.process import Process

S = ExecutionState
MINUTE = timedelta(minutes=1)


async def _until(world: World, condition: object, *, patience: timedelta = DAY) -> None:
    """Let time pass until `condition()` holds."""
    end = world.clock.now() + patience
    while not condition():  # type: ignore[operator]
        assert world.clock.now() < end, "it never happened"
        await world.clock.sleep(timedelta(seconds=1))


def _state(world: World, index: int = 0) -> ExecutionState:
    return world.ledger._rows[world.ids[index]].state


# ---------------------------------------------------------------------------------------------- a life


async def test_one_execution_goes_its_way_and_its_output_is_stored(world: World) -> None:
    one = await world.record()
    assert await world.drive() is Outcome.DONE
    row = await world.row(one)
    assert row.state is S.SUCCEEDED
    assert row.output_state is OutputState.STORED
    assert row.output is not None
    assert row.output["artifact"] == f"{world.target_id}/{one}"
    assert world.remote.count(one) == 1
    assert world.artifacts.stored == {f"{world.target_id}/{one}": b"out"}
    assert await world.path(one) == ["queued", "submitting", "submitted", "running", "succeeded"]


async def test_a_failure_is_a_failure_and_has_no_output(world: World) -> None:
    one = await world.record(fails=True)
    await world.drive()
    assert ((await world.row(one)).state, (await world.row(one)).output_state) == (S.FAILED, OutputState.NONE)


async def test_nothing_outstanding_ends_the_turn_at_once(world: World) -> None:
    before = world.clock.now()
    assert await world.drive() is Outcome.DONE
    assert world.clock.now() == before
    assert (await world.ledger.target(world.target_id)).driver is None


async def test_a_day_of_following_costs_few_looks(world: World) -> None:
    for _ in range(10):
        await world.record(seconds=DAY.total_seconds())
    assert await world.drive() is Outcome.DONE
    assert {(await world.row(i)).state for i in world.ids} == {S.SUCCEEDED}
    assert world.remote.calls["page"] < DAY / (4 * MINUTE), "one listing covers them all, every five minutes at last"


async def test_no_more_run_at_once_than_the_limit_allows() -> None:
    world = await World.start(settings={"max_live": 3})
    world.remote.latency = lambda: timedelta(seconds=2)
    for _ in range(12):
        await world.record(seconds=600.0)
    most = 0

    async def watch() -> None:
        nonlocal most
        while not all([(await world.row(i)).complete for i in world.ids]):
            words = [e.word(world.clock.now()) for e in world.remote.executions.values()]
            most = max(most, sum(word in {"WAITING", "BUSY"} for word in words))
            await world.clock.sleep(timedelta(seconds=5))

    await asyncio.gather(world.drive(), watch())
    assert most == 3
    assert len(world.remote.executions) == 12


async def test_calls_stay_within_the_budget() -> None:
    world = await World.start(settings={"max_live": 200, "calls_per_minute": 12})
    world.remote.latency = lambda: timedelta(seconds=20)
    for _ in range(40):
        await world.record()
    began = world.clock.now()
    assert await world.drive() is Outcome.DONE
    minutes = (world.clock.now() - began) / MINUTE
    assert world.remote.calls.total() <= 12 * (minutes + 1) + 1


# ---------------------------------------------------------------------------------------------- ends


async def test_a_cancel_is_asked_for_and_shown_by_a_look(world: World) -> None:
    one = await world.record(seconds=10_000.0)
    driving = asyncio.create_task(world.drive())
    await _until(world, lambda: _state(world) is S.RUNNING)
    await world.ledger.request_cancel(one, "somebody", world.clock.now())
    assert await driving is Outcome.DONE
    assert (await world.row(one)).state is S.CANCELLED
    assert world.remote.executions["r-1"].word(world.clock.now()) == "STOPPED"


async def test_what_was_never_sent_is_cancelled_without_a_call(world: World) -> None:
    one = await world.record()
    await world.ledger.request_cancel(one, "somebody", world.clock.now())
    await world.drive()
    assert (await world.row(one)).state is S.CANCELLED
    assert world.remote.calls.total() == 0


async def test_a_cancel_during_doubt_waits_for_the_look(world: World) -> None:
    world.remote.faults.arm(Fault.REPLY_LOST)
    one = await world.record(seconds=10_000.0)
    driving = asyncio.create_task(world.drive())
    await _until(world, lambda: _state(world) is S.UNCONFIRMED)
    await world.ledger.request_cancel(one, "somebody", world.clock.now())
    await driving
    assert await world.path(one) == ["queued", "submitting", "unconfirmed", "submitted", "running", "cancelled"]
    assert world.remote.executions["r-1"].word(world.clock.now()) == "STOPPED"


async def test_a_time_out_stops_the_work_at_the_remote(world: World) -> None:
    one = await world.record(seconds=10_000.0, timeout_s=300)
    await world.drive()
    row = await world.row(one)
    assert row.state is S.TIMED_OUT
    assert row.deadline_at is not None
    assert row.state_at - row.deadline_at < MINUTE, "the deadline wakes the driver"
    assert world.remote.executions["r-1"].word(world.clock.now()) == "STOPPED"


async def test_what_is_shown_absent_and_never_to_be_repeated_is_lost(world: World) -> None:
    world.remote.faults.arm(Fault.REQUEST_LOST)
    one = await world.record()
    other = await world.record()
    never = await world.record(resubmit=Resubmit.NEVER)
    world.remote.faults.arm(Fault.REQUEST_LOST, 3)
    await world.drive()
    assert (await world.row(never)).state is S.LOST
    assert [(await world.row(i)).state for i in (one, other)] == [S.SUCCEEDED, S.SUCCEEDED]
    assert [world.remote.count(i) for i in (one, other, never)] == [1, 1, 0]


# ---------------------------------------------------------------------------------------------- trouble


async def test_retry_after_is_honoured(world: World) -> None:
    world.remote.patience = 7 * MINUTE
    world.remote.faults.arm(Fault.THROTTLED_WITH_PATIENCE)
    await world.record()
    began = world.clock.now()
    driving = asyncio.create_task(world.drive())
    await _until(world, lambda: world.remote.calls.total() == 2)
    assert world.clock.now() - began >= 7 * MINUTE
    assert await driving is Outcome.DONE
    assert [world.remote.count(i) for i in world.ids] == [1]


async def test_the_next_driver_keeps_the_patience_of_the_last(world: World) -> None:
    world.remote.patience = 30 * MINUTE
    world.remote.faults.arm(Fault.THROTTLED_WITH_PATIENCE)
    await world.record()
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await _until(world, lambda: world.ledger._targets[world.target_id].throttled_until is not None)
    stop.set()
    assert await driving is Outcome.STOPPED
    until = world.clock.now() + 29 * MINUTE
    driving = asyncio.create_task(world.drive())
    await _until(world, lambda: world.remote.calls.total() == 2)
    assert world.clock.now() >= until
    await driving


async def test_a_refused_credential_starts_nothing_until_it_is_mended(world: World) -> None:
    world.remote.faults.arm(Fault.DENIED, None)
    one = await world.record()
    driving = asyncio.create_task(world.drive())
    await world.clock.sleep(60 * MINUTE)
    row = await world.row(one)
    assert (row.state, row.reason and row.reason.code) == (S.QUEUED, "credential_refused")
    assert world.remote.calls["submit"] <= 13, "once in five minutes"
    world.remote.faults.clear()
    assert await driving is Outcome.DONE
    assert (await world.row(one)).state is S.SUCCEEDED


async def test_a_failed_collection_is_visible_and_tried_again(world: World) -> None:
    world.remote.faults.arm(Fault.OUTPUT_AWAY, 3)
    one = await world.record()
    await world.drive()
    row = await world.row(one)
    assert row.output_state is OutputState.STORED
    told = [event.reason.code for event in await world.events(one) if event.reason]
    assert told.count("no_answer") == 3


class OneBadRow(MemoryConnector):
    """Breaks on every call that has to do with a spec that says `bad`."""

    async def submit(self, intent: Intent) -> Submission:
        if intent.spec["prints"] == "bad submit":
            raise ZeroDivisionError
        return await super().submit(intent)

    def match(self, intent: Intent, entry: Entry) -> Match:
        if intent.spec["prints"] in {"bad submit", "bad match"}:
            raise ZeroDivisionError
        return super().match(intent, entry)

    async def retire(self, intent: Intent) -> bool:
        raise ZeroDivisionError

    async def release(self, intent: Intent) -> None:
        raise ZeroDivisionError

    async def cancel(self, handle: str) -> Cancellation:
        raise ZeroDivisionError

    async def collect(self, handle: str, sink: Sink) -> Output:
        if self.remote.executions[handle].output == b"bad collect":
            raise ZeroDivisionError
        return await super().collect(handle, sink)


async def test_one_bad_row_does_not_stop_the_others() -> None:
    world = await World.start(connector=OneBadRow)
    bad = [await world.record(prints=f"bad {what}") for what in ("submit", "collect")]
    cancelled = await world.record(seconds=3000.0)
    good = [await world.record() for _ in range(3)]
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await _until(world, lambda: _state(world, 2) in LIVE)
    await world.ledger.request_cancel(cancelled, "somebody", world.clock.now())
    await world.clock.sleep(2 * 60 * MINUTE)
    stop.set()
    assert await driving is Outcome.STOPPED
    assert {(await world.row(i)).output_state for i in good} == {OutputState.STORED}
    assert (await world.row(cancelled)).state is S.SUCCEEDED, "the cancel never reached the remote"
    states = [(await world.row(i)).state for i in bad]
    assert states == [S.UNCONFIRMED, S.SUCCEEDED]
    assert (await world.row(bad[1])).failures > 0


async def test_what_can_only_be_possible_is_left_to_a_person() -> None:
    world = await World.start(connector=NamelessConnector)
    world.remote.faults.arm(Fault.REPLY_LOST)
    one = await world.record()
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await world.clock.sleep(DAY)
    stop.set()
    await driving
    row = await world.row(one)
    assert (row.state, row.reason and row.reason.code) == (S.UNCONFIRMED, "possible_match")
    assert world.remote.count(one) == 1


# ---------------------------------------------------------------------------------------------- two drivers


async def test_an_older_driver_that_wakes_up_is_refused(world: World) -> None:
    """The first stands still with its request in hand; the second finds the row, and finishes it; the first wakes."""
    one = await world.record(seconds=10.0)
    asleep, wake = asyncio.Event(), asyncio.Event()

    async def gate(name: str) -> None:
        if name == "after submit":
            asleep.set()
            await wake.wait()

    process = Process(world.ledger, await world.connector(), gate)
    first = asyncio.create_task(world.drive(ledger=process.ledger, connector=process.connector))
    await asleep.wait()
    assert await world.drive() is Outcome.DONE
    before = await world.row(one)
    assert before.state is S.SUCCEEDED
    await world.record(seconds=10.0)
    wake.set()
    assert await first is Outcome.FENCED
    assert await world.row(one) == before
    assert world.remote.count(one) == 1
    assert await world.drive() is Outcome.DONE


async def test_rows_set_aside_do_not_keep_others_out() -> None:
    """Whatever is set aside is older than what could be sent, and more than is loaded at once."""
    world = await World.start(settings={"submit_batch": 2})
    for index in range(10):
        held = await world.row(await world.record())
        later = world.clock.now() + DAY
        sending = Move(execution_id=held.id, expect=S.QUEUED, to=S.SUBMITTING, attempt=1, at=world.clock.now())
        back = replace(sending, expect=S.SUBMITTING, to=S.QUEUED, retry_at=later, failures=1)
        assert all(one.ok for one in await world.ledger.apply_all([sending, back])), index
    ready = [await world.record() for _ in range(3)]
    driving = asyncio.create_task(world.drive())
    await _until(world, lambda: all(world.ledger._rows[one].state is S.SUCCEEDED for one in ready), patience=DAY / 2)
    assert {_state(world, index) for index in range(10)} == {S.QUEUED}
    assert await driving is Outcome.DONE
    assert {(await world.row(one)).state for one in world.ids} == {S.SUCCEEDED}


async def test_a_request_sent_long_after_its_intent_is_held_back(world: World) -> None:
    one = await world.record()

    async def gate(name: str) -> None:
        if name == "after apply_all":
            await world.clock.sleep(MINUTE)

    process = Process(world.ledger, await world.connector(), gate)
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(ledger=process.ledger, connector=process.connector, stop=stop))
    await world.clock.sleep(3 * MINUTE)
    stop.set()
    await driving
    assert world.remote.calls["submit"] == 0
    assert {a.outcome for a in await world.ledger.attempts(one)} == {OutcomeOfAttempt.NOT_SENT}


@pytest.mark.parametrize("arrives", [590, 610, 640, 690, 900, 1190, 1210, 1300])
async def test_a_request_that_arrives_very_late_is_found_or_refused(world: World, arrives: int) -> None:
    """It left in time and travelled for minutes: just before it is retired it is found, just after it is refused."""
    one = await world.record(seconds=10.0)
    world.remote.show_after = lambda: timedelta(seconds=590)
    travelling = asyncio.Event()

    async def gate(name: str) -> None:
        if name == "before submit" and not travelling.is_set():
            travelling.set()
            await world.clock.sleep(timedelta(seconds=arrives))
            await remote_connector.submit(sent[0])
            process.die()

    sent: list[Intent] = []
    remote_connector = await world.connector()

    class Remembers(MemoryConnector):
        async def submit(self, intent: Intent) -> Submission:
            raise AssertionError("the gate sends it")

    process = Process(world.ledger, Remembers(world.remote), gate)
    first = asyncio.create_task(world.drive(ledger=process.ledger, connector=process.connector))
    await travelling.wait()
    sent.append((await world.ledger.intents([one]))[one])
    assert await world.drive() is Outcome.DONE
    await asyncio.gather(first, return_exceptions=True)
    await world.clock.sleep(DAY)
    assert (await world.row(one)).state is S.SUCCEEDED
    assert world.remote.count(one) == 1


async def test_a_graceful_stop_hands_over(world: World) -> None:
    world.remote.latency = lambda: timedelta(seconds=1)
    for _ in range(5):
        await world.record()
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await _until(world, lambda: world.remote.calls["submit"] > 0)
    stop.set()
    assert await driving is Outcome.STOPPED
    assert (await world.ledger.target(world.target_id)).driver is None
    assert not {(await world.row(i)).state for i in world.ids} & {S.SUBMITTING, S.UNCONFIRMED}, "nothing is in doubt"
    assert await world.drive() is Outcome.DONE
    assert [world.remote.count(i) for i in world.ids] == [1] * 5


async def test_a_stop_cuts_off_what_takes_too_long_and_the_next_driver_finds_it(world: World) -> None:
    one = await world.record()
    world.remote.latency = lambda: timedelta(seconds=25)
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await _until(world, lambda: world.remote.calls["submit"] > 0)
    stop.set()
    assert await driving is Outcome.STOPPED
    assert (await world.row(one)).state is S.SUBMITTING
    assert await world.drive() is Outcome.DONE
    assert "unconfirmed" in await world.path(one)
    assert world.remote.count(one) == 1


# ---------------------------------------------------------------------------------------------- size


@pytest.mark.slow
async def test_a_live_execution_costs_low_kilobytes() -> None:
    """Following 10,000 executions at once: the driver, and a look that shows them all, at its highest."""
    rows = 10_000
    world = await World.start(settings={"max_live": rows, "calls_per_minute": 1_000_000, "max_calls": 100})
    world.remote.page_size = rows
    for _ in range(rows):
        await world.record(seconds=36_000.0)
    stop = asyncio.Event()
    driving = asyncio.create_task(world.drive(stop=stop))
    await _until(world, lambda: world.remote.calls["page"] == 1)
    stop.set()
    assert await driving is Outcome.STOPPED

    stop = asyncio.Event()
    tracemalloc.start()
    try:
        driving = asyncio.create_task(world.drive(stop=stop))
        await _until(world, lambda: world.remote.calls["page"] == 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        stop.set()
    assert await driving is Outcome.STOPPED
    assert peak / rows < 4096, f"{peak / rows:.0f} bytes for a live execution"


async def test_what_was_adopted_late_is_still_followed(world: World) -> None:
    """A look has to reach back to the intent, not to the adoption: or what was just found would be gone again."""
    world.remote.faults.arm(Fault.REPLY_LOST)
    world.remote.faults.arm(Fault.SLOW_TO_SHOW)
    one = await world.record(seconds=7200.0)
    assert await world.drive() is Outcome.DONE
    assert (await world.row(one)).state is S.SUCCEEDED
    assert world.remote.count(one) == 1
