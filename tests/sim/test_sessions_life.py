"""How sessions begin and end: instances that wait, room, cooldown, containers that die; and how a pool shows it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from sessions_caller import Sessions, pools_with

from afield_sim.testing import ManualClock, SessionsAdmin, SimulatorProcess


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    """A pool whose time stands still until a test moves it."""
    async with pools_with(clock=ManualClock()) as sessions:
        yield sessions


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def pid_of(pool: Sessions, identifier: str = "user-1") -> int:
    found = {one["identifier"]: one["pid"] for one in await pool.admin.sessions(pool.pool.name)}
    return found[identifier]


async def ended(pid: int) -> None:
    while not gone(pid):
        await asyncio.sleep(0.01)


async def test_nothing_is_started_before_the_first_use(pool: Sessions):
    status = await pool.status()
    assert (status["expectedCount"], status["readyCount"], status["allocatedCount"]) == (1, 1, 0)
    assert (await pool.counts())["containers"] == {"ready": 0, "starting": 0, "started": 0}


async def test_numbers_follow_what_happens(pool: Sessions):
    await pool.boot()
    await pool.admin.wait("ready")
    status = await pool.status()
    assert (status["readyCount"], status["pendingCount"], status["allocatedCount"]) == (1, 0, 1)
    await pool.managed("stopSession")
    assert (await pool.status())["allocatedCount"] == 0


async def test_an_instance_waits_for_the_next_session(pool: Sessions):
    await pool.admin.wake("custom-1")
    await pool.admin.wait("ready", pool="custom-1")
    started = (await pool.counts())["containers"]["started"]
    await pool.boot()
    assert started == 1
    await pool.admin.wait("ready", pool="custom-1")
    assert (await pool.counts())["containers"]["started"] == 2


async def test_cooldown_begins_anew_with_each_request(pool: Sessions):
    first = await pool.boot()
    pid = await pid_of(pool)
    await pool.sim.admin.advance(299)
    assert await pool.boot() == first
    await pool.sim.admin.advance(299)
    assert await pool.boot() == first
    await pool.sim.admin.advance(301)
    assert await pool.boot() != first
    assert (await pool.counts())["expired"] == 1
    await asyncio.wait_for(ended(pid), 10)


async def test_a_session_ends_though_nobody_asks(pool: Sessions):
    await pool.boot()
    await pool.sim.admin.advance(301)
    await pool.admin.wait("expired", pool="custom-1")
    assert await pool.admin.sessions("custom-1") == []


async def test_a_request_in_flight_holds_its_session(pool: Sessions):
    run = asyncio.create_task(pool.send("POST", "/runs", data={"run_id": "r1", "language": "wait"}))
    await pool.admin.wait("in_flight")
    await pool.sim.admin.advance(400)
    try:
        assert (await pool.managed("getSession")).status == 200
    finally:
        run.cancel()


@pytest.mark.parametrize("status", [404, 429])
async def test_a_pool_is_full(pool: Sessions, status: int):
    await pool.admin.settings(when_full=status)
    await pool.arm("PATCH", {"properties": {"scaleConfiguration": {"maxConcurrentSessions": 2}}})
    await asyncio.gather(pool.boot("user-1"), pool.boot("user-2"))
    refused = await pool.send("GET", "/x", "user-3")
    assert (refused.status, refused.headers["Server"]) == (status, "Kestrel")
    assert "x-afield-adapter" not in refused.headers
    text = {404: "", 429: "Error happened when allocating pod for identifier user-3 in pool custom-1"}
    assert refused.content.decode() == text[status]
    assert (await pool.status())["allocatedCount"] == 2
    assert (await pool.counts())["rejected"] == 1
    assert (await pool.send("GET", "/x", "user-1")).status == 200
    await pool.managed("stopSession")
    assert (await pool.send("GET", "/x", "user-3")).status == 200


async def test_a_container_that_dies_is_replaced_and_counted(pool: Sessions):
    first = await pool.boot()
    assert (await pool.send("POST", "/end")).status == 502
    assert await pool.boot() != first
    assert (await pool.status())["crashCount"] == 1


async def test_a_session_that_lives_as_long_as_its_container(pool: Sessions):
    lifecycle = {"lifecycleType": "OnContainerExit", "maxAlivePeriodInSeconds": 600}
    patch = {"properties": {"dynamicPoolConfiguration": {"lifecycleConfiguration": lifecycle}}}
    answer = (await pool.arm("PATCH", patch)).json
    assert answer["properties"]["dynamicPoolConfiguration"]["lifecycleConfiguration"] == lifecycle
    first = await pool.boot()
    await pool.sim.admin.advance(599)
    assert await pool.boot() == first
    await pool.sim.admin.advance(2)
    assert await pool.boot() != first


async def test_containers_that_do_not_start():
    async with pools_with(("false",)) as pool:
        assert (await pool.send("GET", "/x")).status == 502
        assert (await pool.status())["crashCount"] >= 1
        assert (await pool.counts())["sessions"] == 0


async def test_everything_ends_with_the_simulator():
    async with pools_with() as pool:
        await pool.boot()
        pid = await pid_of(pool)
    assert gone(pid)


@pytest.mark.crash
async def test_containers_do_not_outlive_a_simulator_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what it leaves behind goes with the test's folder
    arguments = ("--vms", "0", "--instances", "1", "--pools", "1")
    async with (
        SimulatorProcess(tmp_path, *arguments, keep_data=False) as process,
        aiohttp.ClientSession() as http,
    ):
        admin = SessionsAdmin(http, process.ready["admin"]["base_url"])
        await admin.wait("ready", pool="custom-1", timeout=30)
        started = psutil.Process(process.pid).children(recursive=True)
        await asyncio.to_thread(process.kill)
        _, left = await asyncio.to_thread(psutil.wait_procs, started, 10)
    assert started
    assert not left


async def test_reset(pool: Sessions):
    await pool.boot()
    await pool.fault(full_404=True)
    pid = await pid_of(pool)
    await pool.admin.reset()
    assert gone(pid)
    assert (await pool.counts())["allocated"] == {}
    assert await pool.admin.faults() == {}
    assert (await pool.send("GET", "/x")).status == 200
