"""Debugging a session's Azure VM: what is configured of it, how it stands, whether it can be reached. Only reads.

One VM may have several targets, one for each way to it. What any of them knows of a conflict or has running there
counts for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import ValidationError

from afield import diagnoses
from afield.connectors.azure.action_look import ActionSight
from afield.connectors.azure.address import Identity, VmAddress
from afield.connectors.azure.checks import unanswered
from afield.connectors.azure.conflict import OwnOperation
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.our_side import ConflictNotes, OurSide
from afield.connectors.azure.permissions import ACTION_NEEDS, MANAGED_NEEDS
from afield.connectors.azure.remembered import NEWEST, recall
from afield.connectors.azure.status import read_status, status_json
from afield.connectors.azure.target import VmTarget
from afield.connectors.registry import check_address, connector_class
from afield.diagnose.diagnosis import Diagnosis
from afield.errors import AfieldError, CredentialError, InvalidInputError, LookError
from afield.kernel import Kernel
from afield.ledger.notes import TargetNotes
from afield.model.jsontypes import JsonObject
from afield.model.target import Target

_ACTION = "azure_vm_action"
AZURE = frozenset({"azure_vm", _ACTION, "azure_vm_power"})
"""Connectors whose targets are Azure VMs."""

ECHO = "echo"
"""The one check that runs a command."""


# ------------------------------------------------------------------------------------------- connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What is configured of a target, without secrets."""

    target: str
    type: str
    keys: tuple[str, ...]
    has_resource_id: bool
    has_credentials: bool

    @property
    def problem(self) -> str:
        """What an Azure connector lacks, in the words operators search for; empty if it lacks nothing."""
        if not self.has_resource_id:
            return f"Azure connector requires resource_id: target {self.target!r} ({self.type}) names no Azure VM."
        if not self.has_credentials:
            return f"Azure credentials required: target {self.target!r} has no credential."
        return ""


def connection_of(target: Target) -> Connection:
    """The flags of one target. Asks nobody."""
    address = target.address
    return Connection(
        target=target.name,
        type=target.connector,
        keys=tuple(sorted(address)),
        has_resource_id=_address_of(target) is not None,
        has_credentials=target.credential_id is not None or address.get("identity") == Identity.MANAGED_IDENTITY,
    )


def vm_address(target: Target) -> VmAddress:
    """Where the target's VM is. Raises InvalidInputError when the target is none."""
    if target.connector not in AZURE:
        raise InvalidInputError(
            connection_of(target).problem, hint="Name a step that runs on an Azure VM (`step=`), or another session."
        )
    return VmAddress.model_validate(check_address(target.connector, target.address))


def _address_of(target: Target) -> VmAddress | None:
    try:
        return VmAddress.model_validate(target.address) if target.connector in AZURE else None
    except ValidationError:
        return None


async def targets_of_vm(kernel: Kernel, target: Target) -> list[Target]:
    """All targets that are the same VM. Raises InvalidInputError when it is none."""
    key = vm_address(target).vm_key
    found = [(one, _address_of(one)) for one in await kernel.ledger.targets(target.tenant_id)]
    return [one for one, address in found if address is not None and address.vm_key == key]


# ------------------------------------------------------------------------------------------- looking


async def vm_status(kernel: Kernel, target: Target) -> JsonObject:
    """How the VM stands, its run commands, what holds it, and the ways out. Only reads.

    Raises InvalidInputError (no Azure VM), CredentialError, LookError (Azure could not be asked, or refused).
    """
    same = await targets_of_vm(kernel, target)
    async with _opened(kernel, target) as vm:
        try:
            status = await read_status(vm.api, vm.address, vm.clock, partial(_our_side, kernel, same))
        except AzureError as error:
            raise _told(error) from error
        return status_json(status, vm.address)


async def vm_diagnosis(kernel: Kernel, target: Target, *, execute: bool) -> Diagnosis:
    """Climb the VM's ladder; with `execute` also its one check that runs a command, which is refused while something
    runs there or a conflict is suspected. Raises InvalidInputError, CredentialError."""
    same = await targets_of_vm(kernel, target)
    is_action = target.connector == _ACTION
    async with _opened(kernel, target) as vm:
        checks = azure_ladder(
            vm.api,
            vm.address,
            vm.clock,
            ours=partial(_our_side, kernel, same),
            wanted=ACTION_NEEDS if is_action else MANAGED_NEEDS,
            action=is_action,
        )
        return await diagnoses.climbed(kernel, target, checks, (ECHO,) if execute else (), same)


def _told(error: AzureError) -> AfieldError:
    result = unanswered("GET the VM", error)
    return LookError(result.cause or result.answered, hint=result.next_step)


@asynccontextmanager
async def _opened(kernel: Kernel, target: Target) -> AsyncIterator[VmTarget]:
    """The target's VM. Makes no remote call. Raises InvalidInputError, CredentialError."""
    vm_address(target)
    vm = await VmTarget.open(await kernel.target_context(target), connector_class(target.connector).abilities.limits)
    try:
        yield vm
    finally:
        await vm.close()


# ------------------------------------------------------------------------------------------- our side


async def _our_side(kernel: Kernel, targets: Sequence[Target]) -> OurSide:
    """What any of the VM's targets knows of what holds it."""
    sides = [await _side_of(kernel, target) for target in targets]
    owns = [side.own for side in sides if side.own]
    return OurSide(
        own=max(owns, key=lambda own: own.started_at, default=None),
        refused_at=max(_times(side.refused_at for side in sides), default=None),
        transitioning_since=min(_times(side.transitioning_since for side in sides), default=None),
        restarted_at=max(_times(side.restarted_at for side in sides), default=None),
    )


async def _side_of(kernel: Kernel, target: Target) -> OurSide:
    notes = TargetNotes(kernel.ledger.database, kernel.keyring, target.id)
    own = await _own_operation(kernel, target) if target.connector == _ACTION else None
    return await ConflictNotes(notes).our_side(own)


async def _own_operation(kernel: Kernel, target: Target) -> OwnOperation | None:
    """The newest action run command that this target sent."""
    notes = TargetNotes(kernel.ledger.database, kernel.keyring, target.id)
    key = await notes.get(NEWEST)
    noted = None if key is None else await recall(notes, key)
    if key is None or noted is None:
        return None
    try:
        async with _opened(kernel, target) as vm:
            in_progress = await ActionSight(vm).in_progress(key, noted)
    except CredentialError:
        in_progress = None
    return OwnOperation(started_at=noted.sent_at, in_progress=in_progress)


def _times(times: Iterable[datetime | None]) -> list[datetime]:
    return [time for time in times if time is not None]
