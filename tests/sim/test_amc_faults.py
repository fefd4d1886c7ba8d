"""Every fault, struck at least once."""

import asyncio
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from sim_caller import SQL, Caller, run_out

from afield_sim.amc.faults import Calls, FaultBox
from afield_sim.counters import Counters
from afield_sim.testing import ManualClock, Simulator

BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_750_000_000)  # 2025-06-15T15:06:40Z


@pytest.fixture
def fault(sim: Simulator, caller: Caller):
    """Sets one fault of the caller's instance."""

    async def put(name: str, **params):
        await sim.admin.put_faults({caller.instance: {name: params}})

    return put


async def count(sim: Simulator) -> int:
    return len(await sim.admin.executions())


async def test_visibility_delay_of_get_and_of_list(sim: Simulator, caller: Caller, fault):
    await fault("visibility", get_seconds=0.3, list_seconds=0.6)
    execution_id = await caller.created()
    assert (await caller.get(execution_id)).status == 400
    assert (await caller.cancel(execution_id)).status == 400
    await sim.admin.advance(0.3)
    assert (await caller.get(execution_id)).status == 200
    assert (await caller.list_all()).json["executions"] == []
    await sim.admin.advance(0.3)
    assert len((await caller.list_all()).json["executions"]) == 1


async def test_404_in_place_of_400_for_an_unknown_id(sim: Simulator, caller: Caller):
    await sim.admin.put_faults({caller.instance: {"unknown_id": {"status": 404}, "visibility": {"get_seconds": 1}}})
    answer = await caller.get(await caller.created())
    assert answer.status == 404
    assert "does not exist" in answer.json["details"]


async def test_the_reply_is_lost_after_accept(sim: Simulator, caller: Caller, fault):
    await fault("reply_lost", next=1)
    with pytest.raises(BROKEN):
        await caller.create()
    assert await count(sim) == 1
    assert (await caller.create()).status == 200


async def test_the_request_is_lost_before_accept(sim: Simulator, caller: Caller, fault):
    await fault("request_lost", next=1)
    with pytest.raises(BROKEN):
        await caller.create()
    assert await count(sim) == 0
    assert (await caller.create()).status == 200


async def test_a_fault_can_wait_for_its_turn(sim: Simulator, caller: Caller, fault):
    await fault("server_error", skip=1, next=1)
    assert [(await caller.create()).status for _ in range(3)] == [200, 500, 200]
    assert (await sim.admin.counters())["faults"] == {caller.instance: {"server_error": 1}}


@pytest.mark.parametrize(("accepted", "made"), [(False, 0), (True, 1)])
async def test_throttled_before_and_after_accept(sim: Simulator, caller: Caller, fault, accepted, made):
    await fault("throttled", next=1, accepted=accepted, seconds=2)
    answer = await caller.create()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert answer.json == {"message": "Too Many Requests"}
    assert await count(sim) == made


async def test_throttled_with_a_date_and_without_a_hint(caller: Caller, fault):
    await fault("throttled", retry_after="date", seconds=60, calls=["list"])
    hint = parsedate_to_datetime((await caller.list_all()).headers["Retry-After"])
    assert hint.timestamp() == 1_750_000_060
    await fault("throttled", retry_after="none", calls=["list"])
    answer = await caller.list_all()
    assert answer.status == 429
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(("accepted", "made"), [(False, 0), (True, 1)])
async def test_server_errors_before_and_after_accept(sim: Simulator, caller: Caller, fault, accepted, made):
    await fault("server_error", next=1, status=504, accepted=accepted)
    answer = await caller.create()
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})
    assert await count(sim) == made


async def test_an_unreadable_200(sim: Simulator, caller: Caller, fault):
    await fault("unreadable", next=1)
    answer = await caller.create()
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"EOF|end|unexpected"):
        _ = answer.json
    assert await count(sim) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_denied_in_the_middle(caller: Caller, fault, status):
    execution_id = await caller.created()
    await fault("denied", next=1, status=status, calls=["get"])
    assert (await caller.get(execution_id)).status == status
    assert (await caller.get(execution_id)).status == 200


