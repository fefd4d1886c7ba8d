"""The control plane of session pools."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sessions_caller import Sessions, pools_with

from afield_sim.testing import ManualClock, PoolAccess

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
TEMPLATE = {"containers": [{"image": "afield-sandbox:1", "name": "c"}], "ingress": {"targetPort": 2000}}


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    async with pools_with(clock=ManualClock()) as sessions:
        yield sessions


def body(**properties: Any) -> dict[str, Any]:
    custom = {"containerType": "CustomContainer", "customContainerTemplate": TEMPLATE}
    scale = {"readySessionInstances": 1, "maxConcurrentSessions": 3}
    return {"location": "West Europe", "properties": {**custom, "scaleConfiguration": scale, **properties}}


async def test_a_custom_pool(pool: Sessions):
    shown = (await pool.arm("GET")).json
    properties = shown["properties"]
    assert (shown["id"], shown["type"]) == (pool.pool.resource_id, "Microsoft.App/sessionpools")
    assert properties["containerType"] == "CustomContainer"
    assert properties["poolManagementType"] == "Dynamic"
    assert properties["poolManagementEndpoint"] == pool.pool.endpoint
    assert properties["scaleConfiguration"] == {"readySessionInstances": 1, "maxConcurrentSessions": 10}
    assert properties["dynamicPoolConfiguration"] == {
        "lifecycleConfiguration": {"lifecycleType": "Timed", "cooldownPeriodInSeconds": 300}
    }
    assert properties["customContainerTemplate"]["ingress"] == {"targetPort": 2000}
    assert "template" not in properties
    assert properties["provisioningState"] == "Succeeded"
    active = properties["templateUpdateStatus"]["activeTemplate"]
    assert (active["details"], active["ingress"]) == ("Running", {"targetPort": 2000})


async def test_a_code_interpreter_pool(pool: Sessions):
    found = pool.at(pool.sim.sessions.interpreter)
    properties = await found.properties()
    assert properties["containerType"] == "PythonLTS"
    assert properties["customContainerTemplate"] is None
    assert properties["templateUpdateStatus"] is None
    assert properties["poolManagementEndpoint"] == found.pool.endpoint
    assert "/dynamicsessions/subscriptions/" in found.pool.endpoint


async def test_lists(pool: Sessions):
    subscription, _, group = pool.pool.resource_id.partition("/providers")[0].partition("/resourceGroups")
    names = {"custom-1", "interpreter-1", "shell-1"}
    for scope in (subscription, f"{subscription}/resourceGroups{group}"):
        listed = await pool.arm("GET", url=f"{scope}/providers/Microsoft.App/sessionPools")
        assert {one["name"] for one in listed.json["value"]} == names
    empty = await pool.arm("GET", url=f"{subscription}/resourceGroups/rg-shop/providers/Microsoft.App/sessionPools")
    assert empty.json["value"] == []


async def test_resource_graph(pool: Sessions):
    query = "Resources | where type =~ 'microsoft.app/sessionpools' | project name, p = properties.containerType"
    answer = await pool.arm("POST", {"query": query}, url=GRAPH)
    assert {one["name"]: one["p"] for one in answer.json["data"]} == {
        "custom-1": "CustomContainer",
        "interpreter-1": "PythonLTS",
        "shell-1": "Shell",
    }


async def test_unknown_pools(pool: Sessions):
    elsewhere = pool.pool.resource_id.replace("rg-data", "rg-shop")
    for url in (f"{pool.pool.resource_id}x", elsewhere):
        answer = await pool.arm("GET", url=url)
        assert (answer.status, answer.json["error"]["code"]) == (404, "ResourceNotFound")


async def test_a_pool_is_made_used_and_removed(pool: Sessions):
    await pool.admin.settings(provisioning_s=60)
    url = pool.pool.resource_id.replace("custom-1", "judges")
    made = await pool.arm("PUT", body(), url=url)
    assert (made.status, made.json["properties"]["provisioningState"]) == (201, "InProgress")
    await pool.sim.admin.advance(61)
    shown = (await pool.arm("GET", url=url)).json
    assert shown["properties"]["provisioningState"] == "Succeeded"
    fresh = pool.at(PoolAccess(shown["properties"]["poolManagementEndpoint"], url, "judges"))
    assert (await fresh.send("GET", "/x")).status == 200
    assert (await pool.arm("PUT", body(), url=url)).status == 200
    assert [(await pool.arm("DELETE", url=url)).status for _ in range(2)] == [200, 204]
    assert (await fresh.send("GET", "/x")).status == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scaleConfiguration": {"readySessionInstances": 0}}, "SessionPoolInvalidReadySessionInstances"),
        ({"scaleConfiguration": {"readySessionInstances": 3}}, "SessionPoolInvalidReadySessionInstances"),
        ({"scaleConfiguration": {"maxConcurrentSessions": 601}}, "InvalidParameterValueInSessionPool"),
        ({"customContainerTemplate": None}, "InvalidParameterValueInSessionPool"),
        ({"customContainerTemplate": {**TEMPLATE, "containers": []}}, "InvalidParameterValueInSessionPool"),
        (
            {"dynamicPoolConfiguration": {"lifecycleConfiguration": {"cooldownPeriodInSeconds": 299}}},
            "SessionPoolInvalidCooldownPeriod",
        ),
        ({"dynamicPoolConfiguration": {"executionType": "Timed", "cooldownPeriodInSeconds": 4000}}, "InvalidParameter"),
    ],
)
async def test_bad_pools(pool: Sessions, change: dict[str, Any], code: str):
    scale = {"readySessionInstances": 1, "maxConcurrentSessions": 3, **change.get("scaleConfiguration", {})}
    url = pool.pool.resource_id.replace("custom-1", "judges")
    answer = await pool.arm("PUT", body(**{**change, "scaleConfiguration": scale}), url=url)
    assert answer.status == 400
    assert answer.json["error"]["code"].startswith(code)
    assert (await pool.arm("GET", url=url)).status == 404


async def test_a_bad_name(pool: Sessions):
    for name in ("Judges_1", "ab", "1judge"):
        assert (await pool.arm("PUT", body(), url=pool.pool.resource_id.replace("custom-1", name))).status == 400


async def test_a_patch_changes_what_it_names(pool: Sessions):
    old = await pool.properties()
    patch = {"scaleConfiguration": {"maxConcurrentSessions": 5}}
    new = (await pool.arm("PATCH", {"properties": patch})).json["properties"]
    assert new["scaleConfiguration"] == {"readySessionInstances": 1, "maxConcurrentSessions": 5}
    assert new["customContainerTemplate"] == old["customContainerTemplate"]


async def test_the_old_form_of_the_cooldown(pool: Sessions):
    patch = {"dynamicPoolConfiguration": {"executionType": "Timed", "cooldownPeriodInSeconds": 600}}
    new = (await pool.arm("PATCH", {"properties": patch})).json["properties"]
    assert new["dynamicPoolConfiguration"]["lifecycleConfiguration"]["cooldownPeriodInSeconds"] == 600


async def test_more_instances_wait_when_more_are_wanted(pool: Sessions):
    await pool.boot()
    await pool.admin.wait("ready")
    await pool.arm("PATCH", {"properties": {"scaleConfiguration": {"readySessionInstances": 2}}})
    await pool.admin.wait("ready", at_least=2)
    assert (await pool.status())["readyCount"] == 2


async def test_secrets_are_not_shown(pool: Sessions):
    secrets = [{"name": "key", "value": "hush"}]
    shown = await pool.arm("PATCH", {"properties": {"secrets": secrets}})
    assert shown.json["properties"]["secrets"] == [{"name": "key"}]
    assert b"hush" not in (await pool.arm("GET")).content
