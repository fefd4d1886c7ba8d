"""Resource Graph: the words of a query, and the route."""

from typing import Any

import pytest
from arm_caller import Azure, error_of

from afield_sim.arm.graph import run_query
from afield_sim.arm.kusto import QueryError

MACHINES = "microsoft.compute/virtualmachines"
ROWS: list[dict[str, object]] = [
    {
        "name": name,
        "type": MACHINES if name != "disk-1" else "microsoft.compute/disks",
        "resourceGroup": group,
        "tags": {"env": env, "cost-centre": "7"} if env else None,
        "properties": {"extended": {"instanceView": {"powerState": {"code": f"PowerState/{power}"}}}, "size": size},
    }
    for name, group, env, power, size in [
        ("Web-01", "rg-shop", "prod", "running", 2),
        ("web-02", "rg-shop", "test", "deallocated", 10),
        ("db_01", "rg-data", None, "running", 4),
        ("disk-1", "rg-data", "prod", "", 1),
    ]
]


def names(query: str) -> list[object]:
    return [row["name"] for row in run_query(query, ROWS)]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("name =~ 'WEB-01'", ["Web-01"]),
        ("name == 'web-01'", []),
        ('name == "Web-01"', ["Web-01"]),
        ("type =~ 'Microsoft.Compute/virtualMachines' and name contains 'b'", ["Web-01", "web-02", "db_01"]),
        ("name in~ ('WEB-02', 'db_01')", ["web-02", "db_01"]),
        ("name in ('WEB-02', 'db_01')", ["db_01"]),
        ("name !in~ ('WEB-02','db_01','disk-1')", ["Web-01"]),
        ("name startswith 'WEB' and not_there == 'x'", []),
        ("name has 'web'", ["Web-01", "web-02"]),
        ("name has 'we'", []),
        ("name !startswith 'web'", ["db_01", "disk-1"]),
        ("name endswith '-02' or tags.env =~ 'prod' and resourceGroup == 'rg-data'", ["web-02", "disk-1"]),
        ("(name endswith '-02' or tags['env'] =~ 'prod') and resourceGroup == 'rg-shop'", ["Web-01", "web-02"]),
        ("tags['cost-centre'] == '7' and properties.size == 10", ["web-02"]),
        ("tolower(name)=='web-01'", ["Web-01"]),
        ("properties.extended.instanceView.powerState.code != 'PowerState/running'", ["web-02", "disk-1"]),
    ],
)
def test_conditions(condition: str, found: list[str]):
    assert names(f"Resources | where {condition}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("resources // everything\n| order by name asc | take 2", ["Web-01", "db_01"]),
        ("Resources | sort by properties.size", ["web-02", "db_01", "Web-01", "disk-1"]),
        ("Resources | order by resourceGroup asc, name desc", ["disk-1", "db_01", "web-02", "Web-01"]),
        ("Resources | where name =~ 'web-01' | where name =~ 'web-02'", []),
        ("ResourceContainers", []),
    ],
)
def test_order_and_number(query: str, found: list[str]):
    assert names(query) == found


def test_columns_are_chosen_and_named():
    state = "properties.extended.instanceView.powerState.code"
    query = f"Resources | where name =~ 'web-01' | project name, power = {state}, tags.env, gone"
    chosen = {"name": "Web-01", "power": "PowerState/running", "tags_env": "prod", "gone": None}
    assert run_query(query, ROWS) == [chosen]
    (row,) = run_query("Resources | extend env = tags.env | where env == 'test'", ROWS)
    assert (row["name"], row["env"]) == ("web-02", "test")
    assert run_query("Resources | where name has 'web' | count", ROWS) == [{"Count": 2}]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "expected a table but found the end of the query"),
        ("Machines | take 1", "'machines' is not known"),
        ("Resources | summarize count() by type", "found summarize at position 12"),
        ("Resources | where name ~= 'x'", "cannot read"),
        ("Resources | where name matches 'x'", "found matches"),
        ("Resources | where name =~ other", "expected a value but found other"),
        ("Resources | where (name =~ 'x'", "expected ) but found the end of the query"),
        ("Resources | take many", "expected a number"),
        ("Resources | where name =~ 'x", "cannot read"),
    ],
)
def test_what_is_not_understood_is_said(query: str, problem: str):
    with pytest.raises(QueryError) as caught:
        run_query(query, ROWS)
    assert problem in str(caught.value)


async def ask(azure: Azure, query: str, *, subscriptions: list[str] | None = None, **options: Any):
    body: dict[str, object] = {"query": query, "options": options}
    if subscriptions is not None:
        body["subscriptions"] = subscriptions
    return await azure.send("POST", "/providers/Microsoft.ResourceGraph/resources", body)


async def test_a_machine_is_found_by_its_name(azure: Azure):
    query = f"Resources | where type =~ '{MACHINES}' | where name =~ '{azure.vm.name.upper()}'"
    answer = await ask(azure, f"{query} | project id, name, subscriptionId, properties")
    assert answer.status == 200, answer
    (row,) = answer.json["data"]
    assert row["id"].lower() == azure.vm.id.lower()
    assert row["properties"]["extended"]["instanceView"]["powerState"]["code"] == "PowerState/running"
    assert (answer.json["totalRecords"], answer.json["count"], answer.json["resultTruncated"]) == (1, 1, "false")
    assert answer.headers["x-ms-user-quota-remaining"].isdecimal()
    assert answer.headers["x-ms-user-quota-resets-after"] == "00:00:05"


async def test_pages_and_subscriptions(azure: Azure):
    query, seen, token = f"Resources | where type =~ '{MACHINES}' | order by name asc | project name", [], ""
    while True:
        page = (await ask(azure, query, **{"$top": 2, "$skipToken": token})).json
        seen += [row["name"] for row in page["data"]]
        token = page.get("$skipToken", "")
        if not token:
            break
    assert seen == sorted(vm.name for vm in azure.sim.arm.vms)
    assert (await ask(azure, query, **{"$skip": 2})).json["count"] == len(seen) - 2
    assert (await ask(azure, query, subscriptions=[azure.sim.arm.subscription_id.upper()])).json["count"] == len(seen)
    assert (await ask(azure, query, subscriptions=["11111111-1111-1111-1111-111111111111"])).json["data"] == []


async def test_the_route_refuses(azure: Azure):
    status, code, message = error_of(await ask(azure, "Resources | join kind=inner"))
    assert (status, code) == (400, "BadRequest")
    assert "found join at position 12" in message
    assert error_of(await ask(azure, "Resources", **{"$skipToken": "mine"}))[:2] == (400, "BadRequest")
    assert error_of(await ask(azure, "Resources", **{"$top": 5000}))[0] == 400
    url = f"{azure.sim.arm.base_url}/providers/Microsoft.ResourceGraph/resources"
    assert error_of(await azure.send("POST", url, {"query": "Resources"}))[1] == "MissingApiVersionParameter"
    azure.headers = {}
    assert (await ask(azure, "Resources")).status == 401
