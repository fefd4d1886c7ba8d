"""The workflows product over HTTP, against the simulated AMC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from web_amc_world import PATH, SQL, AmcWorld, amc_world
from web_world import serving, working

from afield.api.app import create_app
from afield.config import Settings
from afield.kernel import Kernel
from afield.model.ids import uuid7

ENTRY = {
    "internal_execution_id",
    "amc_execution_id",
    "status",
    "progress",
    "started_at",
    "completed_at",
    "duration_seconds",
    "error_message",
    "row_count",
    "triggered_by",
}


@pytest.fixture
async def amc(kernel: Kernel) -> AsyncIterator[AmcWorld]:
    async with amc_world(kernel) as world:
        yield world


# ------------------------------------------------------------------------------------------- saved queries


async def test_saved_shown_listed_replaced_forgotten(amc: AmcWorld) -> None:
    web = amc.web
    saved = await amc.save(description="What we reach", parameters={"country": "DE"}, user_email="ann@example.com")
    path = f"{PATH}/{saved['workflow_id']}"
    assert (await web.get(path)).json == saved
    assert saved["instance_id"] == amc.instance
    assert saved["created_by"] == "ann@example.com"
    assert saved["sql_query"] == SQL
    other = await amc.save(name="Another")
    assert [one["name"] for one in (await web.get(f"{PATH}/")).json["items"]] == ["Another", "Weekly reach"]
    assert (await web.get(f"{PATH}/?instance_id={amc.instance}&limit=1")).json["items"] == [other]
    body = {"name": "Weekly reach 2", "instance_id": "amc-0", "sql_query": "SELECT campaign FROM dsp_clicks"}
    replaced = (await web.call("PUT", path, body)).json
    assert replaced["name"] == "Weekly reach 2"
    assert (replaced["description"], replaced["parameters"], replaced["time_window"]) == ("", {}, None)
    assert (replaced["created_at"], replaced["created_by"]) == (saved["created_at"], "ann@example.com")
    assert (await web.get(path)).json == replaced
    gone = await web.call("DELETE", path)
    assert (gone.status, gone.content) == (204, b"")
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/execute"), ("GET", "/executions")):
        assert (await web.problem(method, path + more))["status"] == 404
    assert (await web.problem("GET", f"{path}/execution-status"))["status"] == 404
    assert (await web.problem("PUT", path, body))["status"] == 404
    assert [one["name"] for one in (await web.get(f"{PATH}/")).json["items"]] == ["Another"]


async def test_what_is_not_saved(amc: AmcWorld) -> None:
    good: dict[str, Any] = {"name": "W", "instance_id": amc.instance, "sql_query": SQL}
    for change, status in (
        ({"sql_query": "  "}, 422),
        ({"instance_id": "amcnowhere"}, 404),
        ({"time_window": {"type": "EXPLICIT"}}, 422),
        ({"time_window": {"type": "YESTERDAYISH"}}, 422),
        ({"options": {"sql_query": "SELECT 2"}}, 422),
        ({"options": {"colour": "red"}}, 422),
        ({"parameters": {"not a name": 1}}, 422),
        ({"colour": "red"}, 422),
        ({"name": ""}, 422),
        ({"sql_query": "SELECT '\0'"}, 422),
    ):
        problem = await amc.web.problem("POST", f"{PATH}/", good | change)
        assert problem["status"] == status, change
    assert (await amc.web.get(f"{PATH}/")).json == {"items": [], "next_cursor": None}


async def test_pages_of_saved_queries(amc: AmcWorld) -> None:
    names = [(await amc.save(name=f"W{number}"))["name"] for number in range(5)]
    first = (await amc.web.get(f"{PATH}/?limit=3")).json
    rest = (await amc.web.get(f"{PATH}/?limit=3&cursor={first['next_cursor']}")).json
    assert [one["name"] for one in first["items"] + rest["items"]] == names[::-1]
    assert rest["next_cursor"] is None
    assert (await amc.web.problem("GET", f"{PATH}/?cursor=nonsense"))["status"] == 422


async def test_another_tenant_sees_nothing(amc: AmcWorld, kernel: Kernel) -> None:
    saved = await amc.save()
    run = await amc.execute(saved)
    async with serving(create_app(kernel, tenant_id=uuid7())) as stranger:
        assert (await stranger.get(f"{PATH}/")).json["items"] == []
        for path in (
            saved["workflow_id"],
            f"{saved['workflow_id']}/executions",
            f"{saved['workflow_id']}/execution-status",
            f"executions/{run['internal_execution_id']}/status",
            f"executions/{run['internal_execution_id']}/detail",
            f"executions/{run['internal_execution_id']}/results",
            f"executions/cross-reference?instance_id={amc.instance}",
        ):
            assert (await stranger.problem("GET", f"{PATH}/{path}"))["status"] == 404
        assert (await stranger.problem("DELETE", f"{PATH}/{saved['workflow_id']}"))["status"] == 404


# ------------------------------------------------------------------------------------------- runs


async def test_a_run_from_its_record_to_its_results(amc: AmcWorld, settings: Settings) -> None:
    web = amc.web
    saved = await amc.save(user_email="ann@example.com")
    run = await amc.execute(saved, triggered_by="schedule")
    assert (run["status"], run["progress"], run["state"]) == ("pending", 0, "queued")
    path = f"{PATH}/executions/{run['internal_execution_id']}"
    early = await web.problem("GET", f"{path}/results")
    assert (early["status"], early["code"]) == (409, "conflict")
    async with working(settings):
        status = await amc.until_complete(run["internal_execution_id"])
    assert (status["status"], status["progress"], status["amc_status"]) == ("completed", 100, "SUCCEEDED")
    assert status["amc_execution_id"]
    assert status["triggered_by"] == "schedule"
    assert status["duration_seconds"] >= 0
    assert len(await amc.sim.admin.executions()) == 1
    detail = (await web.get(f"{path}/detail")).json
    assert (detail["sql_query"], detail["user_email"], detail["attempts"]) == (SQL, "ann@example.com", 1)
    assert detail["timeline"][0]["kind"] == "created"
    results = (await web.get(f"{path}/results?limit=1")).json
    assert results["columns"] == ["campaign", "impressions"]
    assert len(results["rows"]) == 1
    assert results["row_count"] == status["row_count"] > 1
    assert results["truncated"] is True
    output = await web.get(results["download_url"])
    assert output.content.decode().splitlines()[0].replace('"', "") == "campaign,impressions"
    assert len(output.content) == results["size_bytes"]
    whole = (await web.get(f"{path}/results?limit=1000")).json
    assert (len(whole["rows"]), whole["truncated"]) == (status["row_count"], False)
    assert (await web.problem("POST", f"{path}/cancel"))["status"] == 409


async def test_the_same_key_runs_once(amc: AmcWorld) -> None:
    saved = await amc.save()
    path, header = f"{PATH}/{saved['workflow_id']}/execute", {"Idempotency-Key": "k"}
    first = await amc.web.post(path, headers=header)
    again = await amc.web.post(path, headers=header)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    problem = await amc.web.problem("POST", path, {"parameters": {"a": 1}}, headers=header)
    assert (problem["status"], problem["code"]) == (409, "idempotency_key_reused")
    assert (await amc.web.problem("POST", path, {"parameter": {"a": 1}}))["status"] == 422
    runs = (await amc.web.get(f"{PATH}/{saved['workflow_id']}/executions")).json
    assert [one["internal_execution_id"] for one in runs["items"]] == [first.json["internal_execution_id"]]
    assert set(runs["items"][0]) == ENTRY


async def test_cancel_and_what_is_no_run(amc: AmcWorld) -> None:
    run = await amc.execute(await amc.save())
    path = f"{PATH}/executions/{run['internal_execution_id']}"
    assert (await amc.web.call("POST", f"{path}/cancel")).status == 202
    plain = (await amc.web.post("/api/v1/executions", {"target": "amc-0", "spec": {"sql_query": SQL}})).json
    for suffix in ("status", "detail", "results"):
        assert (await amc.web.problem("GET", f"{PATH}/executions/{plain['id']}/{suffix}"))["status"] == 404
        assert (await amc.web.problem("GET", f"{PATH}/executions/{uuid4()}/{suffix}"))["status"] == 404
        assert (await amc.web.problem("GET", f"{PATH}/executions/x/{suffix}"))["status"] == 422


async def test_execution_status_of_all_kinds(amc: AmcWorld, settings: Settings) -> None:
    saved = await amc.save()
    path = f"{PATH}/{saved['workflow_id']}/execution-status"
    empty = (await amc.web.get(path)).json
    await amc.sim.admin.put_faults({amc.instance: {"failed": {"next": 1, "reason": "Out of luck."}}})
    runs = [await amc.execute(saved) for _ in range(2)]
    waiting = (await amc.web.get(path)).json
    assert waiting["execution_summary"]["pending"] == 2
    assert len(waiting["running_executions"]) == 2
    assert waiting["diagnostics"]["has_running_executions"] is True
    assert waiting["missing_amc_ids"] == []
    async with working(settings):
        ends = [await amc.until_complete(run["internal_execution_id"]) for run in runs]
    assert sorted(end["status"] for end in ends) == ["completed", "failed"]
    shown = (await amc.web.get(path)).json
    assert set(shown) == set(empty) == set(waiting)
    assert shown["total_executions"] == 2
    assert shown["running_executions"] == []
    assert [set(one) for one in shown["recent_executions"]] == [ENTRY, ENTRY]
    expected = {"pending": 0, "running": 0, "completed": 1, "failed": 1, "cancelled": 0, "missing_amc_id": 0}
    assert shown["execution_summary"] == expected
    assert [one["type"] for one in shown["diagnostics"]["recommendations"]] == ["failures"]
    failed = next(one for one in shown["recent_executions"] if one["status"] == "failed")
    assert "Out of luck" in failed["error_message"]


# ------------------------------------------------------------------------------------------- cross-reference


async def test_a_plain_get_never_calls_amc(amc: AmcWorld) -> None:
    await amc.execute(await amc.save())
    shown = await amc.cross_reference(fresh=False)
    assert await amc.calls("list") == 0
    assert (shown["success"], shown["looked"]["complete"]) == (False, False)
    assert shown["looked"]["error"].startswith("not looked yet")
    assert (shown["database_executions_count"], shown["amc_executions_count"]) == (1, None)
    fresh = await amc.cross_reference(fresh=True)
    calls = await amc.calls("list")
    assert calls > 0
    assert await amc.cross_reference(fresh=False) == fresh
    assert await amc.calls("list") == calls


async def test_many_fresh_callers_share_one_look(amc: AmcWorld) -> None:
    shown = await asyncio.gather(*(amc.cross_reference(fresh=True) for _ in range(25)))
    assert all(one == shown[0] for one in shown)
    assert shown[0]["success"] is True
    assert await amc.calls("list") == 1


async def test_both_sides_side_by_side(amc: AmcWorld, settings: Settings) -> None:
    saved = await amc.save()
    run = await amc.execute(saved)
    async with working(settings):
        end = await amc.until_complete(run["internal_execution_id"])
    (theirs,) = await amc.sim.admin.plant(amc.instance, status="RUNNING")
    queued = await amc.execute(saved)
    shown = await amc.cross_reference(fresh=True)
    assert (shown["success"], shown["instance_id"]) == (True, amc.instance)
    assert (shown["database_executions_count"], shown["amc_executions_count"]) == (2, 2)
    results = shown["cross_reference_results"]
    matched = [(one["internal_execution_id"], one["amc_execution_id"]) for one in results["matched"]]
    assert matched == [(end["internal_execution_id"], end["amc_execution_id"])]
    assert results["matched"][0]["workflow_id"] == saved["workflow_id"]
    assert [one["amc_execution_id"] for one in results["amc_only"]] == [theirs["id"]]
    missing = [(one["internal_execution_id"], one["why"]) for one in results["missing_amc_ids"]]
    assert missing == [(queued["internal_execution_id"], "queued")]
    assert (results["database_only"], results["status_mismatches"]) == ([], [])


async def test_when_amc_cannot_be_asked_nobody_is_called_an_orphan(amc: AmcWorld) -> None:
    await amc.execute(await amc.save())
    await amc.sim.admin.plant(amc.instance, status="RUNNING")
    empty_shape = await amc.cross_reference(fresh=False)
    await amc.sim.admin.put_faults({amc.instance: {"list_fails": {"status": 500}}})
    broken = await amc.cross_reference(fresh=True)
    await amc.sim.admin.clear_faults()
    await amc.sim.admin.revoke_refresh_token()
    await amc.sim.admin.revoke_access_tokens()
    refused = await amc.cross_reference(fresh=True)
    for shown in (broken, refused):
        assert set(shown) == set(empty_shape)
        assert (shown["success"], shown["looked"]["complete"]) == (False, False)
        assert shown["looked"]["error"]
        assert shown["cross_reference_results"]["amc_only"] == []
        assert shown["cross_reference_results"]["database_only"] == []
        assert shown["amc_executions_count"] is None


async def test_an_unknown_instance(amc: AmcWorld) -> None:
    problem = await amc.web.problem("GET", f"{PATH}/executions/cross-reference?instance_id=amcnowhere")
    assert (problem["status"], problem["code"]) == (404, "not_found")
    problem = await amc.web.problem("GET", f"{PATH}/executions/cross-reference")
    assert [one["field"] for one in problem["errors"]] == ["query.instance_id"]
