"""Looking at power operations: by the noted operation, else by the VM's power state as far as that tells anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.operations import parse_operation
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.power_wire import PowerOperation, by_power_state, entry_of
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import PowerState, as_object, as_text
from afield.connectors.base import Entry, LookQuery, Notes, RemoteState, Snapshot
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason


@dataclass(frozen=True, slots=True)
class PowerNote:
    """What is kept of an attempt, sealed: written before it is sent, and again with the address of its operation."""

    operation: PowerOperation
    url: str = ""

    async def keep(self, notes: Notes, key: str) -> None:
        await notes.put(key, orjson.dumps({"operation": self.operation, "url": self.url}).decode())


async def recall(notes: Notes, key: str) -> PowerNote | None:
    """What was kept; None: the attempt was never sent."""
    text = await notes.get(key)
    value = as_object(orjson.loads(text)) if text is not None else {}
    if not value:
        return None
    return PowerNote(PowerOperation(as_text(value.get("operation"))), as_text(value.get("url")))


class PowerSight:
    """Looks at one VM."""

    def __init__(self, vm: VmTarget) -> None:
        self._vm = vm

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask about each attempt. Raises CredentialError; all else that goes wrong makes the snapshot incomplete."""
        taken_at, calls, entries = self._vm.clock.now(), self._vm.api.calls, list[Entry]()
        doubts = {intent.key for intent in query.doubts}
        try:
            for key in {one.handle for one in query.known} | doubts:
                note = await recall(self._vm.context.notes, key)
                entry = await self._entry(key, note, in_doubt=key in doubts)
                entries += [entry] if entry is not None else []
        except AzureError as error:
            return self._incomplete(taken_at, calls, entries, error)
        made = self._vm.api.calls - calls
        return Snapshot(taken_at=taken_at, complete=True, entries=tuple(entries), calls=made)

    def _incomplete(self, taken_at: datetime, calls: int, entries: list[Entry], error: AzureError) -> Snapshot:
        why = error.reason("Looking at the power operation")
        self._vm.log.info("azure.look_incomplete", code=why.code, why=why.text)
        return Snapshot(
            taken_at=taken_at,
            complete=False,
            entries=tuple(entries),
            calls=self._vm.api.calls - calls,
            error=why,
            retry_after=error.retry_after,
        )

    async def _entry(self, key: str, note: PowerNote | None, *, in_doubt: bool) -> Entry | None:
        """None when nothing is to be seen of it. An attempt without a note was never sent; Azure is asked all the same,
        because a look that did not reach it is not complete."""
        shown = await self._by_operation(key, note.url) if note is not None and note.url else None
        if shown is not None:
            return shown
        vm = await self._vm.vm()
        reach(FaultPoint.DURING_LOOK)
        if note is None:
            return None
        if vm.power_state is PowerState.MISSING:
            raise AzureError("the VM's power state is missing at this moment", trouble=Trouble.UNREADABLE)
        told = by_power_state(note.operation, vm.power_state, key)
        if not note.url or (told is not None and told.name is not None):
            return told
        return self._forgotten(key) if in_doubt else None

    async def _by_operation(self, key: str, url: str) -> Entry | None:
        """None when Azure does not know the operation any more."""
        self._vm.allow(CallKind.POLL)
        try:
            body = await self._vm.api.get_operation(url)
        except AzureError as error:
            if error.status == 404:
                return None
            raise
        reach(FaultPoint.DURING_LOOK)
        return entry_of(parse_operation(body), key)

    def _forgotten(self, key: str) -> Entry:
        """Accepted, as the note shows: whatever came of it, it must not be sent again."""
        text = "Azure accepted it, and does not know its operation any more."
        return Entry(
            handle=key, name=key, status="forgotten", state=RemoteState.UNKNOWN, reason=Reason("forgotten", text)
        )
