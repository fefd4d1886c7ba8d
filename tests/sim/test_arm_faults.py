"""Every fault, struck at least once."""

import asyncio

import aiohttp
import pytest
from arm_caller import Azure, error_of

BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def test_stuck_is_a_conflict_for_ever_with_a_transitioning_extension(azure: Azure):
    await azure.fault("stuck_v1", age_minutes=120)
    view = (await azure.instance_view())["extensions"][0]["statuses"][0]
    assert (view["code"], view["message"]) == ("ProvisioningState/transitioning", "Enable in progress")
    assert error_of(await azure.act("true"))[1] == "Conflict"
    assert (await azure.ran("a1", "echo v2 works"))["output"] == "v2 works\n"
    await azure.settle(await azure.call("POST", "/restart"))
    await azure.message(await azure.act("true"))


@pytest.mark.parametrize(("cure", "cured"), [("restart", False), ("redeploy", True), ("reapply", True)])
async def test_stuck_may_survive_a_restart(azure: Azure, cure: str, cured: bool):
    await azure.fault("stuck_v1", survives_restart=True)
    await azure.settle(await azure.call("POST", f"/{cure}"))
    assert (await azure.act("true")).status == (202 if cured else 409)


@pytest.mark.parametrize("status", ["succeeded", "failed"])
async def test_a_false_conflict_has_a_terminal_extension(azure: Azure, status: str):
    await azure.fault("false_conflict", status=status)
    assert await azure.extension_status() == f"ProvisioningState/{status}"
    assert error_of(await azure.act("true"))[1] == "Conflict"
    await azure.settle(await azure.act(command_id="RemoveRunCommandLinuxExtension"))
    await azure.message(await azure.act("true"))


async def test_a_foreign_command_conflicts_and_a_foreign_managed_one_is_listed(azure: Azure):
    await azure.fault("foreign_command", managed=True)
    assert await azure.extension_status() == "ProvisioningState/transitioning"
    assert (await azure.act("true")).status == 409
    assert await azure.listed() == ["somebody-elses"]
    assert (await azure.view("somebody-elses"))["executionState"] == "Running"
    assert await azure.admin.journal() == []


async def test_an_agent_that_is_not_ready_never_runs_what_was_accepted(azure: Azure):
    await azure.fault("agent_not_ready", fails_after=0.01)
    agent = (await azure.instance_view())["vmAgent"]
    assert (agent["vmAgentVersion"], agent["statuses"][0]["displayStatus"]) == ("Unknown", "Not Ready")
    assert agent["statuses"][0]["code"] == "ProvisioningState/Unavailable"
    for answer in (await azure.act("true"), await azure.put("a1")):
        error = (await azure.settle(answer))["error"]
        assert error["code"] == "VMAgentStatusCommunicationError"
        assert f"VM '{azure.vm.name}' has not reported status" in error["message"]
    assert (await azure.shown("a1"))["provisioningState"] == "Failed"
    assert await azure.admin.journal() == []


async def test_deallocated_from_outside(azure: Azure):
    await azure.fault("deallocated")
    assert "PowerState/deallocated" in await azure.codes()
    assert error_of(await azure.act("true"))[1] == "OperationNotAllowed"


async def test_the_power_state_is_missing_for_a_moment(azure: Azure):
    await azure.fault("power_state_missing", next=1)
    assert await azure.codes() == ["ProvisioningState/succeeded"]
    assert await azure.codes() == ["ProvisioningState/succeeded", "PowerState/running"]


async def test_throttled_for_some_calls(azure: Azure):
    await azure.fault("throttled", seconds=7, next=1, calls=["command_put"])
    assert (await azure.call("GET")).status == 200
    answer = await azure.put("a1")
    assert error_of(answer)[:2] == (429, "OperationNotAllowed")
    assert answer.headers["Retry-After"] == "7"
    assert answer.json["error"]["details"][0] | {"message": ""} == {
        "code": "TooManyRequests",
        "target": "UpdateVM",
        "message": "",
    }
    assert (await azure.put("a1")).status == 201
    assert (await azure.admin.counters())["faults"] == {azure.vm.name: {"throttled": 1}}


async def test_unavailable_once(azure: Azure):
    await azure.fault("unavailable_once")
    assert [(await azure.call("GET")).status for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(("fault", "ran"), [("reply_lost", 1), ("reply_lost_before", 0)])
async def test_the_reply_is_lost_after_or_before_the_command_started(azure: Azure, fault: str, ran: int):
    await azure.fault(fault)
    for send in (azure.act("true"), azure.put("a1")):
        with pytest.raises(BROKEN):
            await send
    await azure.admin.wait("ended", at_least=2 * ran)
    assert len(await azure.admin.journal()) == 2 * ran
    assert await azure.listed() == ["a1"] * ran


async def test_a_slow_reply_after_the_work_is_done(azure: Azure):
    await azure.fault("slow_reply", seconds=30, accepted=True, calls=["command_put"])
    late = asyncio.create_task(azure.put("a1"))
    await azure.admin.wait("ended")
    assert not late.done()
    late.cancel()


async def test_an_operation_that_never_ends_although_the_script_did(azure: Azure):
    await azure.fault("operation_never_ends")
    answers = [await azure.act("true"), await azure.put("a1")]
    await azure.admin.wait("ended", at_least=2)
    await azure.sim.admin.advance(3_000)
    for answer in answers:
        operation = (await azure.send("GET", answer.headers["Azure-AsyncOperation"])).json
        assert operation["status"] == "InProgress"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("VMExtensionProvisioningTimeout", "Provisioning of VM extension 'RunCommandLinux' has timed out"),
        ("VMExtensionProvisioningError", "VM has reported a failure when processing extension 'RunCommandLinux'"),
        ("VMExtensionHandlerNonTransientError", "has reported terminal failure"),
        ("VMAgentStatusCommunicationError", "has not reported status for VM agent or extensions"),
        ("Odd", "my own words"),
    ],
)
async def test_an_operation_that_fails_with_a_code(azure: Azure, code: str, words: str):
    message = {"message": words} if code == "Odd" else {}
    await azure.fault("operation_fails", code=code, **message)
    for answer in (await azure.act("true"), await azure.put("a1")):
        operation = await azure.settle(answer)
        assert operation["status"] == "Failed"
        assert operation["error"]["code"] == code
        assert words in operation["error"]["message"]
    assert await azure.admin.journal() == []


