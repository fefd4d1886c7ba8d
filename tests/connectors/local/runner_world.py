"""What the tests of ssh and local share: a harness for the runner, and a machine that fails on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from afield.clock import Clock, SystemClock
from afield.connectors.base import Intent, Known, LookQuery, RemoteState, Snapshot, TargetContext
from afield.connectors.registry import AnyConnector
from afield.connectors.runner.connector import RunnerConnector
from afield.connectors.runner.machine import LostError, Machine
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.faults import Fault, Faults
from afield.testing.harness import target_context

SETTINGS: JsonObject = {
    "min_interval": 0.05,
    "max_interval": 0.2,
    "visibility_delay": 0,
    "max_visibility_delay": 0.4,
    "request_timeout": 10,
}
UNSUPPORTED: Mapping[Fault, str] = {
    Fault.THROTTLED: "a machine does not throttle",
    Fault.THROTTLED_WITH_PATIENCE: "a machine does not throttle",
    Fault.SLOW_TO_SHOW: "a folder is there or not",
    Fault.CANCEL_TOO_LATE: "the machine answers so only when the script has really ended",
}


class FaultyMachine(Machine):
    """Another machine, and a bad line to it."""

    def __init__(self, machine: Machine, faults: Faults) -> None:
        super().__init__(machine._timeout_s)
        self.inner = machine
        self.faults = faults

    async def close(self) -> None:
        await self.inner.close()

    @asynccontextmanager
    async def running(self, command: tuple[str, ...], payload: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        operation = command[4]
        if operation == "start" and self.faults.happens(Fault.REQUEST_LOST):
            raise LostError("cut")
        if operation == "fetch" and self.faults.happens(Fault.OUTPUT_AWAY):
            raise LostError("cut")
        async with self.inner.running(command, payload) as pieces:
            yield self._cut(operation, pieces)

    async def _cut(self, operation: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        whole = b"".join([piece async for piece in pieces])
        if operation == "start" and self.faults.happens(Fault.REPLY_LOST):
            raise LostError("cut")
        if operation == "look" and self.faults.happens(Fault.LISTING_CUT):
            whole = whole[: -len(whole) // 3]
        yield whole


class RunnerHarness:
    """A state folder of its own on a machine."""

    clock: Clock = SystemClock()
    patience = timedelta(seconds=20)
    settings = SETTINGS

    def __init__(self, connector: type[RunnerConnector[Any]], folder: Path, **address: Any) -> None:
        self.connector = cast("type[AnyConnector]", connector)
        self.unsupported: Mapping[Fault, str] = UNSUPPORTED
        self.folder = folder
        self.address: JsonObject = {"state_dir": str(folder / "run"), "kill_after_s": 1} | address
        self.secret: Mapping[str, str] = {}
        self.faults = Faults()
        self.artifacts = MemoryArtifacts()

    def context(self, **address: Any) -> TargetContext:
        return target_context(
            self.address | address,
            self.clock,
            settings=self.settings,
            secret=self.secret,
            artifacts=self.artifacts,
        )

    async def open(self, **address: Any) -> AnyConnector:
        connector = await self.connector.open(self.context(**address))
        runner = cast("RunnerConnector[Any]", connector)
        runner.machine = FaultyMachine(runner.machine, self.faults)
        runner._fetcher._machine = runner.machine
        return connector

    def keep(self) -> None:
        """Attempts are not released any more."""

        async def release(self: object, intent: Intent) -> None:
            return

        self.connector = type("Keeping", (self.connector,), {"release": release})

    def spec(self, *, long: bool = False) -> JsonObject:
        script = 'echo "$AFIELD_ATTEMPT" >> "$JOURNAL"; echo forty-two'
        return {"script": script + ("; exec sleep 600" if long else ""), "env": {"JOURNAL": str(self.journal)}}

    def bad_spec(self) -> JsonObject:
        return {"script": ""}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        if fault is Fault.REJECTED:
            self.address["shell"] = "no-such-shell"
        elif fault is Fault.UNKNOWN_WORD:
            await asyncio.to_thread(self._ponder)
        else:
            self.faults.arm(fault, times)

    def _ponder(self) -> None:
        """Another last word than the keeper's, once that is written."""
        while not (ends := list(self.folder.glob("run/*/end"))):
            time.sleep(0.01)
        for end in ends:
            end.write_text("pondering - -\n")

    async def switch_off(self) -> None:
        self.faults.clear()

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    async def count(self, execution_id: UUID) -> int:
        return await asyncio.to_thread(self._count, execution_id.hex)

    def _count(self, name: str) -> int:
        """Lines that scripts have left, and scripts that were begun and have not come to it yet."""
        begun = {path.parent.name for path in self.folder.glob("run/*/verdict") if path.read_text().startswith("run")}
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return sum(name in line for line in [*lines, *(begun - set(lines))])


def new_intent(spec: JsonObject) -> Intent:
    execution_id = uuid7()
    key = attempt_key(execution_id, 1)
    return Intent(execution_id=execution_id, attempt=1, key=key, spec=spec, sent_after=SystemClock().now())


def known(intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=intent.key, submitted_at=intent.sent_after, key=intent.key),))


async def seen(connector: AnyConnector, intent: Intent, *states: RemoteState) -> Snapshot:
    """Look until the attempt is in one of these states; with none, until it has ended."""
    while True:
        snapshot = await connector.look(known(intent))
        assert snapshot.complete, snapshot.error
        (entry,) = snapshot.entries
        if entry.state in states or (not states and entry.state is not RemoteState.RUNNING):
            return snapshot
        await asyncio.sleep(0.02)


def alive(key: str) -> list[int]:
    """The processes that carry an attempt's mark, zombies aside."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"AFIELD_ATTEMPT={key}".encode() in (process / "environ").read_bytes().split(b"\0")
            zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if marked and not zombie:
            found.append(int(process.name))
    return found
