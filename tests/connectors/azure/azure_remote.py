"""The simulated cloud as a connector meets it: machines that really run scripts, and the harness for conformance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from azure_world import C, new_intent

from afield.clock import Clock, SystemClock
from afield.connectors.azure.pacing import process_paces
from afield.connectors.base import (
    Accepted,
    Connector,
    Entry,
    Intent,
    Known,
    LookQuery,
    Output,
    RemoteState,
    TargetContext,
)
from afield.connectors.registry import AnyConnector
from afield.connectors.tokens import Refresh
from afield.model.ids import parse_attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.faults import Fault
from afield.testing.notes import MemoryNotes
from afield_sim.testing import Simulator, VmAccess, running_simulator

SETTINGS: JsonObject = {
    "pace": 0,
    "min_interval": 0.03,
    "max_interval": 0.1,
    "visibility_delay": 0.02,
    "max_visibility_delay": 0.15,
    "request_timeout": 5,
    "clock_skew": 1,
}


class IssuedTokens:
    """Tokens straight from the simulator; how often one was refused is counted."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.rejected = 0

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        self.rejected += rejected is not None
        return self._sim.tokens.issue("https://management.azure.com")


@dataclass
class Cloud:
    """The simulated cloud, and connectors bound to one of its machines."""

    sim: Simulator
    tokens: IssuedTokens
    vm: VmAccess
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    notes: MemoryNotes = field(default_factory=MemoryNotes)

    def context(self, settings: JsonObject | None = None, **address: Any) -> TargetContext:
        names = ("tenant_id", "client_id", "client_secret")
        secret = {name: getattr(self.sim.arm, name) for name in names} | address.pop("secret", {})
        return TargetContext(
            target_id=uuid7(),
            name=self.vm.name,
            address={"resource_id": self.vm.id, "management_url": self.sim.arm.base_url} | address,
            settings=SETTINGS | (settings or {}),
            secret=secret,
            tokens=self.tokens,
            artifacts=self.artifacts,
            notes=self.notes,
            clock=SystemClock(),
        )

    @asynccontextmanager
    async def connector(self, kind: type[C], settings: JsonObject | None = None, **changes: Any) -> AsyncIterator[C]:
        connector = await kind.open(self.context(settings, **changes))
        try:
            yield connector
        finally:
            await connector.close()

    async def fault(self, **faults: Mapping[str, object]) -> None:
        await self.sim.arm_admin.add_faults({self.vm.name: faults})

    async def journal(self) -> list[dict[str, Any]]:
        """What really ran on the machine."""
        return await self.sim.arm_admin.journal(self.vm.name)

    async def there(self) -> dict[str, Any]:
        """The run commands the machine has now, by name."""
        found: dict[str, Any] = (await self.sim.arm_admin.vms())[self.vm.name]["run_commands"]
        return found

    async def gone(self) -> bool:
        """Whether the machine is left without run commands, once deletions are through."""
        while left := await self.there():
            if any(one["provisioningState"] != "Deleting" for one in left.values()):
                return False
        return True

    async def begun(self) -> None:
        """Wait until everything that was accepted has been started."""
        async with asyncio.timeout(20):
            while True:
                vm = (await self.sim.arm_admin.vms())[self.vm.name]
                pending = [one for one in vm["run_commands"].values() if one["executionState"] == "Pending"]
                if not pending and bool(vm["action_running"]) <= bool(vm["scripts_running"]):
                    return

    async def power(self) -> str:
        return str((await self.sim.arm_admin.vms())[self.vm.name]["power"])

    async def counted(self, *calls: str) -> int:
        """How many such calls there were about the machine."""
        counts = (await self.sim.arm_admin.counters())["calls"].get(self.vm.name, {})
        return sum(counts.get(call, 0) for call in calls)


