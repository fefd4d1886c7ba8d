"""The command: its ready file, its signals, and what it remembers after them."""

import asyncio
import os
import stat

import aiohttp
import pytest
from sim_caller import Caller

from afield_sim.journal import FileJournal
from afield_sim.main import main
from afield_sim.testing import Admin, SimulatorProcess

pytestmark = pytest.mark.crash


async def connected(session: aiohttp.ClientSession, process: SimulatorProcess) -> tuple[Caller, Admin]:
    caller = Caller(session, process.amc)
    await caller.login()
    return caller, Admin(session, process.ready["admin"]["base_url"])


async def test_the_ready_file_tells_all_and_sigterm_stops_cleanly(tmp_path):
    async with SimulatorProcess(tmp_path, "--instances", "5", keep_data=False) as process:
        assert {"admin", "amc", "arm"} <= set(process.ready)
        assert len(process.amc.instances) == 5
        async with aiohttp.ClientSession() as session:
            caller, _ = await connected(session, process)
            assert (await caller.list_all()).status == 200
        assert await asyncio.to_thread(process.stop) == 0


async def test_what_was_answered_survives_being_killed(tmp_path):
    async with SimulatorProcess(tmp_path) as process, aiohttp.ClientSession() as session:
        caller, admin = await connected(session, process)
        before = process.amc
        await caller.call("POST", "/workflows", {"workflowId": "saved", "sqlQuery": "SELECT 1 AS one"})
        await caller.call("POST", "/schedules", {"scheduleId": "daily", "workflowId": "saved"})
        done = await caller.created()
        await admin.wait(what="status", status="SUCCEEDED")
        rows = await caller.rows(done)
        await admin.put_settings({"*": {"pending_seconds": 3600}})
        waiting = await caller.created()
        cancelled = await caller.created()
        await caller.cancel(cancelled)
        await admin.advance(5)

        process.kill()
        await asyncio.to_thread(process.start)

        assert process.amc == before
        assert (await caller.get(done)).json["status"] == "SUCCEEDED"
        assert await caller.rows(done) == rows
        assert (await caller.get(waiting)).json["status"] == "PENDING"
        assert (await caller.get(cancelled)).json["status"] == "CANCELLED"
        assert (await caller.call("GET", "/workflows/saved")).status == 200
        assert (await caller.call("GET", "/schedules/daily")).status == 200
        assert [one["number"] for one in await admin.executions()] == [1, 2, 3]
        assert (await caller.created()) not in {done, waiting, cancelled}
        assert (await admin.executions())[-1]["number"] == 4


async def test_live_runs_go_on_after_a_restart(tmp_path):
    async with SimulatorProcess(tmp_path) as process, aiohttp.ClientSession() as session:
        caller, admin = await connected(session, process)
        await admin.put_settings({"*": {"pending_seconds": 0, "running_seconds": 600, "concurrency": 1}})
        running, waiting = await caller.created(), await caller.created()
        await admin.wait(what="status", status="RUNNING")

        assert await asyncio.to_thread(process.stop) == 0
        await asyncio.to_thread(process.start)

        assert (await caller.get(running)).json["status"] == "RUNNING"
        assert (await caller.get(waiting)).json["status"] == "PENDING"
        await admin.advance(600)
        await admin.wait(what="status", status="SUCCEEDED")
        await admin.advance(600)
        await admin.wait(what="status", status="SUCCEEDED", at_least=2)
        assert len(await caller.rows(running)) == 8


def test_a_second_simulator_on_the_same_data_is_refused(tmp_path):
    with SimulatorProcess(tmp_path):
        assert main(["--ready-file", str(tmp_path / "second.json"), "--data", str(tmp_path / "data")]) == 1
        assert not (tmp_path / "second.json").exists()


def test_a_journal_cut_short_is_read_up_to_the_cut(tmp_path):
    journal = FileJournal(tmp_path)
    journal.put("thing", "a", {"n": 1})
    journal.put("thing", "b", {"n": 2})
    journal.put("thing", "a", {"n": 3})
    journal.delete("thing", "b")
    journal.put("thing", "c", {"n": 4})
    journal.close()
    path = tmp_path / "journal.jsonl"
    os.truncate(path, path.stat().st_size - 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    journal = FileJournal(tmp_path)
    assert journal.load() == {"thing": {"a": {"n": 3}}}
    journal.put("thing", "d", {"n": 5})
    journal.close()
    journal = FileJournal(tmp_path)
    assert journal.load() == {"thing": {"a": {"n": 3}, "d": {"n": 5}}}
    journal.close()
