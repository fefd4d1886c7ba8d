"""Saved queries, schedules, instances, accounts, data sources."""

import pytest
from sim_caller import SQL, Caller

from afield_sim.testing import running_simulator

SAVED = {"workflowId": "weekly.reach_v-1", "sqlQuery": SQL}


async def test_a_saved_query_comes_and_goes(caller: Caller, finished):
    made = await caller.call("POST", "/workflows", SAVED)
    assert (made.status, made.content, made.headers["Content-Type"]) == (200, b"{}", "application/octet-stream")
    path = "/workflows/weekly.reach_v-1"
    assert (await caller.call("GET", path)).json == SAVED
    assert (await caller.call("GET", "/workflows")).json == {"workflows": [SAVED]}
    assert (await caller.call("PUT", path, {"sqlQuery": SQL, "description": "new"})).status == 200
    assert (await caller.call("GET", path)).json["description"] == "new"
    assert (await caller.call("DELETE", path)).status == 200
    assert (await caller.call("GET", path)).status == 404


async def test_a_name_is_given_once(caller: Caller):
    await caller.call("POST", "/workflows", SAVED)
    again = await caller.call("POST", "/workflows", SAVED)
    assert again.status == 400
    assert again.json["details"] == "Workflow with ID weekly.reach_v-1 already exists."


@pytest.mark.parametrize(
    "body", [{"sqlQuery": SQL}, {"workflowId": "a b", "sqlQuery": SQL}, {"workflowId": "x"}, [], "text"]
)
async def test_bad_saved_queries_are_refused(caller: Caller, body):
    assert (await caller.call("POST", "/workflows", body)).status == 400


async def test_a_saved_query_must_compile(caller: Caller):
    answer = await caller.call("POST", "/workflows", {"workflowId": "bad", "sqlQuery": "SELEC"})
    assert answer.json["details"].startswith("Was unable to compile workflow bad because")


async def test_an_execution_of_a_saved_query(caller: Caller, finished):
    await caller.call("POST", "/workflows", SAVED)
    body = {"workflowId": SAVED["workflowId"], "timeWindowType": "ALL"}
    answer = await caller.call("POST", "/workflowExecutions", body)
    assert answer.json["workflowId"] == SAVED["workflowId"]
    unknown = await caller.call("POST", "/workflowExecutions", {"workflowId": "nobody"})
    assert unknown.status == 404


async def test_schedules_are_stored(caller: Caller):
    body = {"workflowId": "w", "aggregationPeriod": "Weekly", "scheduleEnabled": True}
    name = (await caller.call("POST", "/schedules", body)).json["scheduleId"]
    assert (await caller.call("GET", f"/schedules/{name}")).json == {**body, "scheduleId": name}
    changed = {**body, "scheduleEnabled": False}
    assert (await caller.call("PUT", f"/schedules/{name}", changed)).status == 200
    listed = (await caller.call("GET", "/schedules")).json
    assert listed == {"schedules": [{**changed, "scheduleId": name}]}
    assert (await caller.call("DELETE", f"/schedules/{name}")).status == 200
    assert (await caller.call("GET", f"/schedules/{name}")).status == 404
    assert (await caller.call("POST", "/schedules", {})).status == 400
    assert (await caller.call("POST", "/schedules", {"workflowId": "w", "aggregationPeriod": "Yearly"})).status == 400


async def test_instances(caller: Caller):
    listed = await caller.amc_call("GET", "/amc/instances", limit=1)
    assert [one["instanceId"] for one in listed.json["instances"]] == [caller.amc.instances[0]]
    rest = await caller.amc_call("GET", "/amc/instances", nextToken=listed.json["nextToken"])
    assert [one["instanceId"] for one in rest.json["instances"]] == [caller.amc.instances[1]]
    assert "nextToken" not in rest.json
    one = (await caller.amc_call("GET", f"/amc/instances/{caller.instance}")).json["instance"]
    assert one["creationStatus"] == "COMPLETED"


async def test_accounts_need_no_entity(caller: Caller):
    wanted = {"Authorization", "Amazon-Advertising-API-ClientId"}
    caller.headers = {key: value for key, value in caller.headers.items() if key in wanted}
    (account,) = (await caller.amc_call("GET", "/amc/accounts")).json["amcAccounts"]
    assert account["accountId"] == caller.amc.entity_id


async def test_data_sources(caller: Caller):
    names = [one["dataSourceId"] for one in (await caller.call("GET", "/dataSources")).json["dataSources"]]
    assert "dsp_impressions" in names
    assert (await caller.call("GET", "/dataSources/dsp_clicks")).json["dataSourceId"] == "dsp_clicks"
    assert (await caller.call("GET", "/dataSources/nothing")).status == 404


async def test_the_number_of_instances_can_be_chosen():
    async with running_simulator(instances=120) as sim:
        assert len(set(sim.instances)) == 120