@asynccontextmanager
async def running_cloud(*, windows: bool = False, **settings: Any) -> AsyncIterator[Cloud]:
    """One machine whose limits are counted, not enforced, unless `settings` say otherwise."""
    async with running_simulator(instances=1, vms=0 if windows else 1, windows_vms=int(windows)) as sim:
        pace = {"enforce_limits": False, "status_grain_s": 0.05, "operation_seconds": 0.02}
        await sim.arm_admin.put_settings(**(pace | settings))
        try:
            yield Cloud(sim, IssuedTokens(sim), sim.arm.vms[0])
        finally:
            process_paces.clear()


def known(intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=intent.key, submitted_at=intent.sent_after, key=intent.key),))


async def looked(connector: Connector[Any, Any], query: LookQuery, *states: RemoteState) -> Entry:
    """Look until an entry is in one of these states; without any, until it has ended."""
    wanted = states or tuple(set(RemoteState) - {RemoteState.WAITING, RemoteState.RUNNING, RemoteState.UNKNOWN})
    async with asyncio.timeout(20):
        while True:
            snapshot = await connector.look(query)
            found = [entry for entry in snapshot.entries if entry.state in wanted]
            if found:
                return found[0]


async def ran(cloud: Cloud, kind: type[Connector[Any, Any]], **spec: Any) -> tuple[Entry, Output]:
    """One command, from its submission to its release."""
    intent = new_intent(spec)
    async with cloud.connector(kind) as connector:
        assert await connector.submit(intent) == Accepted(intent.key)
        entry = await looked(connector, known(intent))
        output = await connector.collect(intent.key, cloud.artifacts.sink("out"))
        await connector.release(intent)
    return entry, output


class CloudHarness:
    """One machine of the simulated cloud, at the pace of a test."""

    clock: Clock = SystemClock()
    settings: JsonObject = SETTINGS
    patience = timedelta(seconds=20)
    starts: ClassVar[list[str]] = ["run_command", "command_put"]
    looks: ClassVar[list[str]] = ["command_get", "command_list", "operation"]

    def __init__(self, cloud: Cloud, connector: type[AnyConnector], unsupported: Mapping[Fault, str]) -> None:
        self.cloud, self.connector, self.unsupported = cloud, connector, unsupported

    async def open(self) -> AnyConnector:
        return await self.connector.open(self.cloud.context())

    def spec(self, *, long: bool = False) -> JsonObject:
        return {"script": "echo on; sleep 3600" if long else "echo hi"}

    def bad_spec(self) -> JsonObject:
        return {"script": ""}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        name, more = {
            Fault.REPLY_LOST: ("reply_lost", {"calls": self.starts}),
            Fault.REQUEST_LOST: ("reply_lost_before", {"calls": self.starts}),
            Fault.THROTTLED: ("throttled", {"calls": self.starts, "seconds": 0}),
            Fault.THROTTLED_WITH_PATIENCE: ("throttled", {"calls": self.starts, "seconds": 1}),
            Fault.LISTING_CUT: ("unavailable_once", {"calls": self.looks}),
            Fault.OUTPUT_AWAY: ("unavailable_once", {"calls": self.looks}),
            Fault.DENIED: ("token_expired", {}),
            Fault.SLOW_TO_SHOW: ("slow_to_show", {"seconds": 0.1, "get": True}),
            Fault.REJECTED: ("forbidden", {"actions": ["*/action", "*/write"]}),
        }[fault]
        counted = {} if fault in {Fault.SLOW_TO_SHOW, Fault.REJECTED} else {"next": times}
        await self.cloud.fault(**{name: {**cast("dict[str, Any]", more), **counted}})

    async def switch_off(self) -> None:
        await self.cloud.sim.arm_admin.clear_faults()

    async def count(self, execution_id: UUID) -> int:
        """By the machine's own journal: the attempt's key is a managed command's name, and an action's first line."""
        await self.cloud.begun()
        keys = [parse_attempt_key(line["name"]) or _key_in(line["first_line"]) for line in await self.cloud.journal()]
        return sum(key is not None and key[0] == execution_id for key in keys)


def _key_in(first_line: str) -> tuple[UUID, int] | None:
    return parse_attempt_key(first_line.removeprefix("# afield: "))
