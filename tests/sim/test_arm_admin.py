"""The admin service of the simulated cloud."""

import hashlib

import pytest
from arm_caller import Azure

from afield_sim.arm.shell import HOME
from afield_sim.testing import AdminError


async def test_the_journal_tells_what_really_ran(azure: Azure):
    await azure.ran("a1", "echo one\nexit 2")
    answer = await azure.act("echo two")
    await azure.settle(answer)
    await azure.at(1).ran("b1", "true")
    lines = await azure.admin.journal(azure.vm.name)
    assert [(line["api"], line["first_line"], line["exit_code"]) for line in lines] == [
        ("v2", "echo one", 2),
        ("v1", "echo two", 0),
    ]
    assert lines[0]["name"] == "a1"
    assert lines[1]["name"] in answer.headers["Azure-AsyncOperation"]
    assert lines[0]["sha256"] == hashlib.sha256(b"echo one\nexit 2").hexdigest()
    assert len(await azure.admin.journal()) == 3


async def test_calls_are_counted_by_machine_and_kind(azure: Azure):
    await azure.ran("a1", "true")
    await azure.listed()
    calls = (await azure.admin.counters())["calls"][azure.vm.name]
    assert calls["operation"] >= 1
    assert {key: value for key, value in calls.items() if key != "operation"} == {
        "command_put": 1,
        "command_get": 1,
        "command_list": 1,
    }
    assert await azure.admin.wait("calls", call="command_list", vm=azure.vm.name) == 1


async def test_a_state_can_be_forced_and_commands_planted(azure: Azure):
    assert await azure.admin.plant(azure.vm.name, "theirs", state="Running", age_seconds=600) == ["theirs"]
    assert "endTime" not in await azure.view("theirs")
    await azure.admin.force(azure.vm.name, "theirs", "TimedOut", exit_code=-1, output="late")
    view = await azure.view("theirs")
    assert (view["executionState"], view["exitCode"], view["output"]) == ("TimedOut", -1, "late")
    assert "endTime" in view
    await azure.admin.force(azure.vm.name, "theirs", "Running", ended=True)
    assert (await azure.view("theirs"))["endTime"]
    machines = await azure.admin.vms()
    assert machines[azure.vm.name]["run_commands"]["theirs"]["planted"]


async def test_files_are_planted_and_read(azure: Azure):
    await azure.admin.put_file(azure.vm.name, f"{HOME}/app/old.log", b"1\n2\n")
    assert (await azure.ran("a1", "wc -l < ~/app/old.log; rm ~/app/old.log"))["output"] == "2\n"
    for path, status in ((f"{HOME}/app/old.log", 404), ("/etc/passwd", 404)):
        with pytest.raises(AdminError) as caught:
            await azure.admin.get_file(azure.vm.name, path)
        assert caught.value.args[0] == status
    with pytest.raises(AdminError):
        await azure.admin.put_file(azure.vm.name, "/etc/passwd", b"")


async def test_a_planted_program_is_found_first(azure: Azure):
    await azure.admin.put_file(azure.vm.name, "/srv/bin/systemctl", b"#!/bin/bash\necho planted $1\n")
    assert (await azure.ran("a1", "systemctl restart"))["output"] == "planted restart\n"


async def test_a_machine_is_added_with_a_name_that_is_taken_elsewhere(azure: Azure):
    added = await azure.admin.add_vm(azure.vm.name, resource_group="rg-other", tags={"env": "prod"})
    assert added.id != azure.vm.id
    assert (await azure.send("GET", added.id)).json["tags"] == {"env": "prod"}
    machines = f"/subscriptions/{azure.sim.arm.subscription_id}/providers/Microsoft.Compute/virtualMachines"
    names = [one["name"] for one in (await azure.send("GET", machines)).json["value"]]
    assert names.count(azure.vm.name) == 2


async def test_reset_forgets_and_kills(azure: Azure):
    await azure.put("a1", "sleep 1000", asyncExecution=True)
    await azure.admin.wait("running")
    await azure.fault("vm_missing")
    await azure.admin.reset()
    assert await azure.admin.journal() == []
    assert await azure.listed() == []
    assert (await azure.admin.settings())["enforce_limits"] is True


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/admin/arm/faults", {"nobody": {}}),
        ("PUT", "/admin/arm/faults", {"vm-01": {"nothing": {}}}),
        ("PUT", "/admin/arm/settings", {"status_grain_s": 0}),
        ("PUT", "/admin/arm/settings", []),
        ("POST", "/admin/arm/run-commands", {"vm": "vm-01"}),
    ],
)
async def test_what_is_wrong_is_said(azure: Azure, method: str, path: str, body: object):
    with pytest.raises(AdminError) as caught:
        await azure.admin.call(method, path, body)
    assert caught.value.args[0] == 422


async def test_waiting_has_an_end(azure: Azure):
    with pytest.raises(AssertionError, match="waited for running"):
        await azure.admin.wait("running", timeout=0)
