"""What Azure shows of a VM and its run commands, read from bodies of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.azure.view import (
    ExtensionState,
    OsType,
    PowerState,
    ScriptState,
    parse_run_command,
    parse_run_commands,
    parse_vm,
)

EXTENSION = "Microsoft.CPlat.Core.RunCommandLinux"
ID = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1"


def status(code: str, display: str = "", **more: str) -> dict[str, Any]:
    return {"code": code, "level": "Info", "displayStatus": display, **more}


def vm(instance: object = None, **properties: object) -> Any:
    return {
        "id": ID,
        "name": "vm1",
        "location": "westeurope",
        "tags": {"env": "prod"},
        "properties": {
            "vmId": "0f5a",
            "storageProfile": {"osDisk": {"osType": "Linux"}},
            "osProfile": {"allowExtensionOperations": True},
            "provisioningState": "Succeeded",
            "timeCreated": "2026-01-02T03:04:05.6789012+00:00",
            **properties,
            **({"instanceView": instance} if instance is not None else {}),
        },
    }


INSTANCE = {
    "vmAgent": {
        "vmAgentVersion": "2.9.1.1",
        "statuses": [status("ProvisioningState/succeeded", "Ready", message="Guest Agent is running")],
    },
    "extensions": [
        {
            "name": "RunCommandLinux",
            "type": EXTENSION,
            "typeHandlerVersion": "1.0.5",
            "statuses": [status("ProvisioningState/transitioning", "Transitioning", message="Enable in progress")],
        }
    ],
    "statuses": [
        status("ProvisioningState/succeeded", "Provisioning succeeded", time="2026-01-02T03:05:00Z"),
        status("PowerState/running", "VM running"),
    ],
}


def test_a_whole_vm() -> None:
    seen = parse_vm(vm(INSTANCE))
    assert (seen.name, seen.vm_id, seen.resource_id, seen.location) == ("vm1", "0f5a", ID, "westeurope")
    assert (seen.os_type, seen.power_state, seen.provisioning_state) == (OsType.LINUX, PowerState.RUNNING, "Succeeded")
    assert (seen.agent.ready, seen.agent.version, seen.agent.status) == (True, "2.9.1.1", "Ready")
    assert (seen.allow_extension_operations, seen.tags) == (True, {"env": "prod"})
    assert seen.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    [extension] = seen.extensions
    assert (extension.state, extension.message, extension.time) == (
        ExtensionState.TRANSITIONING,
        "Enable in progress",
        None,
    )
    assert seen.action_extension is extension


def test_what_is_not_told_is_not_invented() -> None:
    seen = parse_vm(vm())
    assert (seen.power_state, seen.agent.ready, seen.extensions) == (PowerState.MISSING, None, ())
    assert parse_vm({"properties": {}}).allow_extension_operations is None
    assert parse_vm({"properties": {}}).os_type is OsType.UNKNOWN


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [
        ("PowerState/deallocated", PowerState.DEALLOCATED, "deallocated"),
        ("powerstate/Running", PowerState.RUNNING, "Running"),
        ("PowerState/levitating", PowerState.UNKNOWN, "levitating"),
        ("PowerState/missing", PowerState.UNKNOWN, "missing"),
        ("PowerState/", PowerState.MISSING, ""),
    ],
)
def test_power_states(code: str, state: PowerState, word: str) -> None:
    seen = parse_vm(vm({"statuses": [status("ProvisioningState/updating"), status(code)]}))
    assert (seen.power_state, seen.power_word) == (state, word)


@pytest.mark.parametrize(
    ("code", "display", "ready"),
    [
        ("ProvisioningState/succeeded", "Ready", True),
        ("ProvisioningState/Unavailable", "Not Ready", False),
        ("ProvisioningState/succeeded", "", True),
        ("ProvisioningState/succeeded", "Not Ready", False),
        ("ProvisioningState/pondering", "Half Ready", None),
        ("", "", None),
    ],
)
def test_the_agent(code: str, display: str, ready: bool | None) -> None:
    seen = parse_vm(vm({"vmAgent": {"statuses": [status(code, display)]}})).agent
    assert (seen.ready, seen.status) == (ready, display or code)


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        (["ProvisioningState/succeeded"], ExtensionState.SUCCEEDED),
        (["ProvisioningState/failed/-5"], ExtensionState.FAILED),
        (["ComponentStatus/StdOut/succeeded", "ComponentStatus/StdErr/succeeded"], ExtensionState.SUCCEEDED),
        (["ProvisioningState/succeeded", "ProvisioningState/transitioning"], ExtensionState.TRANSITIONING),
        (["ProvisioningState/pondering"], ExtensionState.UNKNOWN),
        ([], ExtensionState.UNKNOWN),
    ],
)
def test_extensions(codes: list[str], state: ExtensionState) -> None:
    handler = {"name": "v2", "type": "Microsoft.CPlat.Core.RunCommandHandlerLinux", "statuses": []}
    item = {"name": "v1", "type": EXTENSION, "statuses": [status(code) for code in codes]}
    seen = parse_vm(vm({"extensions": [handler, item]}))
    assert seen.action_extension is not None
    assert (seen.action_extension.name, seen.action_extension.state) == ("v1", state)


def command(instance: object = None, **properties: object) -> Any:
    shown = {} if instance is None else {"instanceView": instance}
    return {"name": "c1", "properties": {"provisioningState": "Succeeded", **properties, **shown}}


def test_a_running_command_has_no_exit_code_yet() -> None:
    seen = parse_run_command(command({"executionState": "Running", "exitCode": 0, "output": "so far"}))
    assert (seen.live, seen.ended, seen.exit_code, seen.output) == (True, False, None, "so far")


@pytest.mark.parametrize(
    ("instance", "state", "exit_code"),
    [
        ({"executionState": "Succeeded", "exitCode": 0}, ScriptState.SUCCEEDED, 0),
        ({"executionState": "failed", "exitCode": -1}, ScriptState.FAILED, -1),
        ({"executionState": "TimedOut"}, ScriptState.TIMED_OUT, None),
        ({"executionState": "Running", "endTime": "2022-05-12T10:00:05Z", "exitCode": 3}, ScriptState.RUNNING, 3),
    ],
)
def test_ended_commands(instance: dict[str, object], state: ScriptState, exit_code: int | None) -> None:
    seen = parse_run_command(command(instance))
    assert (seen.ended, seen.live, seen.execution_state, seen.exit_code) == (True, False, state, exit_code)


def test_unknown_words_are_kept_and_are_neither_live_nor_ended() -> None:
    seen = parse_run_command(command({"executionState": "Simmering"}, timeoutInSeconds=0))
    assert (seen.execution_state, seen.execution_word) == (ScriptState.UNKNOWN, "Simmering")
    assert (seen.live, seen.ended, seen.timeout_s) == (False, False, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def mangled(body: Any, path: list[int], value: object) -> Any:
    """The body with one value replaced, found by going down the path."""
    if not path or not isinstance(body, dict | list) or not body:
        return value
    keys = list(body) if isinstance(body, dict) else range(len(body))
    key = keys[path[0] % len(keys)]
    copy: Any = body.copy()
    copy[key] = mangled(body[key], path[1:], value)
    return copy


@given(st.lists(st.integers(0, 20), max_size=7), JSON)
def test_no_body_is_too_strange(path: list[int], value: object) -> None:
    parse_vm(mangled(vm(INSTANCE), path, value))
    instance = {"executionState": "Running", "startTime": "2022-05-12T10:00:05Z", "exitCode": 1}
    parse_run_commands(cast("Any", {"value": mangled([command(instance)], path, value)}))
