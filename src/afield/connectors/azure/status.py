"""A look at one VM: what it is doing, its run commands, and what holds it. Two calls that read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from afield.clock import Clock
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.conflict import Conflict, ConflictKind, decide, evidence_of
from afield.connectors.azure.our_side import AskOurSide, OurSide, nothing_of_ours
from afield.connectors.azure.view import PowerState, RunCommandView, VmView, parse_run_command, parse_vm
from afield.model.jsontypes import JsonObject, JsonValue

_TRIES = 3  # the power state may be missing for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class VmStatus:
    """What a look at a VM showed."""

    view: VmView
    commands: tuple[RunCommandView, ...]
    conflict: Conflict

    @property
    def running(self) -> bool:
        """Whether a command runs there, or something is in its way."""
        return self.conflict.kind is not ConflictKind.NONE or any(command.live for command in self.commands)


async def read_vm(api: AzureApi, address: VmAddress, pause_s: float = 2.0) -> VmView:
    """The VM. A power state that is missing is asked for again, with `pause_s` seconds between. Raises AzureError,
    CredentialError."""
    view = parse_vm(await api.get_vm(address))
    for _ in range(_TRIES - 1):
        if view.power_state is not PowerState.MISSING:
            break
        await asyncio.sleep(pause_s)
        view = parse_vm(await api.get_vm(address))
    return view


async def read_commands(api: AzureApi, address: VmAddress) -> tuple[RunCommandView, ...]:
    """The VM's managed run commands. Raises AzureError, CredentialError."""
    listing = await api.list_run_commands(address)
    return tuple(parse_run_command(item) for item in listing.items)


async def read_status(
    api: AzureApi, address: VmAddress, clock: Clock, ours: AskOurSide = nothing_of_ours, pause_s: float = 2.0
) -> VmStatus:
    """All of it at once. Raises AzureError, CredentialError."""
    view = await read_vm(api, address, pause_s)
    commands = await read_commands(api, address)
    return judged(view, commands, await ours(), clock.now())


def judged(view: VmView, commands: tuple[RunCommandView, ...], ours: OurSide, now: datetime) -> VmStatus:
    """What was read, with what only we know, as a status."""
    evidence = evidence_of(
        view,
        commands,
        now,
        own=ours.own,
        refused_at=ours.refused_at,
        transitioning_since=ours.transitioning_since,
        restarted_at=ours.restarted_at,
    )
    return VmStatus(view=view, commands=commands, conflict=decide(evidence))


def status_json(status: VmStatus, address: VmAddress) -> JsonObject:
    """As the API and the command line show it. Outputs of commands are left out."""
    view = status.view
    return {
        "vm_name": view.name or address.vm_name,
        "resource_group": address.resource_group,
        "resource_id": address.resource_id,
        "os_type": view.os_type.value,
        "vm_power_state": view.power_word or view.power_state.value,
        "vm_provisioning_state": view.provisioning_state,
        "agent": {
            "ready": view.agent.ready,
            "version": view.agent.version,
            "status": view.agent.status,
            "message": view.agent.message,
        },
        "extensions": [
            {
                "name": one.name,
                "type": one.type,
                "version": one.version,
                "state": one.state.value,
                "code": one.code,
                "display_status": one.display,
            }
            for one in view.extensions
        ],
        "managed_run_commands": [_command_json(command) for command in status.commands],
        "running_command_detected": status.running,
        **_conflict_json(status.conflict),
    }


def _conflict_json(conflict: Conflict) -> JsonObject:
    """What kind of conflict it is, with its evidence and its ways out, mildest first."""
    ways: list[JsonValue] = [
        {"what": way.what, "how": way.how, "risk": way.risk, "afield": way.afield} for way in conflict.ways_out
    ]
    return {
        "conflict": conflict.kind.value,
        "explanation": conflict.sentence,
        "evidence": list(conflict.evidence),
        "ways_out": ways,
    }


def _command_json(command: RunCommandView) -> JsonObject:
    return {
        "name": command.name,
        "state": command.execution_word or command.execution_state.value,
        "provisioning_state": command.provisioning_state,
        "exit_code": command.exit_code,
        "started_at": command.start.isoformat() if command.start else None,
        "ended_at": command.end.isoformat() if command.end else None,
    }
