"""Managed and action run commands on the wire: what is sent, and what the recorded replies mean."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from azure_world import run_command, vm_body
from pydantic import ValidationError

from afield.connectors.azure.action import VmActionSpec, build_action
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.operations import of_operation, parse_operation
from afield.connectors.azure.outcome import of_error
from afield.connectors.azure.preflight import judge
from afield.connectors.azure.view import parse_run_command, parse_vm
from afield.connectors.azure.wire import VmCommandSpec, build_run_command, entry_of, over, powershell, result_of
from afield.connectors.azure.wrapper import powershell_wrapper, shell_wrapper
from afield.connectors.base import NotSent, Refused, RemoteState, Unknown

KEY = "afield-0123-1"
LINUX, WINDOWS = parse_vm(vm_body()), parse_vm(vm_body("Windows"))


def _spec(**fields: Any) -> VmCommandSpec:
    return VmCommandSpec.model_validate({"script": "echo hi"} | fields)


# ---------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize("wrong", [None, "", "web1", "/subscriptions/s/resourceGroups/g", "{id}/runCommands/x"])
def test_an_address_without_a_vm_says_what_is_required(wrong: str | None) -> None:
    given = {} if wrong is None else {"resource_id": wrong}
    with pytest.raises(ValidationError, match="Azure connector requires resource_id"):
        VmAddress.model_validate(given)


def test_an_address_is_compared_without_case_and_sends_tokens_nowhere_in_clear() -> None:
    vm_id = "/SUBSCRIPTIONS/s/resourcegroups/OPS/providers/microsoft.compute/virtualMachines/Web1"
    address = VmAddress(resource_id=vm_id)
    assert (address.subscription_id, address.resource_group, address.vm_name) == ("s", "OPS", "Web1")
    assert address.same_vm(vm_id.lower())
    assert VmAddress(resource_id=vm_id, management_url="http://127.0.0.1:8080/").host == "127.0.0.1:8080"
    with pytest.raises(ValidationError, match="must be https"):
        VmAddress(resource_id=vm_id, management_url="http://arm.example.com")


# ---------------------------------------------------------------------------------------- requests


def test_a_run_command_is_sent_with_its_time_limit_and_without_what_old_handlers_refuse() -> None:
    body = build_run_command(_spec(env={"B": "2", "A": "1"}, timeout_s=1.5, run_as="ops"), LINUX, KEY)
    assert body == {
        "location": "westeurope",
        "tags": {"afield": KEY},
        "properties": {
            "source": {"script": "echo hi"},
            "asyncExecution": True,
            "timeoutInSeconds": 2,
            "parameters": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
            "runAsUser": "ops",
        },
    }
    assert "treatFailureAsDeploymentFailure" not in json.dumps(body)


async def test_arguments_reach_bash_as_they_were_given() -> None:
    arguments = ("plain", "two words", "; rm -rf /", "$HOME", 'it\'s "quoted"', "line\nline", "")
    body = build_run_command(_spec(arguments=arguments), LINUX, KEY)
    parameters: Any = body["properties"]
    unquoted = " ".join(one["value"] for one in parameters["parameters"])
    shown = await _run(f"show() {{ for a; do printf '%s\\0' \"$a\"; done; }}; show {unquoted}")
    assert shown[0].decode().split("\0")[:-1] == list(arguments)


def test_a_windows_script_carries_its_values_as_data() -> None:
    text = powershell(_spec(script="param($who)\nexit 3", env={"NAME": "it's"}, arguments=("a'b",)))
    coded = base64.b64encode(b"a'b").decode()
    assert text.splitlines()[0].startswith("${env:NAME} = $([Text.Encoding]::UTF8")
    assert text.splitlines()[1:4] == ["& {", "param($who)", "exit 3"]
    assert text.endswith(f"FromBase64String('{coded}')))")
    assert powershell(_spec(script="Get-Date")) == "Get-Date"
    properties: Any = build_run_command(_spec(env={"A": "1"}), WINDOWS, KEY)["properties"]
    assert "parameters" not in properties


@pytest.mark.parametrize(
    "wrong", [{"script": "ä" * 140_000}, {"env": {"A": "a\0"}}, {"arguments": ["\0"]}, {"script": ""}, {"timeout_s": 0}]
)
def test_what_cannot_be_passed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _spec(**wrong)


# ---------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("state", "view", "wanted", "code"),
    [
        ("Running", {}, RemoteState.RUNNING, None),
        ("Pending", {}, RemoteState.WAITING, None),
        ("Succeeded", {}, RemoteState.SUCCEEDED, None),
        ("Succeeded", {"exitCode": 7}, RemoteState.FAILED, "exit_code"),
        ("Failed", {"exitCode": 123}, RemoteState.FAILED, "exit_code"),
        ("Failed", {"exitCode": -102}, RemoteState.FAILED, "handler_failed"),
        ("Failed", {"exitCode": -1, "timeoutInSeconds": 5}, RemoteState.TIMED_OUT, "time_over"),
        ("Failed", {"exitCode": -1, "timeoutInSeconds": 60}, RemoteState.FAILED, "handler_failed"),
        ("Failed", {"exitCode": -1, "executionMessage": "command timed out"}, RemoteState.TIMED_OUT, "time_over"),
        ("TimedOut", {}, RemoteState.TIMED_OUT, "time_over"),
        ("Canceled", {}, RemoteState.CANCELLED, None),
        ("Frozen", {"endTime": None}, RemoteState.UNKNOWN, None),
        ("Unknown", {"endTime": None}, RemoteState.WAITING, None),
        ("Running", {"endTime": "2022-05-12T10:00:01Z", "provisioningState": "Creating"}, RemoteState.SUCCEEDED, None),
        (
            "Running",
            {"endTime": "2022-05-12T10:00:01Z", "executionMessage": "Execution failed: failed to get configuration"},
            RemoteState.FAILED,
            "handler_failed",
        ),
        (
            "Pending",
            {"provisioningState": "Failed", "executionMessage": "json validation error"},
            RemoteState.FAILED,
            "provisioning_failed",
        ),
        ("Running", {"provisioningState": "Failed"}, RemoteState.RUNNING, None),
    ],
)
def test_states_are_read_as_they_are_meant(state: str, view: dict[str, Any], wanted: RemoteState, code: str) -> None:
    entry = entry_of(parse_run_command(run_command(KEY, state, **view)))
    assert (entry.state, entry.reason and entry.reason.code) == (wanted, code)
    assert (entry.handle, entry.name, entry.status) == (KEY, KEY, state)


@pytest.mark.parametrize(
    ("state", "exit_code", "wanted"),
    [
        ("Running", 0, RemoteState.RUNNING),
        ("Succeeded", 0, RemoteState.SUCCEEDED),
        ("Failed", 3, RemoteState.FAILED),
        ("Failed", -1, RemoteState.RUNNING),
        ("Failed", 137, RemoteState.RUNNING),
    ],
)
def test_what_a_deletion_does_to_a_script_is_not_its_end(state: str, exit_code: int, wanted: RemoteState) -> None:
    view = parse_run_command(run_command(KEY, state, exitCode=exit_code, provisioningState="Deleting"))
    assert (entry_of(view).state, over(view)) == (wanted, wanted is not RemoteState.RUNNING)


def test_a_result_says_what_was_cut_and_hides_the_code_of_a_time_out() -> None:
    result = result_of(parse_run_command(run_command(KEY, "Failed", exitCode=3, output="o" * 4096, error="oops")))
    assert (result.exit_code, result.stdout_cut, result.stderr, result.stderr_cut) == (3, True, "oops", False)
    over = run_command(KEY, "Failed", exitCode=-1, timeoutInSeconds=5)
    assert result_of(parse_run_command(over)).exit_code is None


IN_PROGRESS = (
    "Run command extension execution is in progress. Please wait for completion before invoking a run command."
)
LIMIT = "The maximum number of managed Run commands (max=25, current=25) has been exceeded."


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "reason"),
    [
        (409, "Conflict", IN_PROGRESS, NotSent, "conflict"),
        (409, "OperationNotAllowed", LIMIT, NotSent, "no_room"),
        (400, "BadRequest", LIMIT, NotSent, "no_room"),
        (409, "OperationNotAllowed", "Cannot modify extensions in the VM when the VM is not running.", NotSent, None),
        (409, "Conflict", "… since another operation is in progress.", NotSent, "vm_busy"),
        (429, "OperationNotAllowed", "too many requests", NotSent, "throttled"),
        (403, "AuthorizationFailed", "no authorization to perform action 'a/write'", Refused, "forbidden"),
        (404, "ResourceNotFound", "The Resource was not found", Refused, "not_found"),
        (400, "InvalidParameter", "no", Refused, "invalid_request"),
        (500, "InternalServerError", "", Unknown, "remote_error"),
        (503, "ServiceUnavailable", "", Unknown, "remote_error"),
    ],
)
def test_what_an_error_proves(status: int, code: str, message: str, kind: type[Any], reason: str | None) -> None:
    submission = of_error(AzureError(message, status=status, code=code), "Creating")
    assert isinstance(submission, kind)
    assert submission.reason.code == (reason or "vm_not_running")


@pytest.mark.parametrize(
    ("vm", "code"),
    [
        (vm_body(), None),
        (vm_body(power=None), "power_state_missing"),
        (vm_body(power="deallocated"), "vm_not_running"),
        (vm_body(agent="Not Ready"), "agent_not_ready"),
        (vm_body(allowExtensionOperations=False), "extensions_not_allowed"),
        (vm_body("Plan9"), "os_unknown"),
    ],
)
def test_a_vm_that_cannot_take_a_command_says_why(vm: Any, code: str | None) -> None:
    no = judge(parse_vm(vm))
    assert (no.reason.code if no else None) == code


# ---------------------------------------------------------------------------------------- v1


async def _run(script: str) -> tuple[bytes, bytes]:
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    return await shell.communicate()


async def _acted(**fields: Any) -> tuple[str, Any]:
    """What Azure would show of an action run command: the last 4,096 bytes, without an exit code."""
    spec = VmActionSpec.model_validate({"script": "echo hi"} | fields)
    out, err = await _run("\n".join(shell_wrapper(spec, KEY)))
    text = f"\n[stdout]\n{out.decode()}\n[stderr]\n{err.decode()}"
    message = "Enable succeeded: " + text.encode()[-4096:].decode(errors="replace")
    body: Any = {
        "status": "Succeeded",
        "properties": {"output": {"value": [{"code": "ProvisioningState/succeeded", "message": message}]}},
    }
    return message, of_operation(parse_operation(body), KEY)


async def test_the_wrapper_tells_the_exit_code_and_passes_values() -> None:
    _, verdict = await _acted(
        script='echo "$NAME|$1|$#"; echo bad >&2; exit 123', env={"NAME": "it's"}, arguments=["a b", "$x"]
    )
    assert (verdict.state, verdict.reason.code) == (RemoteState.FAILED, "exit_code")
    assert (verdict.result.exit_code, verdict.result.stdout, verdict.result.stderr) == (123, "it's|a b|2\n", "bad\n")
    assert not verdict.result.stdout_cut


async def test_the_mark_survives_however_much_is_printed() -> None:
    message, verdict = await _acted(script="seq 100000; seq 100000 >&2")
    assert len(message.encode()) < 4096
    assert verdict.state is RemoteState.SUCCEEDED
    assert verdict.result.stdout.endswith("\n100000\n")
    assert verdict.result.stdout_cut
    assert verdict.result.stderr_cut


@pytest.mark.parametrize(
    ("body", "state", "code"),
    [
        ({"status": "InProgress"}, RemoteState.RUNNING, None),
        ({"status": "Pondering"}, RemoteState.UNKNOWN, None),
        ({"status": "Canceled"}, RemoteState.CANCELLED, "cancelled_remotely"),
        (
            {"status": "Succeeded", "properties": {"output": [{"code": "x", "message": "[stdout]\nold\n[stderr]\n"}]}},
            RemoteState.FAILED,
            "outcome_unknown",
        ),
        ({"status": "Failed", "error": {"code": "VMAgentStatusCommunicationError"}}, RemoteState.FAILED, "agent_lost"),
        ({"status": "Failed", "error": {"code": "VMExtensionProvisioningTimeout"}}, RemoteState.TIMED_OUT, "time_over"),
        (
            {"status": "Failed", "error": {"code": "VMExtensionProvisioningError", "message": "Finished executing"}},
            RemoteState.FAILED,
            "extension_failed",
        ),
        ({"status": "Failed", "error": {"code": "Other", "message": "?"}}, RemoteState.FAILED, "operation_failed"),
    ],
)
def test_an_operation_without_the_mark_claims_nothing(body: Any, state: RemoteState, code: str | None) -> None:
    verdict = of_operation(parse_operation(body), KEY)
    assert (verdict.state, verdict.reason and verdict.reason.code) == (state, code)


def test_a_windows_result_is_read_from_its_two_items_and_another_attempts_mark_is_not_ours() -> None:
    mark = f"out\r\n[afield {KEY} exit=4 how=exit out=3 err=3]\r\n"
    items = [
        {"code": "ComponentStatus/StdOut/succeeded", "message": mark},
        {"code": "ComponentStatus/StdErr/succeeded", "message": "err"},
    ]
    operation = parse_operation({"status": "Succeeded", "properties": {"output": {"value": items}}})
    verdict = of_operation(operation, KEY)
    assert verdict.result is not None
    assert (verdict.result.exit_code, verdict.result.stdout, verdict.result.stderr) == (4, "out", "err")
    other = of_operation(operation, "afield-0123-2")
    assert other.reason is not None
    assert other.reason.code == "outcome_unknown"


def test_the_windows_wrapper_is_sent_to_windows_and_limits_are_refused_before() -> None:
    spec = VmActionSpec(script="exit 4", env={"A": "1"})
    assert build_action(spec, WINDOWS, KEY) == {
        "commandId": "RunPowerShellScript",
        "script": powershell_wrapper(spec, KEY),
    }
    assert build_action(spec, LINUX, KEY)["commandId"] == "RunShellScript"
    for wrong in ({"timeout_s": 5400}, {"run_as": "ops"}):
        with pytest.raises(ValidationError):
            VmActionSpec.model_validate({"script": "x"} | wrong)
