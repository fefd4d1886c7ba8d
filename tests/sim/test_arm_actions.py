"""Action run commands: one at a time, run by bash, answered without an exit code."""

import pytest
from arm_caller import Azure, error_of

from afield_sim.arm.shell import HOME
from afield_sim.arm.wire_commands import action_message


async def test_linux_shows_one_item_and_no_exit_code(azure: Azure):
    answer = await azure.act("echo out", "echo err >&2", "exit 123")
    assert (answer.status, answer.content) == (202, b"")
    operation = await azure.settle(answer)
    assert operation["status"] == "Succeeded"
    items = operation["properties"]["output"]["value"]
    assert items == [
        {
            "code": "ProvisioningState/succeeded",
            "level": "Info",
            "displayStatus": "Provisioning succeeded",
            "message": "Enable succeeded: \n[stdout]\nout\n\n[stderr]\nerr\n",
        }
    ]
    assert (await azure.send("GET", answer.headers["Location"])).json == {"value": items}
    assert [line["exit_code"] for line in await azure.admin.journal()] == [123]
    assert await azure.extension_status() == "ProvisioningState/succeeded"


async def test_the_operations_body_is_indented_with_crlf(azure: Azure):
    answer = await azure.act("true")
    body = (await azure.send("GET", answer.headers["Azure-AsyncOperation"])).content
    assert body.startswith(b'{\r\n  "startTime": "')


async def test_windows_shows_two_items(azure: Azure):
    windows = azure.at(2)
    answer = await windows.act("Write-Output fine", "Write-Error bad", "exit 1", command_id="RunPowerShellScript")
    items = (await windows.settle(answer))["properties"]["output"]["value"]
    assert [(one["code"], one["message"]) for one in items] == [
        ("ComponentStatus/StdOut/succeeded", "fine\n"),
        ("ComponentStatus/StdErr/succeeded", "bad\n"),
    ]
    await windows.admin.put_settings(windows_exit_fails=True)
    failed = await windows.settle(await windows.act("exit 1", command_id="RunPowerShellScript"))
    assert failed["error"]["code"] == "VMExtensionProvisioningError"
    assert '"Finished executing command"' in failed["error"]["message"]
    assert "properties" not in failed


async def test_a_second_command_conflicts_while_the_first_runs(azure: Azure):
    first = await azure.act("until [ -e $TMPDIR/go ]; do sleep 0.01; done")
    await azure.admin.wait("running")
    assert await azure.extension_status() == "ProvisioningState/transitioning"
    second = await azure.act("true")
    assert error_of(second) == (
        409,
        "Conflict",
        "Run command extension execution is in progress. Please wait for completion before invoking a run command.",
    )
    assert "Retry-After" not in second.headers
    assert (await azure.ran("other", "echo beside"))["output"] == "beside\n"
    assert (await azure.send("GET", first.headers["Location"])).status == 202
    await azure.admin.put_file(azure.vm.name, "/tmp/go", b"")
    await azure.settle(first)
    await azure.message(await azure.act("true"))
    assert len(await azure.admin.journal()) == 3


async def test_a_short_tail_of_conflicts_after_a_success(azure: Azure):
    await azure.admin.put_settings(v1_tail_seconds=5)
    await azure.message(await azure.act("true"))
    assert (await azure.act("true")).status == 409
    await azure.sim.admin.advance(5)
    await azure.message(await azure.act("true"))


async def test_the_message_is_cut_to_its_last_4096_bytes(azure: Azure):
    message = await azure.message(await azure.act("printf 'x%.0s' $(seq 5000); echo; echo end"))
    assert len(message.encode()) == 4_096
    assert "[stdout]" not in message
    assert message.endswith("x\nend\n\n[stderr]\n")


def test_the_cut_may_fall_into_a_character():
    assert action_message(("ä".encode() * 10, b""), size=13) == "\ufffdä\n[stderr]\n"


async def test_parameters_and_files_that_stay(azure: Azure):
    given = {"parameters": [{"name": "a", "value": "1"}]}
    first = await azure.message(
        await azure.act("echo $a-$1; echo kept > note; [ $PWD = $HOME ] && echo at home", **given)
    )
    assert "[stdout]\n1-1\nat home\n" in first
    assert "kept" in await azure.message(await azure.act("cat ~/note"))
    assert await azure.admin.get_file(azure.vm.name, f"{HOME}/note") == b"kept\n"


async def test_it_takes_its_minimum_time(azure: Azure):
    await azure.admin.put_settings(min_v1_seconds=60)
    answer = await azure.act("true")
    await azure.admin.wait("ended")
    assert (await azure.send("GET", answer.headers["Azure-AsyncOperation"])).json["status"] == "InProgress"


@pytest.mark.parametrize("command_id", ["Nothing", "RunPowerShellScript"])
async def test_an_unknown_document(azure: Azure, command_id: str):
    answer = await azure.act("true", command_id=command_id)
    assert error_of(answer)[2] == "The entity was not found in this Azure location."


async def test_the_catalogue_of_documents(azure: Azure):
    path = (
        f"/subscriptions/{azure.sim.arm.subscription_id}/providers/Microsoft.Compute/locations/westeurope/runCommands"
    )
    documents = {one["id"]: one for one in (await azure.send("GET", path)).json["value"]}
    assert {"RunShellScript", "ifconfig", "RunPowerShellScript", "DisableNLA"} <= set(documents)
    assert "script" not in documents["RunShellScript"]
    one = (await azure.send("GET", path + "/runshellscript")).json
    assert one["parameters"][0]["name"] == "arg1"
    assert (await azure.send("GET", path + "/nothing")).status == 404
    assert "arg1 is: x" in await azure.message(
        await azure.call(
            "POST", "/runCommand", {"commandId": "RunShellScript", "parameters": [{"name": "arg1", "value": "x"}]}
        )
    )


async def test_removing_the_extension_kills_what_runs_and_frees_what_is_stuck(azure: Azure):
    running = await azure.act("sleep 1000")
    await azure.admin.wait("running")
    removal = await azure.act(command_id="RemoveRunCommandLinuxExtension")
    assert (await azure.settle(removal))["status"] == "Succeeded"
    assert (await azure.settle(running))["status"] == "Failed"
    assert await azure.extension_status() is None
    await azure.fault("stuck_v1")
    names = [one["name"] for one in (await azure.call("GET", "/extensions")).json["value"]]
    assert names == ["RunCommandLinux"]
    assert (await azure.call("GET", "/extensions/runcommandlinux")).json["properties"][
        "provisioningState"
    ] == "Updating"
    await azure.settle(await azure.call("DELETE", "/extensions/RunCommandLinux"))
    assert (await azure.call("GET", "/extensions/RunCommandLinux")).status == 404
    assert (await azure.call("DELETE", "/extensions/RunCommandLinux")).status == 204
    await azure.message(await azure.act("true"))
