"""Machines: read, listed, restarted; tokens, paths and headers of every call."""

import re

import pytest
from arm_caller import API_VERSION, Azure, error_of


async def test_a_machine_with_its_instance_view_in_any_case_of_the_path(azure: Azure):
    plain = (await azure.call("GET")).json
    assert "instanceView" not in plain["properties"]
    assert plain["id"] == azure.vm.id
    assert plain["properties"]["storageProfile"]["osDisk"]["osType"] == "Linux"
    answer = await azure.send("GET", azure.vm.id.upper(), **{"$expand": "instanceView"})
    view = answer.json["properties"]["instanceView"]
    assert view == (await azure.instance_view())
    assert view["vmAgent"]["statuses"][0]["displayStatus"] == "Ready"
    assert await azure.codes() == ["ProvisioningState/succeeded", "PowerState/running"]
    assert "extensions" not in view


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "AuthenticationFailed"),
        ("Basic abc", "AuthenticationFailed"),
        ("Bearer a.b.c", "InvalidAuthenticationToken"),
        ("expired", "ExpiredAuthenticationToken"),
        ("audience", "InvalidAuthenticationTokenAudience"),
    ],
)
async def test_who_is_not_let_in(azure: Azure, authorization: str | None, code: str):
    tokens = azure.sim.tokens
    made = {
        "expired": f"Bearer {tokens.issue('https://management.azure.com', lifetime_seconds=-5)}",
        "audience": f"Bearer {tokens.issue('https://vault.azure.net')}",
    }
    azure.headers = {"Authorization": made.get(authorization, authorization)} if authorization else {}
    answer = await azure.call("GET")
    assert error_of(answer)[:2] == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


async def test_the_api_version_is_demanded(azure: Azure):
    answer = await azure.send("GET", f"{azure.sim.arm.base_url}{azure.vm.id}")
    assert error_of(answer)[:2] == (400, "MissingApiVersionParameter")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups", "SubscriptionNotFound"),
        (
            "{subscription}/resourceGroups/rg-none/providers/Microsoft.Compute/virtualMachines/x",
            "ResourceGroupNotFound",
        ),
        ("{subscription}/resourceGroups/rg-shop/providers/Microsoft.Compute/virtualMachines/x", "ResourceNotFound"),
        ("{subscription}/providers/Microsoft.Nothing/x", "InvalidResourceType"),
    ],
)
async def test_what_is_not_there(azure: Azure, path: str, code: str):
    subscription = f"/subscriptions/{azure.sim.arm.subscription_id}"
    answer = await azure.send("GET", path.format(subscription=subscription))
    assert error_of(answer)[:2] == (404, code)


async def test_lists_come_in_pages_that_name_the_next(azure: Azure):
    await azure.admin.put_settings(vm_page_size=2)
    subscription = f"/subscriptions/{azure.sim.arm.subscription_id}"
    machines = "/providers/Microsoft.Compute/virtualMachines"
    first = await azure.send("GET", subscription + machines)
    assert f"api-version={API_VERSION}" in first.json["nextLink"]
    second = await azure.send("GET", first.json["nextLink"])
    assert "nextLink" not in second.json
    found = [one["id"] for one in first.json["value"] + second.json["value"]]
    assert [one.lower() for one in found] == [vm.id.lower() for vm in azure.sim.arm.vms]
    assert "/resourceGroups/RG-SHOP/" in found[0]
    group = await azure.send("GET", f"{subscription}/resourcegroups/RG-DATA{machines}", statusOnly="true")
    assert [one["name"] for one in group.json["value"]] == ["vm-02"]
    assert "instanceView" in group.json["value"][0]["properties"]
    location = await azure.send("GET", f"{subscription}/providers/Microsoft.Compute/locations/eastus/virtualMachines")
    assert location.json == {"value": []}


