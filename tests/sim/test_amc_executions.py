"""The life of an execution, and what is said of it."""

import asyncio
import re
import uuid

import pytest
from sim_caller import SQL, Caller, run_out

from afield_sim.testing import Simulator


async def test_a_created_execution_is_flat_and_leaves_out_what_is_not_known(caller: Caller):
    answer = await caller.create(
        timeWindowType="EXPLICIT",
        timeWindowStart="2025-01-20T00:00:00",
        timeWindowEnd="2025-01-25T00:00:00",
        timeWindowTimeZone="America/New_York",
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/vnd.amcworkflowexecutions.v1+json"
    assert re.fullmatch("[0-9A-F]{20}", answer.headers["x-amz-rid"])
    assert answer.headers["x-amz-rid"] == answer.headers["x-amz-request-id"]
    shown = answer.json
    assert shown["status"] == "PENDING"
    assert shown["timeWindowStart"] == "2025-01-20T05:00:00Z"
    assert shown["timeWindowStartOriginal"] == "2025-01-20T00:00:00"
    assert shown["timeWindowTimeZoneOriginal"] == "America/New_York"
    assert shown["workflowId"].startswith("transient_")
    assert shown["workflowExecutionTimeoutSeconds"] == 21600
    uuid.UUID(shown["workflowExecutionId"])
    assert None not in shown.values()
    assert not {"startTime", "endTime", "progress", "statusReason", "outputColumns"} & shown.keys()


async def test_a_relative_window_is_absent_until_it_is_resolved(caller: Caller, finished):
    answer = await caller.create(timeWindowType="MOST_RECENT_DAY")
    assert not {"timeWindowStart", "timeWindowEnd", "timeWindowStartOriginal"} & answer.json.keys()
    assert answer.json["timeWindowTimeZoneOriginal"] == "UTC"


async def test_moves_happen_at_their_own_time(sim: Simulator, caller: Caller):
    execution_id = await caller.created()
    assert (await caller.get(execution_id)).json["status"] == "PENDING"
    await sim.admin.advance(10)
    assert (await caller.get(execution_id)).json["status"] == "RUNNING"
    await run_out(sim)
    shown = (await caller.get(execution_id)).json
    assert shown["status"] == "SUCCEEDED"
    assert shown["executionTime"] >= 20
    assert shown["outputS3URI"] == "N/A"
    assert shown["outputColumns"] == [
        {"columnType": "DIMENSION", "dataType": "STRING", "name": "campaign"},
        {"columnType": "METRIC", "dataType": "LONG", "name": "impressions"},
    ]


async def test_publishing_is_shown_where_it_is_switched_on(sim: Simulator, caller: Caller):
    await sim.admin.put_settings({"*": {"publishing_seconds": 5, "run_sql": False}})
    execution_id = await caller.created()
    await sim.admin.advance(31)
    assert (await caller.get(execution_id)).json["status"] == "PUBLISHING"
    await sim.admin.advance(5)
    assert (await caller.get(execution_id)).json["status"] == "SUCCEEDED"


async def test_texts_are_coerced_and_unknown_fields_ignored(caller: Caller):
    answer = await caller.create(
        ignoreDataGaps="True", workflowExecutionTimeoutSeconds="86400", dryRun="false", outputFormat="CSV"
    )
    assert answer.status == 200
    assert answer.json["ignoreDataGaps"] is True
    assert answer.json["workflowExecutionTimeoutSeconds"] == 86400


@pytest.mark.parametrize(
    "fields",
    [
        {"timeWindowType": "EXPLICIT", "timeWindowStart": "2025-01-20", "timeWindowEnd": "2025-01-25"},
        {"timeWindowType": "EXPLICIT"},
        {"timeWindowType": "YESTERDAY"},
        {"timeWindowTimeZone": "Mars/Olympus"},
        {"workflowExecutionTimeoutSeconds": 10},
        {"workflowId": "both"},
        {"workflow": None},
    ],
)
async def test_what_cannot_be_read_is_refused(caller: Caller, sim: Simulator, fields):
    answer = await caller.create(**fields)
    assert answer.status == 400
    assert answer.json["code"] == "400"
    assert answer.json["details"]
    assert await sim.admin.executions() == []


async def test_sql_that_does_not_compile_is_refused_at_create(caller: Caller):
    answer = await caller.create("SELECT nothing FROM dsp_impressions")
    assert answer.status == 400
    assert answer.json["details"].startswith(
        "Was unable to compile workflow transient because it was found to be invalid: "
    )


async def test_sql_that_does_not_compile_is_rejected_later_if_so_set(sim: Simulator, caller: Caller, finished):
    await sim.admin.put_settings({"*": {"compile_check": "execution"}})
    shown = (await caller.get(await finished("SELECT nothing FROM dsp_impressions"))).json
    assert shown["status"] == "REJECTED"
    assert "nothing" in shown["statusReason"]


async def test_a_query_that_breaks_while_running_fails(caller: Caller, finished):
    sql = "SELECT CAST(campaign AS INTEGER) AS c, count(*) AS n FROM dsp_impressions GROUP BY 1"
    shown = (await caller.get(await finished(sql))).json
    assert shown["status"] == "FAILED"
    assert "Campaign" in shown["statusReason"]


async def test_only_so_many_run_at_once_and_the_rest_wait_in_order(sim: Simulator, caller: Caller):
    await sim.admin.put_settings({"*": {"run_sql": False}})
    ids = [await caller.created() for _ in range(12)]
    await sim.admin.advance(10)
    states = [(await caller.get(one)).json["status"] for one in ids]
    assert states == ["RUNNING"] * 10 + ["PENDING"] * 2
    await caller.cancel(ids[0])
    assert (await caller.get(ids[10])).json["status"] == "RUNNING"
    assert (await caller.get(ids[11])).json["status"] == "PENDING"


async def test_the_account_has_a_limit_too(sim: Simulator, caller: Caller):
    await sim.admin.put_settings({"*": {"run_sql": False}}, account={"concurrency": 1})
    first, second = await caller.created(), await caller.created()
    await sim.admin.advance(10)
    states = [(await caller.get(one)).json["status"] for one in (first, second)]
    assert states == ["RUNNING", "PENDING"]
    await sim.admin.advance(20)
    assert (await caller.get(second)).json["status"] == "RUNNING"


async def test_a_raised_limit_lets_waiting_ones_in_at_once(sim: Simulator, caller: Caller):
    await sim.admin.put_settings({"*": {"run_sql": False, "concurrency": 1}})
    _, second = await caller.created(), await caller.created()
    await sim.admin.advance(10)
    await sim.admin.put_settings({"*": {"concurrency": 2}})
    assert (await caller.get(second)).json["status"] == "RUNNING"


async def test_cancel_ends_a_live_one_and_is_refused_afterwards(caller: Caller):
    execution_id = await caller.created()
    answer = await caller.cancel(execution_id)
    assert (answer.status, answer.json) == (200, {})
    assert (await caller.get(execution_id)).json["status"] == "CANCELLED"
    assert (await caller.cancel(execution_id)).status == 400


async def test_only_cancelled_can_be_asked_for(caller: Caller):
    path = f"/workflowExecutions/{await caller.created()}"
    assert (await caller.call("PUT", path, {"status": "SUCCEEDED"})).status == 400
    assert (await caller.call("PUT", path, {})).status == 400


async def test_cancel_stops_the_query(sim: Simulator, caller: Caller):
    sql = "SELECT sum(a.i * b.i % 7) AS n FROM range(10000000) a(i), range(10000000) b(i)"
    execution_id = await caller.created(sql)
    await sim.admin.advance(10)
    assert (await caller.get(execution_id)).json["status"] == "RUNNING"
    await caller.cancel(execution_id)
    assert (await caller.get(execution_id)).json["status"] == "CANCELLED"


async def test_a_query_that_takes_too_long_is_stopped(sim: Simulator, caller: Caller):
    sql = "SELECT sum(a.i * b.i % 7) AS n FROM range(10000000) a(i), range(10000000) b(i)"
    execution_id = await caller.created(sql, workflowExecutionTimeoutSeconds=900)
    await sim.admin.advance(909)
    assert (await caller.get(execution_id)).json["status"] == "RUNNING"
    await sim.admin.advance(1)
    shown = (await caller.get(execution_id)).json
    assert shown["status"] == "FAILED"
    assert "workflowExecutionTimeoutSeconds" in shown["statusReason"]


async def test_delete_is_there_only_where_switched_on(sim: Simulator, caller: Caller):
    path = f"/workflowExecutions/{await caller.created()}"
    assert (await caller.call("DELETE", path)).status == 405
    await sim.admin.put_settings({"*": {"allow_delete": True}})
    assert (await caller.call("DELETE", path)).status == 200
    assert (await caller.call("GET", path)).json["status"] == "CANCELLED"


async def test_two_equal_creates_make_two_executions(sim: Simulator, caller: Caller):
    first, second = await asyncio.gather(caller.created(), caller.created())
    assert first != second
    one, two = await sim.admin.executions()
    assert one["create_time"] == two["create_time"]
    assert one["sql_hash"] == two["sql_hash"]
    assert [one["number"], two["number"]] == [1, 2]


async def test_a_dry_run_ends_without_a_result(caller: Caller, finished):
    execution_id = await finished(dryRun=True)
    assert (await caller.get(execution_id)).json["status"] == "SUCCEEDED"
    assert (await caller.urls(execution_id)).status == 404


async def test_the_name_inside_an_ad_hoc_query_is_shown_if_so_set(sim: Simulator, caller: Caller):
    workflow = {"sqlQuery": SQL, "workflowId": "mine-1"}
    assert (await caller.create(workflow=workflow)).json["workflowId"].startswith("transient_")
    await sim.admin.put_settings({"*": {"echo_adhoc_workflow_id": True}})
    assert (await caller.create(workflow=workflow)).json["workflowId"] == "mine-1"


async def test_the_query_is_shown_on_demand(caller: Caller):
    execution_id = await caller.created()
    assert "sqlQuery" not in (await caller.get(execution_id)).json
    assert (await caller.get(execution_id, includeWorkflow="true")).json["sqlQuery"] == SQL


async def test_unknown_ids(sim: Simulator, caller: Caller):
    answer = await caller.get("0b0e0000")
    assert (answer.status, answer.json) == (
        400,
        {"code": "400", "details": "Workflow execution with ID 0b0e0000 does not exist."},
    )
    await sim.admin.put_settings({"*": {"unknown_id_status": 404}})
    assert (await caller.get("0b0e0000")).status == 404


async def test_an_execution_is_not_seen_from_another_instance(caller: Caller):
    execution_id = await caller.created()
    caller.instance = caller.amc.instances[1]
    assert (await caller.get(execution_id)).status == 400


async def test_instant_is_done_at_once(sim: Simulator, caller: Caller):
    await sim.admin.put_settings({"*": {"instant": True}})
    answer = await caller.create("not even SQL")
    assert answer.json["status"] == "SUCCEEDED"
    execution_id = answer.json["workflowExecutionId"]
    assert await caller.rows(execution_id) == [[execution_id, "1"]]


async def test_results_are_not_there_before_the_end(caller: Caller):
    execution_id = await caller.created()
    answer = await caller.urls(execution_id)
    assert answer.status == 404
    assert answer.json["details"] == f"Execution with ID {execution_id} is unavailable for download."


async def test_download_urls_expire_and_cannot_be_made_up(sim: Simulator, caller: Caller, finished):
    execution_id = await finished()
    answer = (await caller.urls(execution_id)).json
    (url,), (metadata,) = answer["downloadUrls"], answer["metadataDownloadUrls"]
    assert (await caller.send("GET", url)).status == 200
    assert (await caller.send("GET", metadata)).json["workflowExecutionId"] == execution_id
    assert (await caller.send("GET", url.replace("Signature=", "Signature=0"))).status == 403
    await sim.admin.advance(601)
    assert (await caller.send("GET", url)).status == 403
    assert len(await caller.rows(execution_id)) == 8


async def test_long_results_come_in_several_files_each_with_a_header(sim: Simulator, caller: Caller, finished):
    await sim.admin.put_settings({"*": {"rows_per_file": 1}})
    execution_id = await finished()
    urls = (await caller.urls(execution_id)).json["downloadUrls"]
    assert len(urls) == 5
    texts = [(await caller.send("GET", url)).content.decode() for url in urls]
    assert all(text.startswith("campaign,impressions\n") for text in texts)
    assert len(await caller.rows(execution_id)) == 8
