"""Running code as faces do, on a pool of this process and a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from coderunner_world import CodeWorld, code_world, fake_pool, request

from afield.coderunner.pool import PoolView
from afield.coderunner.pool_errors import UserQueueFullError
from afield.coderunner.requests import Refusal, RunReport
from afield.coderunner.runtimes import UnknownRuntimeError
from afield.connectors.base import NO_ROOM
from afield.connectors.coding import Verdict
from afield.engine.worker import WorkerSettings
from afield.errors import IdempotencyError, InvalidInputError, NotFoundError
from afield.kernel import Kernel, open_worker
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Event, Execution
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT

S = ExecutionState


@asynccontextmanager
async def working(kernel: Kernel) -> AsyncIterator[None]:
    """A worker, in this process."""
    async with open_worker(kernel, WorkerSettings(name=f"worker-{uuid4()}")) as worker:
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


async def recorded(world: CodeWorld) -> list[Execution]:
    page = await world.kernel.ledger.executions(ExecutionFilter(tenant_id=DEFAULT_TENANT), limit=1000)
    return list(page.items)


async def hanging(world: CodeWorld, **more: Any) -> asyncio.Task[RunReport]:
    """A run that is in its session and stays there."""
    before = list(world.pool.doing.values()).count("hang")
    running = asyncio.create_task(world.run("hang", **more))
    await until_hanging(world, before + 1)
    return running


async def until_hanging(world: CodeWorld, many: int) -> None:
    while list(world.pool.doing.values()).count("hang") < many:
        world.pool.entered.clear()
        await world.pool.entered.wait()


async def until_waiting(world: CodeWorld, waiting: dict[str, int]) -> PoolView:
    while (view := await world.runner.pool_view("pool")).waiting != waiting:
        pass
    return view


def end_all(world: CodeWorld) -> None:
    for run_id in list(world.pool.ended):
        world.pool.end(run_id)


async def cancelled(task: asyncio.Task[RunReport]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --------------------------------------------------------------------------------------- one run


async def test_a_run_is_an_execution_with_a_result(world: CodeWorld) -> None:
    report = await world.run(stdin="hello", labels={"contest": "c"})
    assert report.result is not None and report.result.stdout == "hello"
    kept = await world.kernel.ledger.execution(report.execution.id)
    assert kept == report.execution
    assert (kept.state, kept.labels["code_user"], kept.labels["contest"]) == (S.SUCCEEDED, "ann", "c")
    assert str(kept.spec["session"]).startswith("af-")


async def test_a_run_that_fails_has_its_verdict(world: CodeWorld) -> None:
    report = await world.run("raise SystemExit(3)", language="python")
    assert report.execution.state is S.FAILED
    assert report.result is not None
    assert (report.result.verdict, report.result.exit_code) == (Verdict.RUNTIME_ERROR, 3)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (request(language="cobol"), UnknownRuntimeError),
        (request("x", language="python", labels={"code_run": "1"}), InvalidInputError),
        (request(pool="nowhere"), NotFoundError),
        (request(keep=True, lease=""), InvalidInputError),
    ],
)
async def test_what_cannot_be_run_is_refused_and_nothing_is_recorded(
    world: CodeWorld, bad: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await world.runner.run(bad, user="ann")
    assert await recorded(world) == []


async def test_a_target_that_runs_no_code_is_no_pool(world: CodeWorld) -> None:
    await world.kernel.add_target(connector="local", name="shell", address={})
    with pytest.raises(InvalidInputError, match="'shell' runs no code"):
        await world.run(pool="shell")


async def test_languages_are_asked_for_once_in_a_while(world: CodeWorld) -> None:
    names = [(one.language, one.version) for one in await world.runner.runtimes("pool")]
    assert names == [("python", "3.11.9"), ("script", "1.0.0")]
    await world.run()
    assert world.pool.asked_runtimes == 1
    assert len(world.pool.sessions) == 1, "they are asked in a leased session"


# --------------------------------------------------------------------------------------- sharing


async def test_200_users_share_10_sessions(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(most=10)
    async with code_world(tmp_path, slots_url, pool) as world:
        reports = await asyncio.gather(*(world.run(user=f"user-{n % 200}", stdin=str(n)) for n in range(400)))
    assert [one.result.stdout if one.result else None for one in reports] == [str(n) for n in range(400)]
    assert pool.wrong == []
    assert pool.most_seen <= 10
    assert set(pool.runs.values()) == {1}
    assert pool.stops == []


async def test_a_kept_session_is_the_users_own_and_stays(world: CodeWorld) -> None:
    sessions = {}
    for user, name in [("ann", "a"), ("bob", "a"), ("ann", "b"), ("ann", "a"), ("bob", "a")]:
        report = await world.run(user=user, keep=True, lease=name)
        sessions.setdefault((user, name), set()).add(report.execution.spec["session"])
    assert all(len(found) == 1 for found in sessions.values())
    assert len(set.union(*sessions.values())) == 3
    assert world.pool.wrong == []


async def test_the_kept_session_used_longest_ago_makes_room(world: CodeWorld) -> None:
    first = await world.run(user="u0", keep=True)
    for n in range(1, 4):
        await world.run(user=f"u{n}", keep=True)
    again = await world.run(user="u0", keep=True)
    assert again.execution.spec["session"] == first.execution.spec["session"]
    last = await world.run(user="new", keep=True)
    assert len(world.pool.stops) >= 1
    assert "u1" not in world.pool.sessions.values(), "it was used longest ago"
    assert world.pool.sessions[str(last.execution.spec["session"])] == "new"
    assert world.pool.wrong == []


async def test_where_state_stays_nobody_sees_traces_of_another(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(keeps_state=True, most=3)
    async with code_world(tmp_path, slots_url, pool) as world, asyncio.TaskGroup() as group:
        for n in range(60):
            group.create_task(world.run(user=f"user-{n % 10}", keep=n % 7 == 0))
    assert pool.wrong == []
    assert pool.stops, "places changed hands"
    assert len(pool.runs) == 61


async def test_a_full_queue_says_when_to_come_back(world: CodeWorld) -> None:
    await world.runner.runtimes("pool")
    await world.kernel.change_target(world.target, settings={"most_waiting_per_user": 2})
    async with code_world(world.kernel.settings.home, world.kernel.ledger.database.url, world.pool) as other:
        running = [await hanging(other) for _ in range(4)]
        waiting = [asyncio.create_task(other.run()) for _ in range(2)]
        view = await until_waiting(other, {"ann": 2})
        with pytest.raises(UserQueueFullError) as refused:
            await other.run()
        assert refused.value.retry_after >= 1 and refused.value.status == 429
        assert len(view.leases) == 4 and {one.user for one in view.leases} == {"ann"}
        assert len(await recorded(other)) == 4
        end_all(other)
        await asyncio.gather(*running, *waiting)


async def test_a_pool_shows_how_it_stands(world: CodeWorld) -> None:
    await asyncio.gather(*(world.run() for _ in range(5)))
    view = await world.runner.pool_view("pool")
    assert (view.pool, view.size.sessions, view.leases, view.waiting) == ("pool", 4, (), {})
    assert view.sustained_per_minute == pytest.approx(4 / 300 * 60)
    assert view.runs_per_minute is not None and view.runs_per_minute > 0
    assert view.processes == 1 and 1 <= view.sessions <= 4


# --------------------------------------------------------------------------------------- who goes away


async def test_a_caller_who_goes_away_stops_the_run_and_the_place_comes_back(world: CodeWorld) -> None:
    await cancelled(await hanging(world))
    reports = await asyncio.gather(*(world.run(stdin="next") for _ in range(8)))
    assert all(report.result is not None and report.result.stdout == "next" for report in reports)
    [gone] = [row for row in await recorded(world) if row.state is not S.SUCCEEDED]
    assert gone.state is S.CANCELLED
    assert world.pool.wrong == []
    assert world.pool.stops == [], "the run was stopped, not its session"


async def test_a_run_that_does_not_stop_loses_its_session(world: CodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afield.coderunner.service._STOP_S", 0.05)
    monkeypatch.setattr("afield.coderunner.leases._MEND_PAUSE", 0.01)
    world.pool.deaf, world.pool.stop_fails = True, 2
    running = await hanging(world)
    [session] = [one for one, what in world.pool.doing.items() if what == "hang"]
    await cancelled(running)
    while session not in world.pool.stops:
        await world.pool.stopped.wait()
    reports = await asyncio.gather(*(world.run() for _ in range(8)))
    assert session not in {report.execution.spec["session"] for report in reports}
    assert world.pool.stop_fails == 0
    assert world.pool.wrong == []


async def test_a_caller_who_goes_away_while_waiting_leaves_nothing_behind(world: CodeWorld) -> None:
    running = [await hanging(world, user=f"u{n}") for n in range(4)]
    waiting = asyncio.create_task(world.run(user="waits"))
    await until_waiting(world, {"waits": 1})
    await cancelled(waiting)
    assert (await world.runner.pool_view("pool")).waiting == {}
    end_all(world)
    await asyncio.gather(*running)
    assert len(await recorded(world)) == 4


# --------------------------------------------------------------------------------------- ends that come later


async def test_a_run_that_goes_on_is_told_as_it_is_and_keeps_its_session(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(most=1)
    async with code_world(tmp_path, slots_url, pool, patience=timedelta(seconds=0.1)) as world:
        report = await world.run("later")
        assert (report.execution.state, report.result) == (S.SUBMITTED, None)
        other = asyncio.create_task(world.run(user="bob"))
        await until_waiting(world, {"bob": 1})
        assert pool.order[-1] == "ann", "bob has to wait for the one session"
        pool.finish(report.execution.key, "late")
        async with working(world.kernel):
            assert (await other).execution.state is S.SUCCEEDED
        row = await world.kernel.ledger.execution(report.execution.id)
        assert row.state is S.SUCCEEDED
    assert pool.wrong == []
    assert pool.stops == []


async def test_a_session_is_not_left_to_a_run_without_end(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(most=1)
    short = timedelta(seconds=0.05)
    async with code_world(tmp_path, slots_url, pool, patience=short, most_patience=short) as world:
        report = await world.run("later")
        other = await world.run(user="bob")
        assert pool.stops == [report.execution.spec["session"]]
        assert other.execution.spec["session"] != report.execution.spec["session"]
        row = await world.kernel.ledger.execution(report.execution.id)
        assert row.cancel_requested_at is not None
    assert pool.wrong == []


async def test_a_lost_reply_is_resolved_and_never_run_again(world: CodeWorld) -> None:
    async with working(world.kernel):
        report = await world.run("lose", stdin="once")
    assert report.execution.state is S.SUCCEEDED
    assert report.result is not None and report.result.stdout == "once"
    assert set(world.pool.runs.values()) == {1}


async def test_what_was_certainly_not_run_is_not_run_behind_the_callers_back(world: CodeWorld) -> None:
    async with working(world.kernel):
        report = await world.run("lose-before")
    assert (report.execution.state, report.result) == (S.LOST, None)
    assert "lose-before" not in world.pool.doing.values()


async def test_what_finds_no_room_is_run_when_there_is_some_in_the_session_it_was_given(
    tmp_path: Path, slots_url: str
) -> None:
    pool = fake_pool(most=1)
    async with code_world(tmp_path, slots_url, pool) as world:
        await world.run()
        pool.full = True
        running = asyncio.create_task(world.run("full", stdin="late"))
        wanted = EventFilter(tenant_id=DEFAULT_TENANT, target_id=world.target.id)
        async with aclosing(cast("AsyncGenerator[Event, None]", world.kernel.ledger.follow(wanted, after=0))) as events:
            async for event in events:
                if event.reason is not None and event.reason.code == NO_ROOM:
                    break
        other = asyncio.create_task(world.run(user="bob"))
        await until_waiting(world, {"bob": 1})
        pool.full = False
        async with working(world.kernel):
            report = await running
            assert (await other).execution.state is S.SUCCEEDED
    assert report.result is not None and report.result.stdout == "late"
    assert pool.wrong == [] and pool.stops == []


# --------------------------------------------------------------------------------------- the same request again


async def test_the_same_key_gives_the_same_run(world: CodeWorld) -> None:
    reports = await asyncio.gather(*(world.run(stdin="x", idempotency_key="k") for _ in range(6)))
    reports.append(await world.run(stdin="x", idempotency_key="k"))
    assert len({report.execution.id for report in reports}) == 1
    assert all(report.result is not None and report.result.stdout == "x" for report in reports)
    assert len(await recorded(world)) == 1


async def test_a_key_is_for_one_request_of_one_user(world: CodeWorld) -> None:
    first = await world.run(stdin="x", idempotency_key="k")
    with pytest.raises(IdempotencyError):
        await world.run(stdin="y", idempotency_key="k")
    other = await world.run(stdin="y", idempotency_key="k", user="bob")
    assert other.execution.id != first.execution.id


# --------------------------------------------------------------------------------------- batches


async def test_one_bad_run_does_not_hurt_its_batch(world: CodeWorld) -> None:
    runs = [request(stdin=str(n)) for n in range(48)]
    runs.insert(7, request(language="cobol"))
    runs.insert(20, request("broken"))
    answers = await world.runner.batch(runs, user="ann")
    refused = answers[7]
    assert isinstance(refused, Refusal) and (refused.code, refused.status) == ("unknown_runtime", 422)
    broken = answers[20]
    assert isinstance(broken, RunReport) and broken.result is not None
    assert broken.result.verdict is Verdict.INTERNAL_ERROR
    printed = [one.result.stdout for one in answers if isinstance(one, RunReport) and one.result]
    assert sorted(filter(None, printed), key=int) == [str(n) for n in range(48)]


@pytest.mark.parametrize("many", [0, 51])
async def test_a_batch_has_a_size(world: CodeWorld, many: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 50"):
        await world.runner.batch([request()] * many, user="ann")


# --------------------------------------------------------------------------------------- several processes


async def test_processes_share_a_pool_and_both_are_served(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(most=3)
    async with code_world(tmp_path, slots_url, pool) as one, code_world(tmp_path, slots_url, pool) as two:
        async with asyncio.TaskGroup() as group:
            for n in range(60):
                group.create_task((one, two)[n % 2].run(user=f"user-{n % 6}", keep=n % 5 == 0))
        assert len(await recorded(one)) == 60
    assert pool.wrong == []
    assert pool.most_seen <= 3


async def test_a_kept_session_is_found_from_another_process(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool()
    async with code_world(tmp_path, slots_url, pool) as one, code_world(tmp_path, slots_url, pool) as two:
        first = await one.run(keep=True)
        second = await two.run(keep=True)
        assert first.execution.spec["session"] == second.execution.spec["session"]
        await two.run(user="bob", keep=True)
    assert pool.wrong == []


async def test_sessions_of_a_process_that_died_are_stopped_before_others_get_them(
    tmp_path: Path, slots_url: str
) -> None:
    pool = fake_pool(most=1)
    async with code_world(tmp_path, slots_url, pool) as one, code_world(tmp_path, slots_url, pool) as two:
        dead = await one.run()
        await one.kernel.ledger.database.all(
            "update afield.pool_slot set held_until = now() - interval '1 second' returning slot"
        )
        report = await two.run(user="bob")
        assert pool.stops == [dead.execution.spec["session"]]
        assert report.execution.spec["session"] != dead.execution.spec["session"]
    assert pool.wrong == []


async def test_closing_gives_the_places_back(tmp_path: Path, slots_url: str) -> None:
    pool = fake_pool(most=1)
    async with code_world(tmp_path, slots_url, pool) as one:
        first = await one.run()
    async with code_world(tmp_path, slots_url, pool) as two:
        second = await two.run()
    assert first.execution.spec["session"] == second.execution.spec["session"], "it is warm, and used again"
    assert pool.stops == []


async def test_the_pool_of_the_installation_is_used_when_none_is_named(
    tmp_path: Path, slots_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = fake_pool()
    async with code_world(tmp_path, slots_url, pool, code_pool="pool") as world:
        report = await world.run(pool=None)
        assert report.execution.target_id == world.target.id