async def test_a_restart_kills_what_runs_and_is_polled_to_its_end(azure: Azure):
    await azure.put("a1", "sleep 1000", asyncExecution=True)
    action = await azure.act("sleep 1000")
    await azure.admin.wait("running", at_least=2)
    answer = await azure.call("POST", "/restart")
    assert (answer.status, answer.content) == (202, b"")
    assert (await azure.send("GET", answer.headers["Location"])).status == 202
    assert (await azure.settle(answer))["status"] == "Succeeded"
    assert (await azure.send("GET", answer.headers["Location"])).status == 200
    await azure.admin.wait("idle")
    assert [line["killed"] for line in await azure.admin.journal()] == [True, True]
    assert (await azure.settle(action))["status"] == "Failed"
    assert (await azure.view("a1"))["executionState"] == "Failed"


async def test_deallocated_refuses_and_start_brings_it_back(azure: Azure):
    assert (await azure.settle(await azure.call("POST", "/deallocate")))["status"] == "Succeeded"
    assert "PowerState/deallocated" in await azure.codes()
    assert "vmAgent" not in await azure.instance_view()
    assert error_of(await azure.act("true"))[:2] == (409, "OperationNotAllowed")
    assert error_of(await azure.put("a1"))[2] == "Cannot modify extensions in the VM when the VM is not running."
    assert "requires the VM to be running" in error_of(await azure.call("POST", "/restart"))[2]
    assert "either deallocated or marked" in error_of(await azure.call("POST", "/redeploy"))[2]
    await azure.settle(await azure.call("POST", "/start"))
    assert "PowerState/running" in await azure.codes()
    await azure.settle(await azure.call("POST", "/powerOff"))
    assert "PowerState/stopped" in await azure.codes()


async def test_the_account_above_the_machines(azure: Azure):
    subscriptions = (await azure.send("GET", "/subscriptions")).json["value"]
    assert [one["subscriptionId"] for one in subscriptions] == [azure.sim.arm.subscription_id]
    one = await azure.send("GET", subscriptions[0]["id"])
    assert one.json["state"] == "Enabled"
    groups = (await azure.send("GET", f"{subscriptions[0]['id']}/resourcegroups")).json["value"]
    assert [one["name"] for one in groups] == ["rg-shop", "rg-data"]
    permissions = (await azure.call("GET", "/providers/Microsoft.Authorization/permissions")).json["value"]
    assert permissions[0]["notActions"] == []
    assert "Microsoft.Compute/virtualMachines/*" in permissions[0]["actions"]


async def test_headers_of_an_accepted_command(azure: Azure):
    answer = await azure.act("true")
    operation, location = answer.headers["Azure-AsyncOperation"], answer.headers["Location"]
    assert "Retry-After" not in answer.headers
    assert len(operation) > 1_500
    assert re.match(
        rf"{azure.sim.arm.base_url}/subscriptions/.+/locations/westeurope/operations/[-0-9a-f]+\?p=", operation
    )
    assert "monitor=true" in location
    assert answer.headers["x-ms-ratelimit-remaining-resource"].startswith("Microsoft.Compute/UpdateVM3Min;11,")
    assert answer.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    await azure.admin.put_settings(retry_after_s=1, long_urls=False)
    assert (await azure.send("GET", operation)).headers["Retry-After"] == "1"
    await azure.admin.wait("idle")
    assert len((await azure.at(1).act("true")).headers["Azure-AsyncOperation"]) < 400


async def test_an_operation_nobody_knows(azure: Azure):
    path = f"/subscriptions/{azure.sim.arm.subscription_id}/providers/Microsoft.Compute/locations/x/operations/1234"
    assert (await azure.send("GET", path)).status == 404


async def test_resource_graph_finds_a_machine_by_its_name(azure: Azure):
    await azure.settle(await azure.call("POST", "/deallocate"))
    query = (
        "Resources | where type =~ 'microsoft.compute/virtualmachines' | where name =~ 'VM-01' "
        "| project id, name, resourceGroup, subscriptionId, location, properties"
    )
    path = "/providers/microsoft.resourcegraph/resources"
    answer = await azure.send("POST", path, {"subscriptions": [azure.sim.arm.subscription_id], "query": query})
    assert answer.status == 200, answer
    assert [row["id"] for row in answer.json["data"]] == [azure.vm.id]
    extended = answer.json["data"][0]["properties"]["extended"]
    assert extended["instanceView"]["powerState"]["code"] == "PowerState/deallocated"