async def test_slow_before_and_after_accept(sim: Simulator, caller: Caller, fault):
    for accepted, made in ((False, 0), (True, 1)):
        await fault("slow", next=1, seconds=300, accepted=accepted)
        calls = (await sim.admin.counters())["calls"].get(caller.instance, {}).get("create", 0)
        waiting = asyncio.create_task(caller.create())
        await sim.admin.wait(what="calls", call="create", at_least=calls + 1)
        if made:
            await sim.admin.wait(what="created", at_least=made)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await count(sim) == made


async def test_slow_answers_come(caller: Caller, fault):
    await fault("slow", next=1, seconds=0.05, calls=["list"])
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert (await caller.list_all()).status == 200
    assert loop.time() - begun >= 0.05


async def test_rejected_with_a_reason(caller: Caller, fault, finished):
    await fault("rejected", next=1, reason="not today")
    shown = (await caller.get(await finished())).json
    assert (shown["status"], shown["statusReason"]) == ("REJECTED", "not today")
    assert (await caller.get(await finished())).json["status"] == "SUCCEEDED"


async def test_failed_with_a_reason(caller: Caller, fault, finished):
    await fault("failed", reason="out of luck")
    shown = (await caller.get(await finished())).json
    assert (shown["status"], shown["statusReason"]) == ("FAILED", "out of luck")


async def test_too_many_runs_over_the_same_data(caller: Caller, fault, finished):
    await fault("too_many_runs", limit=1)
    first, second = await finished(), await finished()
    assert (await caller.get(first)).json["status"] == "SUCCEEDED"
    shown = (await caller.get(second)).json
    assert shown["status"] == "REJECTED"
    assert f'Execution "{second}" of workflow' in shown["statusReason"]
    assert "too many workflows have already been run" in shown["statusReason"]


async def test_a_status_nobody_knows(sim: Simulator, caller: Caller, fault):
    await fault("unknown_status", word="ON_HOLD")
    execution_id = await caller.created()
    await sim.admin.advance(10)
    assert (await caller.get(execution_id)).json["status"] == "ON_HOLD"
    await run_out(sim)
    assert (await caller.get(execution_id)).json["status"] == "SUCCEEDED"
    await fault("unknown_status", word="ARCHIVED", instead_of=["SUCCEEDED"])
    other = await caller.created()
    await run_out(sim)
    assert (await caller.get(other)).json["status"] == "ARCHIVED"


async def test_the_wrapped_form_of_replies(caller: Caller, fault):
    await fault("wrapped", calls=["create", "get"])
    created = (await caller.create()).json["workflowExecution"]
    shown = (await caller.get(created["workflowExecutionId"])).json
    assert shown["workflowExecution"]["status"] == "PENDING"


async def test_cancel_loses_the_race(sim: Simulator, caller: Caller, fault):
    await fault("cancel_ignored", next=1)
    execution_id = await caller.created()
    assert (await caller.cancel(execution_id)).status == 200
    await run_out(sim)
    assert (await caller.get(execution_id)).json["status"] == "SUCCEEDED"


async def test_one_request_makes_two_executions(sim: Simulator, caller: Caller, fault):
    await fault("duplicated", next=1)
    await caller.created()
    assert await count(sim) == 2


@pytest.mark.parametrize("status", [400, 404])
async def test_the_result_is_late(sim: Simulator, caller: Caller, fault, finished, status):
    await fault("download_not_ready", seconds=60, status=status)
    execution_id = await finished()
    answer = await caller.urls(execution_id)
    assert answer.status == status
    assert answer.json["details"].endswith("is unavailable for download.")
    await sim.admin.advance(61)
    assert (await caller.urls(execution_id)).status == 200


async def test_the_download_breaks_off_once(caller: Caller, fault, finished):
    execution_id = await finished()
    await fault("download_cut", next=1, after_bytes=12)
    (url,) = (await caller.urls(execution_id)).json["downloadUrls"]
    with pytest.raises(BROKEN):
        await caller.send("GET", url)
    assert len((await caller.send("GET", url)).content) > 12


async def test_several_files(sim: Simulator, caller: Caller, fault, finished):
    await fault("result_files", count=3)
    execution_id = await finished()
    assert len((await caller.urls(execution_id)).json["downloadUrls"]) == 3
    assert len(await caller.rows(execution_id)) == 8
    await sim.admin.put_settings({"*": {"instant": True}})
    assert len((await caller.urls(await caller.created())).json["downloadUrls"]) == 3


