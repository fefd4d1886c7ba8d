"""Looking at action run commands (v1): by the noted operation, else by what the VM's extension last said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afield.connectors.azure.failure import AzureError
from afield.connectors.azure.operations import Verdict, of_extension, of_operation, parse_operation
from afield.connectors.azure.pacing import CallKind
from afield.connectors.azure.remembered import Remembered, digest, recall
from afield.connectors.azure.target import VmTarget
from afield.connectors.azure.view import ExtensionState, ExtensionView
from afield.connectors.base import Entry, LookQuery, RemoteState, Snapshot
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

_MOST_KEPT = 20


@dataclass(slots=True)
class _Reading:
    """One look: what it found, and the VM's extension once it was asked for."""

    calls: int = 0
    entries: list[Entry] = field(default_factory=list)
    extension: ExtensionView | None = None
    asked: bool = False


class ActionSight:
    """Looks at one VM. Raises CredentialError; all else that goes wrong makes the snapshot incomplete."""

    def __init__(self, vm: VmTarget) -> None:
        self._vm = vm
        self._ended: dict[str, Verdict] = {}

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask once about all of the query."""
        taken_at = self._vm.clock.now()
        reading = _Reading()
        try:
            for key in {one.handle for one in query.known} | {intent.key for intent in query.doubts}:
                await self._ask(key, reading)
            if query.since is not None:
                await self._foreign(reading)
        except AzureError as error:
            why = error.reason("Looking at the VM's run command")
            self._vm.log.info("azure.look_incomplete", code=why.code, why=why.text)
            return _snapshot(taken_at, reading, why, error.retry_after)
        return _snapshot(taken_at, reading)

    async def verdict(self, key: str) -> Verdict | None:
        """What became of an attempt that has ended, asked for again if it is not remembered. Raises AzureError."""
        if key not in self._ended:
            await self._ask(key, _Reading())
        return self._ended.get(key)

    async def in_progress(self, key: str, noted: Remembered) -> bool | None:
        """Whether an attempt's operation is still under way; None when that could not be asked."""
        if not noted.operation:
            return None
        try:
            verdict = await self._by_operation(key, noted, _Reading())
        except AzureError:
            return None
        return verdict is not None and verdict.state in {RemoteState.RUNNING, RemoteState.UNKNOWN}

    def forget(self, key: str) -> None:
        self._ended.pop(key, None)

    async def _ask(self, key: str, reading: _Reading) -> None:
        noted = await recall(self._vm.context.notes, key)
        verdict = await self._by_operation(key, noted, reading) if noted is not None and noted.operation else None
        if verdict is not None:
            self._add(key, verdict, reading)
            return
        await self._read_extension(reading)
        self._by_extension(key, noted, reading)

    async def _by_operation(self, key: str, noted: Remembered, reading: _Reading) -> Verdict | None:
        """None when Azure does not know the operation any more."""
        self._vm.allow(CallKind.POLL)
        reading.calls += 1
        try:
            body = await self._vm.api.get_operation(noted.operation)
        except AzureError as error:
            if error.status == 404:
                return None
            raise
        reach(FaultPoint.DURING_LOOK)
        return of_operation(parse_operation(body), key)

    async def _read_extension(self, reading: _Reading) -> None:
        if not reading.asked:
            reading.calls += 1
            reading.extension = (await self._vm.vm()).action_extension
            reading.asked = True

    def _by_extension(self, key: str, noted: Remembered | None, reading: _Reading) -> None:
        """Its mark is proof. Without one, what has run since it was prepared may have been it; an attempt without a
        note was not prepared, so at most something that runs now is worth a question."""
        extension = reading.extension
        if extension is None or (noted is not None and digest(extension) == noted.baseline):
            return  # nothing has run since before it was sent
        verdict = of_extension(extension, key)
        if verdict is not None:
            self._add(key, verdict, reading)
            return
        busy = extension.state is ExtensionState.TRANSITIONING
        if noted is None and not busy:
            return
        text = "The VM runs a command" if busy else "Another command has run on the VM since"
        reading.entries.append(
            Entry(
                handle=key,
                status=extension.display or extension.code,
                state=RemoteState.RUNNING if busy else RemoteState.UNKNOWN,
                started_at=extension.time if busy else None,
                reason=Reason("not_certain", f"{text}; Azure does not tell whose it is."),
            )
        )

    def _add(self, key: str, verdict: Verdict, reading: _Reading) -> None:
        if verdict.result is not None or verdict.reason is not None:
            self._ended[key] = verdict
            while len(self._ended) > _MOST_KEPT:
                del self._ended[next(iter(self._ended))]
        reading.entries.append(
            Entry(
                handle=key,
                status=verdict.status,
                state=verdict.state,
                created_at=verdict.start,
                started_at=verdict.start,
                finished_at=verdict.end,
                name=key,
                reason=verdict.reason,
            )
        )

    async def _foreign(self, reading: _Reading) -> None:
        """Somebody else's command shows only while it runs, and without a name."""
        await self._read_extension(reading)
        extension, ours = reading.extension, any(one.state is RemoteState.RUNNING for one in reading.entries)
        if extension is not None and extension.state is ExtensionState.TRANSITIONING and not ours:
            status = extension.display or extension.code
            reading.entries.append(Entry(handle=extension.name, status=status, state=RemoteState.RUNNING))


def _snapshot(
    taken_at: datetime, reading: _Reading, why: Reason | None = None, retry_after: timedelta | None = None
) -> Snapshot:
    return Snapshot(
        taken_at=taken_at,
        complete=why is None,
        entries=tuple(reading.entries),
        calls=reading.calls,
        error=why,
        retry_after=retry_after,
    )
