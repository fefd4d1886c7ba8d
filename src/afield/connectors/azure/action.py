"""The connector `azure_vm_action`: scripts by the action run command (v1), for VMs where managed ones do not work.

One at a time for each VM, no cancel, 90 minutes at most. The address of the operation is noted before anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationError

from afield.connectors.azure.action_look import ActionSight
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.conflict import OwnOperation
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.gather import shown, store
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.markers import mark
from afield.connectors.azure.our_side import ConflictNotes, OurSide
from afield.connectors.azure.outcome import before_sending, of_error
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.permissions import ACTION_NEEDS
from afield.connectors.azure.preflight import judge
from afield.connectors.azure.remembered import NEWEST, Remembered, digest, recall
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import ExtensionState, OsType, VmView
from afield.connectors.azure.wire import VmCommandSpec
from afield.connectors.azure.wrapper import powershell_wrapper, shell_wrapper
from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
    CollectError,
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
)
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

MOST_SECONDS = 85 * 60  # Azure gives up after 90 minutes; the rest is for getting there and back

LIMITS = Limits(
    max_live=1,  # a second one is answered 409
    max_calls=2,
    min_interval=timedelta(seconds=5),
    max_interval=timedelta(minutes=1),
    visibility_delay=timedelta(seconds=20),  # what the shortest command takes
    max_visibility_delay=timedelta(minutes=2),
)


class VmActionSpec(VmCommandSpec):
    """A script for an action run command: it runs as root (Windows: System), for less than 90 minutes."""

    run_as: Literal[None] = None
    timeout_s: float = Field(default=3600, gt=0, le=MOST_SECONDS, description="Seconds the script may run there.")


def build_action(spec: VmActionSpec, vm: VmView, key: str) -> JsonObject:
    """The body of the POST that starts the attempt `key`."""
    if vm.os_type is OsType.WINDOWS:
        return {"commandId": "RunPowerShellScript", "script": list(powershell_wrapper(spec, key))}
    return {"commandId": "RunShellScript", "script": list(shell_wrapper(spec, key))}


class AzureVmActionConnector(Connector[VmAddress, VmActionSpec]):
    """One virtual machine, by action run commands (v1)."""

    name: ClassVar[str] = "azure_vm_action"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=False, cancel=False, caller_chosen_name=False, output_on_failure=True, submit_calls=2, limits=LIMITS
    )
    Address = VmAddress
    Spec = VmActionSpec

    def __init__(self, vm: VmTarget) -> None:
        self._vm = vm
        self._sight = ActionSight(vm)
        self._notes = vm.context.notes

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(await VmTarget.open(context, LIMITS))

    async def close(self) -> None:
        await self._vm.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        """POST, sent once. How the VM stood before is noted first: it tells a lost reply from a lost request."""
        try:
            spec = VmActionSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        mark(self._vm.log, "start", intent)
        submission = await self._prepared(spec, intent)
        mark(self._vm.log, "result", intent, submission)
        return submission

    async def _prepared(self, spec: VmActionSpec, intent: Intent) -> Submission:
        try:
            vm = await self._vm.vm()
            await self._remember(vm)
            no = judge(vm) or _busy(vm)
            if no is not None:
                return no
            self._vm.allow(CallKind.UPDATE)
        except AzureError as error:
            return before_sending(error, "Preparing the run command")
        noted = Remembered(digest(vm.action_extension), self._vm.clock.now())
        before = await self._notes.get(NEWEST)
        await noted.keep(self._notes, intent.key)
        await self._notes.put(NEWEST, intent.key)
        submission = await self._post(build_action(spec, vm, intent.key), noted, intent)
        if isinstance(submission, Refused | NotSent):
            await self._withdraw(intent.key, before, submission)
        return submission

    async def _post(self, body: JsonObject, noted: Remembered, intent: Intent) -> Submission:
        mark(self._vm.log, "attempt 1/1", intent)
        try:
            operation = await self._vm.api.post_run_command(self._vm.address, body)
        except AzureError as error:
            return of_error(error, "Starting the run command")
        await replace(noted, operation=operation).keep(self._notes, intent.key)
        return Accepted(intent.key)

    async def _withdraw(self, key: str, before: str | None, submission: Refused | NotSent) -> None:
        """Nothing was started: the newest attempt is the one before."""
        await self._notes.drop(key)
        await (self._notes.drop(NEWEST) if before is None else self._notes.put(NEWEST, before))
        if submission.reason.code == "conflict":
            await ConflictNotes(self._notes).refused(self._vm.clock.now())

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        return await self._sight.look(query)

    def match(self, intent: Intent, entry: Entry) -> Match:
        if entry.name == intent.key:
            return Match.EXACT
        return Match.POSSIBLE if entry.handle == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        """There is no way to."""
        return Cancellation.UNKNOWN

    async def collect(self, handle: str, sink: Sink) -> Output:
        try:
            verdict = await self._sight.verdict(handle)
        except AzureError as error:
            raise CollectError(error.reason("The result"), retry_after=error.retry_after) from None
        if verdict is None:
            text = "Azure does not keep the result of this run command any more."
            raise CollectError(Reason("output_gone", text), final=True)
        if verdict.result is None:
            return Output(artifact=None)
        return await store(sink, shown(verdict.result), verdict.result)

    async def release(self, intent: Intent) -> None:
        """Forget the operation; the VM keeps nothing."""
        self._sight.forget(intent.key)
        await self._notes.drop(intent.key)

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        vm = self._vm
        return azure_ladder(vm.api, vm.address, vm.clock, ours=self._ours, wanted=ACTION_NEEDS, action=True)

    async def _remember(self, vm: VmView) -> None:
        """How long the extension has been busy, which Azure itself does not tell."""
        busy = vm.action_extension is not None and vm.action_extension.state is ExtensionState.TRANSITIONING
        await ConflictNotes(self._notes).seen(transitioning=busy, at=self._vm.clock.now())

    async def _ours(self) -> OurSide:
        key = await self._notes.get(NEWEST)
        noted = None if key is None else await recall(self._notes, key)
        if key is None or noted is None:
            return await ConflictNotes(self._notes).our_side()
        own = OwnOperation(started_at=noted.sent_at, in_progress=await self._sight.in_progress(key, noted))
        return await ConflictNotes(self._notes).our_side(own)


def _busy(vm: VmView) -> NotSent | None:
    """A second command would only be answered 409, and cost one of the VM's few updates."""
    extension = vm.action_extension
    if extension is None or extension.state is not ExtensionState.TRANSITIONING:
        return None
    text = "Conflict: the VM's run command extension is in transition, so a command is running there, or is stuck."
    return NotSent(Reason("conflict", text))
