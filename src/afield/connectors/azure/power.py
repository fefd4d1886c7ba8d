"""The connector `azure_vm_power`: restart, start, stop, deallocate, reapply or redeploy one virtual machine.

An order for it should say that it is not to be sent again (`resubmit: never`): most of these operations leave no sign
by which a lost one could be told from one that was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import ValidationError

from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.markers import mark
from afield.connectors.azure.our_side import ConflictNotes
from afield.connectors.azure.outcome import before_sending, of_error
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.permissions import READ_VM
from afield.connectors.azure.power_sight import PowerNote, PowerSight
from afield.connectors.azure.power_wire import PowerOperation, VmPowerSpec, cannot, unconfirmed
from afield.connectors.azure.target import VmTarget
from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
    Connector,
    Entry,
    Intent,
    Limits,
    LookQuery,
    Match,
    NotSent,
    Output,
    Refused,
    Sink,
    Snapshot,
    Submission,
    TargetContext,
    Unknown,
)
from afield.model.execution import Reason

LIMITS = Limits(
    max_live=1,
    max_calls=2,
    min_interval=timedelta(seconds=5),
    max_interval=timedelta(minutes=1),
    visibility_delay=timedelta(seconds=5),
    max_visibility_delay=timedelta(minutes=2),
)

_VM = "Microsoft.Compute/virtualMachines"
POWER_NEEDS = (
    READ_VM,
    *(f"{_VM}/{word}/action" for word in ("restart", "start", "powerOff", "deallocate", "reapply", "redeploy")),
)
"""What the operations take. The role Virtual Machine Contributor has all of it."""

_RUNGS = frozenset({"token", "vm", "permission"})
_ENDS_SCRIPTS = frozenset({PowerOperation.RESTART, PowerOperation.REDEPLOY})


class AzureVmPowerConnector(Connector[VmAddress, VmPowerSpec]):
    """One virtual machine's power."""

    name: ClassVar[str] = "azure_vm_power"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=False, cancel=False, caller_chosen_name=False, output=False, submit_calls=2, limits=LIMITS
    )
    Address = VmAddress
    Spec = VmPowerSpec

    def __init__(self, vm: VmTarget) -> None:
        self._vm = vm
        self._sight = PowerSight(vm)
        self._notes = vm.context.notes

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(await VmTarget.open(context, LIMITS))

    async def close(self) -> None:
        await self._vm.close()

    async def submit(self, intent: Intent) -> Submission:
        """POST, sent once. That it is about to be sent is noted before, the address of its operation after."""
        try:
            spec = VmPowerSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        no = unconfirmed(spec, self._vm.address)
        if no is not None:
            return Refused(no)
        mark(self._vm.log.bind(operation=spec.operation.value, why=spec.reason), "start", intent)
        submission = await self._prepared(spec.operation, intent)
        mark(self._vm.log, "result", intent, submission)
        return submission

    async def _prepared(self, operation: PowerOperation, intent: Intent) -> Submission:
        if await self._notes.get(intent.key) is not None:
            return Unknown(Reason("already_sent", f"A request for {intent.key} may have left before."))
        try:
            vm = await self._vm.vm()
            no = cannot(operation, vm.power_state)
            if no is not None:
                return Refused(no)
            self._vm.allow(CallKind.UPDATE)
        except AzureError as error:
            return before_sending(error, f"Preparing the {operation}")
        note = PowerNote(operation)
        await note.keep(self._notes, intent.key)
        return await self._post(note, intent)

    async def _post(self, note: PowerNote, intent: Intent) -> Submission:
        mark(self._vm.log, "attempt 1/1", intent)
        self._vm.forget_vm()
        try:
            url = await self._vm.api.post_power(self._vm.address, note.operation)
        except AzureError as error:
            return await self._turned_away(of_error(error, f"The {note.operation} of the VM"), intent)
        await replace(note, url=url).keep(self._notes, intent.key)
        if note.operation in _ENDS_SCRIPTS:
            await ConflictNotes(self._notes).restarted(self._vm.clock.now())
        return Accepted(intent.key)

    async def _turned_away(self, submission: Submission, intent: Intent) -> Submission:
        """What was certainly not accepted leaves no note. A VM in the wrong state is not waited for: nobody expects
        the operation hours later."""
        if isinstance(submission, Unknown):
            return submission
        await self._notes.drop(intent.key)
        if isinstance(submission, NotSent) and submission.reason.code == "vm_not_running":
            return Refused(submission.reason)
        return submission

    async def look(self, query: LookQuery) -> Snapshot:
        return await self._sight.look(query)

    def match(self, intent: Intent, entry: Entry) -> Match:
        if entry.name == intent.key:
            return Match.EXACT
        return Match.POSSIBLE if entry.handle == intent.key else Match.NO

    async def cancel(self, handle: str) -> Cancellation:
        """There is no way to."""
        return Cancellation.UNKNOWN

    async def collect(self, handle: str, sink: Sink) -> Output:
        """There is no output."""
        return Output(artifact=None)

    async def release(self, intent: Intent) -> None:
        """Forget the operation; the VM keeps nothing."""
        await self._notes.drop(intent.key)

    def ladder(self) -> Sequence[Check]:
        """The rungs that matter here: a VM that is off, or without an agent, can be started all the same."""
        checks = azure_ladder(self._vm.api, self._vm.address, self._vm.clock, wanted=POWER_NEEDS)
        return tuple(check for check in checks if check.name in _RUNGS)
