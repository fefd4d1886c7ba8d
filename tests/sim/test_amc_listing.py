"""Listing executions: defaults, filters, pages."""

import pytest
from sim_caller import Caller

from afield_sim.amc.listing import ListQuery, take_page
from afield_sim.testing import ManualClock, Simulator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_750_000_000)  # 2025-06-15T15:06:40Z


def ids(answer) -> list[str]:
    return [one["workflowExecutionId"] for one in answer.json["executions"]]


async def test_newest_first_and_cancelled_hidden(sim: Simulator, caller: Caller):
    first, second, third = [await caller.created() for _ in range(3)]
    await caller.cancel(second)
    assert ids(await caller.list_all()) == [third, first]
    assert ids(await caller.list_all(includeCancelled="true", sortAscending="true")) == [first, second, third]


async def test_one_of_two_filters_is_required(caller: Caller):
    assert (await caller.call("GET", "/workflowExecutions")).status == 400
    answer = await caller.call("GET", "/workflowExecutions", workflowId="none", minCreationTime="", nextToken="")
    assert (answer.status, answer.json) == (200, {"executions": []})


@pytest.mark.parametrize(
    "query",
    [
        {"minCreationTime": "2025-06-15"},
        {"minCreationTime": "2025-06-15T15:06:40Z"},
        {"minCreationTime": "1750000000"},
        {"maxCreationTime": "yesterday"},
        {"timeZone": "Mars/Olympus"},
        {"limit": "101"},
        {"limit": "0"},
        {"nextToken": "???"},
        {"sortAscending": "maybe"},
    ],
)
async def test_what_cannot_be_read_is_refused(caller: Caller, query):
    assert (await caller.list_all(**query)).status == 400


async def test_times_are_inclusive_and_in_the_zone_asked_for(sim: Simulator, caller: Caller):
    execution_id = await caller.created()
    for query, expected in [
        ({"minCreationTime": "2025-06-15T15:06:40"}, [execution_id]),
        ({"minCreationTime": "2025-06-15T15:06:41"}, []),
        ({"maxCreationTime": "2025-06-15T15:06:40"}, [execution_id]),
        ({"maxCreationTime": "2025-06-15T15:06:39"}, []),
        ({"minCreationTime": "2025-06-15T11:06:40", "timeZone": "America/New_York"}, [execution_id]),
        ({"minCreationTime": "2025-06-15T11:06:41", "timeZone": "America/New_York"}, []),
    ]:
        assert ids(await caller.list_all(**query)) == expected, query


async def test_pages_of_a_hundred(sim: Simulator, caller: Caller):
    planted = await sim.admin.plant(caller.instance, count=250)
    seen, token = [], ""
    sizes = []
    while True:
        answer = await caller.list_all(sortAscending="true", nextToken=token)
        seen += ids(answer)
        sizes.append(len(ids(answer)))
        if "nextToken" not in answer.json:
            break
        token = answer.json["nextToken"]
    assert sizes == [100, 100, 50]
    assert seen == [one["id"] for one in planted]


async def test_new_arrivals_shift_the_pages_of_newest_first(sim: Simulator, caller: Caller):
    await sim.admin.plant(caller.instance, count=4, age_seconds=60)
    first = await caller.list_all(limit="2")
    await caller.created()
    second = await caller.list_all(limit="2", nextToken=first.json["nextToken"])
    assert ids(first)[1] == ids(second)[0]


async def test_by_workflow(sim: Simulator, caller: Caller):
    await sim.admin.plant(caller.instance, workflow_id="a")
    (planted,) = await sim.admin.plant(caller.instance, workflow_id="b", sql="SELECT 1")
    answer = await caller.call("GET", "/workflowExecutions", workflowId="b", includeWorkflow="true")
    assert ids(answer) == [planted["id"]]
    assert answer.json["executions"][0]["sqlQuery"] == "SELECT 1"


async def test_instances_do_not_mix(sim: Simulator, caller: Caller):
    await sim.admin.plant(sim.instances[1])
    assert ids(await caller.list_all()) == []


def test_a_page_that_ends_with_the_last_one_listed_has_no_successor():
    places = [(second, second, str(second)) for second in range(5)]
    query = ListQuery(
        workflow_id=None, created_from=None, created_to=None, ascending=True,
        include_cancelled=False, include_workflow=False, limit=2, passed=0,
    )  # fmt: skip
    page = take_page(places, query, lambda one: one in {"0", "3"})
    assert (page.ids, page.next_token) == (["0", "3"], None)
