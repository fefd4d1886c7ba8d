"""The published SDK for Azure Compute against the simulated cloud, in threads and in asyncio."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from arm_caller import Azure
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.aio import ComputeManagementClient as AsyncComputeManagementClient

POLL = {"polling_interval": 0.02}


class Bearer(SansIOHTTPPolicy):
    """Sets the token itself, and so allows plain http."""

    def __init__(self, authorization: str) -> None:
        self.authorization = authorization

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = self.authorization


class NoCredential:
    def get_token(self, *scopes: str, **more: Any) -> Any:
        raise AssertionError("the policy has the token")

    async def close(self) -> None:
        pass


def arguments(azure: Azure) -> dict[str, Any]:
    policy = Bearer(azure.headers["Authorization"])
    return {"base_url": azure.sim.arm.base_url, "authentication_policy": policy, "retry_total": 0}


@pytest.fixture
def compute(azure: Azure):
    """Calls the client in a thread, so that the simulator in this loop can answer."""
    client = ComputeManagementClient(NoCredential(), azure.sim.arm.subscription_id, **arguments(azure))
    yield lambda work: asyncio.to_thread(work, client)
    client.close()


@pytest.fixture
async def compute_aio(azure: Azure):
    async with AsyncComputeManagementClient(
        NoCredential(), azure.sim.arm.subscription_id, **arguments(azure)
    ) as client:
        yield client


Compute = Callable[[Callable[[ComputeManagementClient], Any]], Any]
RUN = {"command_id": "RunShellScript", "script": ["echo hello", "exit 9"]}


async def test_sync_machines_and_their_lists(azure: Azure, compute: Compute):
    await azure.admin.put_settings(vm_page_size=2)
    vm = azure.vm
    found = await compute(lambda c: c.virtual_machines.get(vm.resource_group, vm.name, expand="instanceView"))
    assert found.storage_profile.os_disk.os_type == "Linux"
    assert found.instance_view.statuses[-1].code == "PowerState/running"
    assert found.instance_view.extensions is None
    view = await compute(lambda c: c.virtual_machines.instance_view(vm.resource_group, vm.name))
    assert view.vm_agent.statuses[0].message == "Guest Agent is running"
    names = await compute(lambda c: [one.name for one in c.virtual_machines.list_all()])
    assert names == [one.name for one in azure.sim.arm.vms]
    in_group = await compute(lambda c: [one.name for one in c.virtual_machines.list("RG-data")])
    assert in_group == ["vm-02"]
    documents = await compute(lambda c: [one.id for one in c.virtual_machine_run_commands.list("westeurope")])
    assert "RunShellScript" in documents


async def test_sync_action_command_goes_on_from_a_token_without_a_second_post(azure: Azure, compute: Compute):
    vm = azure.vm
    body = {"commandId": "RunShellScript", "script": ["until [ -e $TMPDIR/go ]; do sleep 0.01; done; echo hello"]}
    token = await compute(
        lambda c: c.virtual_machines.begin_run_command(vm.resource_group, vm.name, body, **POLL).continuation_token()
    )
    with pytest.raises(ResourceExistsError) as caught:
        await compute(lambda c: c.virtual_machines.begin_run_command(vm.resource_group, vm.name, body, **POLL))
    assert caught.value.error.code == "Conflict"
    await azure.admin.put_file(vm.name, "/tmp/go", b"")
    result = await compute(
        lambda c: c.virtual_machines.begin_run_command(
            vm.resource_group, vm.name, None, continuation_token=token, **POLL
        ).result()
    )
    assert result.value[0].message == "Enable succeeded: \n[stdout]\nhello\n\n[stderr]\n"
    assert len(await azure.admin.journal()) == 1


async def test_sync_managed_command(azure: Azure, compute: Compute):
    vm = azure.vm
    body = {
        "location": "westeurope",
        "properties": {"source": {"script": "echo $a; exit 3"}, "parameters": [{"name": "a", "value": "b"}]},
    }
    commands = "virtual_machine_run_commands"
    created = await compute(
        lambda c: getattr(c, commands).begin_create_or_update(vm.resource_group, vm.name, "a1", body, **POLL).result()
    )
    assert created.provisioning_state == "Succeeded"
    found = await compute(
        lambda c: getattr(c, commands).get_by_virtual_machine(vm.resource_group, vm.name, "a1", expand="instanceView")
    )
    view = found.instance_view
    assert (view.execution_state, view.exit_code, view.output) == ("Failed", 3, "b\n")
    assert view.end_time is not None
    patch = {"properties": {"source": {"script": "echo c"}}}
    await compute(lambda c: getattr(c, commands).begin_update(vm.resource_group, vm.name, "a1", patch, **POLL).result())
    listed = await compute(
        lambda c: list(getattr(c, commands).list_by_virtual_machine(vm.resource_group, vm.name, expand="instanceView"))
    )
    assert [one.instance_view.output for one in listed] == ["c\n"]
    await compute(lambda c: getattr(c, commands).begin_delete(vm.resource_group, vm.name, "a1", **POLL).result())
    assert await azure.listed() == []


async def test_sync_errors_are_those_of_azure(azure: Azure, compute: Compute):
    vm = azure.vm
    with pytest.raises(ResourceNotFoundError):
        await compute(lambda c: c.virtual_machines.get(vm.resource_group, "nobody"))
    await azure.fault("token_expired")
    with pytest.raises(ClientAuthenticationError) as caught:
        await compute(lambda c: c.virtual_machines.get(vm.resource_group, vm.name))
    assert caught.value.error.code == "ExpiredAuthenticationToken"
    await azure.fault("operation_fails", code="VMExtensionProvisioningTimeout")
    body = {"commandId": "RunShellScript", "script": ["true"]}
    with pytest.raises(HttpResponseError) as failed:
        await compute(lambda c: c.virtual_machines.begin_run_command(vm.resource_group, vm.name, body, **POLL).result())
    assert (failed.value.status_code, failed.value.error.code) == (200, "VMExtensionProvisioningTimeout")


async def test_aio_a_whole_life(azure: Azure, compute_aio: AsyncComputeManagementClient):
    vm, machines, commands = azure.vm, compute_aio.virtual_machines, compute_aio.virtual_machine_run_commands
    assert [one.name async for one in machines.list_all()] == [one.name for one in azure.sim.arm.vms]
    body = {
        "location": "westeurope",
        "properties": {"source": {"script": "echo live; sleep 1000"}, "asyncExecution": True, "timeoutInSeconds": 60},
    }
    poller = await commands.begin_create_or_update(vm.resource_group, vm.name, "a1", body, **POLL)
    assert (await poller.result()).async_execution is True
    found = await commands.get_by_virtual_machine(vm.resource_group, vm.name, "a1", expand="instanceView")
    assert found.instance_view.execution_state == "Running"
    await (await commands.begin_delete(vm.resource_group, vm.name, "a1", **POLL)).result()
    await azure.admin.wait("idle")
    action = await machines.begin_run_command(
        vm.resource_group, vm.name, {"commandId": "RunShellScript", "script": ["echo hello"]}, **POLL
    )
    assert "hello" in (await action.result()).value[0].message
    assert await (await machines.begin_restart(vm.resource_group, vm.name, **POLL)).result() is None
    assert [line["killed"] for line in await azure.admin.journal()] == [True, False]


async def test_aio_throttled_and_forbidden(azure: Azure, compute_aio: AsyncComputeManagementClient):
    vm = azure.vm
    await azure.fault("throttled", seconds=1, next=1)
    with pytest.raises(HttpResponseError) as throttled:
        await compute_aio.virtual_machines.get(vm.resource_group, vm.name)
    assert (throttled.value.status_code, throttled.value.error.code) == (429, "OperationNotAllowed")
    await azure.fault("forbidden", actions=["*/read"])
    with pytest.raises(HttpResponseError) as forbidden:
        await compute_aio.virtual_machines.get(vm.resource_group, vm.name)
    assert "Microsoft.Compute/virtualMachines/read" in forbidden.value.message