async def test_urls_that_die_young(sim: Simulator, caller: Caller, fault, finished):
    execution_id = await finished()
    await fault("url_expiry", seconds=1)
    (url,) = (await caller.urls(execution_id)).json["downloadUrls"]
    await sim.admin.advance(2)
    assert (await caller.send("GET", url)).status == 403


async def test_an_empty_result_is_the_header_alone(caller: Caller, fault, finished):
    await fault("empty_result", next=1)
    execution_id = await finished()
    (url,) = (await caller.urls(execution_id)).json["downloadUrls"]
    assert (await caller.send("GET", url)).content == b"campaign,impressions\n"


async def test_a_clock_that_is_ahead(caller: Caller, fault):
    await fault("clock_skew", seconds=300)
    answer = await caller.create()
    shown = datetime.fromisoformat(answer.json["createTime"])
    assert shown.timestamp() == 1_750_000_300
    assert parsedate_to_datetime(answer.headers["Date"]) == shown
    assert (await caller.list_all(minCreationTime="2025-06-15T15:11:40")).json["executions"]


async def test_a_listing_fails_midway(sim: Simulator, caller: Caller, fault):
    await sim.admin.plant(caller.instance, count=150)
    await fault("list_fails", page=2, next=1)
    token = (await caller.list_all()).json["nextToken"]
    assert (await caller.list_all(nextToken=token)).status == 500
    assert len((await caller.list_all(nextToken=token)).json["executions"]) == 50


async def test_a_listing_is_cut_short(sim: Simulator, caller: Caller, fault):
    await sim.admin.plant(caller.instance, count=150)
    await fault("list_cut", page=2, next=1)
    token = (await caller.list_all()).json["nextToken"]
    with pytest.raises(BROKEN):
        await caller.list_all(nextToken=token)
    assert len((await caller.list_all(nextToken=token)).json["executions"]) == 50


async def test_executions_of_others_are_listed_like_ones_own(sim: Simulator, caller: Caller):
    (planted,) = await sim.admin.plant(
        caller.instance,
        workflow_id="theirs",
        status="RUNNING",
        sql=SQL,
        age_seconds=30,
        parameter_values={"tag": "x"},
        time_window_start="2025-06-01T00:00:00",
        time_window_end="2025-06-02T00:00:00",
    )
    (shown,) = (await caller.list_all()).json["executions"]
    assert shown["workflowExecutionId"] == planted["id"]
    assert shown["createTime"] == "2025-06-15T15:06:10Z"
    assert shown["timeWindowStartOriginal"] == "2025-06-01T00:00:00"
    assert planted["source"] == "planted"
    await sim.admin.advance(100_000)
    assert (await sim.admin.executions())[0]["status"] == "RUNNING"


async def test_a_status_forced_from_outside(sim: Simulator, caller: Caller):
    cancelled, odd = await caller.created(), await caller.created()
    await sim.admin.force(cancelled, "CANCELLED", "by somebody else")
    await sim.admin.force(odd, "ON_HOLD")
    await sim.admin.advance(100)
    shown = (await caller.get(cancelled)).json
    assert (shown["status"], shown["statusReason"]) == ("CANCELLED", "by somebody else")
    assert (await caller.get(odd)).json["status"] == "ON_HOLD"
    assert (await caller.cancel(odd)).status == 200


async def test_faults_for_all_instances(sim: Simulator, caller: Caller):
    await sim.admin.put_faults({"*": {"server_error": {"calls": ["list"]}}})
    assert (await caller.list_all()).status == 500
    caller.instance = sim.instances[1]
    assert (await caller.list_all()).status == 500
    await sim.admin.put_faults({sim.instances[1]: {}})
    assert (await caller.list_all()).status == 200


def test_chance_is_repeatable():
    def draw() -> list[bool]:
        box, fault = FaultBox(3, Counters()), Calls(probability=0.3)
        return [box.strikes(fault, "create") for _ in range(200)]

    assert draw() == draw()
    assert 30 < sum(draw()) < 90