async def test_an_operation_may_fail_although_the_script_ran(azure: Azure):
    await azure.fault("operation_fails", runs=True, next=2)
    assert (await azure.settle(await azure.act("true")))["status"] == "Failed"
    assert (await azure.settle(await azure.put("a1", "echo in")))["status"] == "Failed"
    await azure.admin.wait("ended", at_least=2)


async def test_output_is_truncated(azure: Azure):
    await azure.fault("output_truncated", bytes=12)
    assert await azure.message(await azure.act("echo 123456789")) == "9\n\n[stderr]\n"
    assert (await azure.ran("a1", "echo 123456789abcdef"))["output"] == "56789abcdef\n"


async def test_output_of_an_earlier_command(azure: Azure):
    await azure.message(await azure.act("echo first"))
    await azure.fault("stale_output", next=2)
    assert "first" in await azure.message(await azure.act("echo second"))
    assert (await azure.ran("a1", "echo third"))["output"] == "first\n"
    assert [line["first_line"] for line in await azure.admin.journal()] == ["echo first"]
    await azure.fault("stale_output", output="made up", runs=True)
    assert (await azure.ran("a2", "echo fourth"))["output"] == "made up"
    assert len(await azure.admin.journal()) == 2


async def test_forbidden_names_the_action_and_the_permissions_agree(azure: Azure):
    await azure.fault("forbidden", actions=["Microsoft.Compute/virtualMachines/runCommands/*"])
    status, code, text = error_of(await azure.put("a1"))
    assert (status, code) == (403, "AuthorizationFailed")
    assert "perform action 'Microsoft.Compute/virtualMachines/runCommands/write' over scope" in text
    assert azure.sim.arm.client_id in text
    permissions = (await azure.call("GET", "/providers/Microsoft.Authorization/permissions")).json["value"][0]
    assert permissions["notActions"] == ["Microsoft.Compute/virtualMachines/runCommands/*"]
    await azure.message(await azure.act("true"))


async def test_a_token_expires_once(azure: Azure):
    await azure.fault("token_expired")
    assert error_of(await azure.call("GET"))[:2] == (401, "ExpiredAuthenticationToken")
    assert (await azure.call("GET")).status == 200


async def test_a_listing_is_cut_or_its_page_fails(azure: Azure):
    await azure.admin.plant(azure.vm.name, "old", count=3)
    await azure.fault("listing_cut", next=1)
    assert len(await azure.listed()) == 2
    assert len(await azure.listed()) == 3
    await azure.admin.put_settings(command_page_size=2, vm_page_size=2)
    await azure.admin.put_faults({"*": {"listing_cut": {"page": 2}}})
    await azure.admin.clear_faults(azure.vm.name)
    machines = f"/subscriptions/{azure.sim.arm.subscription_id}/providers/Microsoft.Compute/virtualMachines"
    for first in (await azure.call("GET", "/runCommands"), await azure.send("GET", machines)):
        assert first.status == 200
        assert (await azure.send("GET", first.json["nextLink"])).status == 500


async def test_slow_to_show_in_the_list_and_in_reads(azure: Azure):
    await azure.fault("slow_to_show", seconds=5, get=True)
    await azure.settle(await azure.put("a1"))
    assert await azure.listed() == []
    assert (await azure.call("GET", "/runCommands/a1")).status == 404
    await azure.sim.admin.advance(5)
    assert await azure.listed() == ["a1"]
    assert (await azure.call("GET", "/runCommands/a1")).status == 200


async def test_extension_operations_are_off(azure: Azure):
    await azure.fault("extension_operations_off")
    assert (await azure.call("GET")).json["properties"]["osProfile"]["allowExtensionOperations"] is False
    for answer in (await azure.act("true"), await azure.put("a1")):
        assert error_of(answer)[:2] == (409, "OperationNotAllowed")
        assert "osProfile.allowExtensionOperations property is true" in error_of(answer)[2]


async def test_a_machine_that_is_missing(azure: Azure):
    await azure.fault("vm_missing")
    assert error_of(await azure.call("GET"))[:2] == (404, "ResourceNotFound")
    machines = f"/subscriptions/{azure.sim.arm.subscription_id}/providers/Microsoft.Compute/virtualMachines"
    assert azure.vm.name not in [one["name"] for one in (await azure.send("GET", machines)).json["value"]]


async def test_leftovers_fill_the_machine(azure: Azure):
    await azure.fault("limit_25")
    assert len(await azure.listed()) == 25
    assert "exceeded" in error_of(await azure.put("a1"))[2]


async def test_faults_are_added_taken_back_and_checked(azure: Azure):
    await azure.fault("stuck_v1")
    await azure.fault("vm_missing")
    assert set((await azure.admin.faults())[azure.vm.name]) == {"stuck_v1", "vm_missing"}
    await azure.admin.clear_faults(azure.vm.name, "vm_missing")
    assert set((await azure.admin.faults())[azure.vm.name]) == {"stuck_v1"}
    await azure.admin.clear_faults(azure.vm.name)
    assert await azure.admin.faults() == {}
