"""The connector `azure_vm`: scripts on a virtual machine as managed run commands, named by their attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import ValidationError

from afield.connectors.azure import cleanup
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.blobs import blobs_of
from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.gather import gather
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.markers import mark
from afield.connectors.azure.our_side import ConflictNotes
from afield.connectors.azure.outcome import before_sending, of_error
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.shelf import Shelf
from afield.connectors.azure.sight import Sight
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import RunCommandView, VmView, parse_run_command
from afield.connectors.azure.wire import OutputBlobs, VmCommandSpec, build_run_command, over, same_name
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
    Output,
    Peek,
    Refused,
    Sink,
    Snapshot,
    Submission,
    TargetContext,
    Unknown,
)
from afield.errors import CredentialError
from afield.model.execution import Reason

LIMITS = Limits(
    max_live=20,  # 25 run commands fit on a VM, finished ones included: the rest is head-room
    max_calls=4,
    min_interval=timedelta(seconds=5),  # 12 reads a minute, shared by all commands of the VM
    max_interval=timedelta(minutes=2),
    visibility_delay=timedelta(seconds=5),
    max_visibility_delay=timedelta(minutes=2),
)


class AzureVmConnector(Connector[VmAddress, VmCommandSpec]):
    """One virtual machine, by managed run commands (v2)."""

    name: ClassVar[str] = "azure_vm"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True,
        cancel=True,
        caller_chosen_name=True,
        output_on_failure=True,
        cancel_removes=True,
        leaves_behind=True,
        limits=LIMITS,
    )
    Address = VmAddress
    Spec = VmCommandSpec

    def __init__(self, vm: VmTarget) -> None:
        self._vm = vm
        self._shelf = Shelf(most=2 * vm.limits.max_live)
        self._sight = Sight(vm, self._shelf)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(await VmTarget.open(context, LIMITS))

    async def close(self) -> None:
        try:
            await cleanup.delete_deferred(self._vm)
        except CredentialError as error:
            self._vm.log.info("azure.left_behind", why=error.message, names=list(self._vm.pace.to_delete))
        finally:
            await self._vm.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        """PUT under the attempt's name; sent once, whatever comes back."""
        try:
            spec = VmCommandSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        mark(self._vm.log, "start", intent)
        submission = await self._prepared(spec, intent)
        mark(self._vm.log, "result", intent, submission)
        return submission

    async def _prepared(self, spec: VmCommandSpec, intent: Intent) -> Submission:
        try:
            vm = await self._vm.preflight()
            if not isinstance(vm, VmView):
                return vm
            full = await cleanup.make_room(self._vm, self._sight.names)
            if full is not None:
                return full
            self._vm.allow(CallKind.UPDATE)
        except AzureError as error:
            return before_sending(error, "Preparing the run command")
        return await self._start(spec, vm, intent)

    async def _start(self, spec: VmCommandSpec, vm: VmView, intent: Intent) -> Submission:
        if not self._shelf.mark_sent(intent.key):
            return Unknown(Reason("already_sent", f"A request for {intent.key} has left before."))
        protect = self._vm.address.protect_parameters
        body = build_run_command(spec, vm, intent.key, self._blobs(intent.key), protect=protect)
        mark(self._vm.log, "attempt 1/1", intent)
        try:
            created, operation = await self._vm.api.put_run_command(self._vm.address, intent.key, body)
        except AzureError as error:
            self._vm.forget_vm()
            submission = of_error(error, "Creating the run command")
            if not isinstance(submission, Unknown):
                self._shelf.sent.pop(intent.key, None)
            return submission
        shown = parse_run_command(created)
        self._shelf.delivered_by(intent.key, operation)
        if not same_name(shown.name, intent.key):
            return Unknown(Reason("unreadable_reply", f"Azure accepted {intent.key}, and shows {shown.name!r}."))
        self._sight.names.add(intent.key)
        return Accepted(intent.key)

    def _blobs(self, key: str) -> OutputBlobs | None:
        container, sas = self._vm.address.output_container, self._vm.context.secret.get("output_sas")
        return blobs_of(container, sas, key) if container and sas else None

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        return await self._sight.look(query)

    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.name is not None and same_name(entry.name, intent.key) else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        """Delete it, which stops the script; what it said until then is remembered first."""
        try:
            view = await self._view(handle)
            if view is None:
                return Cancellation.ASKED
            if over(view):
                self._shelf.learn([view], frozenset({handle}))
                return Cancellation.TOO_LATE
            self._vm.allow(CallKind.DELETE)
            self._shelf.bury(view)
            await self._vm.api.delete_run_command(self._vm.address, handle)
        except AzureError as error:
            self._vm.log.info("azure.cancel_failed", handle=handle, why=error.message)
            return Cancellation.UNKNOWN
        self._sight.names.discard(handle)
        return Cancellation.ASKED

    async def _view(self, name: str) -> RunCommandView | None:
        """The run command of this name; None when there is none. Never another one's."""
        self._vm.allow(CallKind.READ)
        found = await self._vm.api.get_run_command(self._vm.address, name)
        view = None if found is None else parse_run_command(found)
        return view if view is not None and same_name(view.name, name) else None

    async def peek(self, handle: str) -> Peek | None:
        taken_at = self._vm.clock.now()
        try:
            view = await self._view(handle)
        except AzureError:
            return None
        return Peek(view.output, view.error, taken_at) if view else None

    async def collect(self, handle: str, sink: Sink) -> Output:
        view = self._shelf.last_word(handle)
        if view is None:
            try:
                view = await self._view(handle)
            except AzureError as error:
                raise CollectError(error.reason("The result"), retry_after=error.retry_after) from None
        if view is None:
            text = f"The run command {handle} is not there any more, and its result went with it."
            raise CollectError(Reason("output_gone", text), final=True)
        if not over(view) and handle not in self._shelf.cancelled:
            raise CollectError(Reason("not_ended", f"The run command {handle} is still {view.execution_word}."))
        return await gather(view, self._blobs(handle), sink, self._vm)

    async def release(self, intent: Intent) -> None:
        """Delete the run command, now or when the VM's budget allows."""
        self._shelf.forget(intent.key)
        self._sight.names.discard(intent.key)
        await cleanup.release(self._vm, intent.key)

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        vm = self._vm
        return azure_ladder(vm.api, vm.address, vm.clock, ours=ConflictNotes(vm.context.notes).our_side)
