"""A world in the process: simulated time, a ledger in memory, one target at an in-process remote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from afield.connectors.base import Artifacts
from afield.connectors.registry import AnyConnector
from afield.engine.drive import Outcome, drive
from afield.ledger.base import EngineLedger, EventFilter, NewTarget
from afield.ledger.memory import MemoryLedger
from afield.model.execution import Event, Execution, NewExecution, Resubmit
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.clock import FakeClock
from afield.testing.connector import MemoryConnector
from afield.testing.harness import target_context
from afield.testing.remote import MemoryRemote

DAY = timedelta(days=1)


@dataclass
class World:
    """What a driver finds, and doors to put work in and to see what came of it."""

    clock: FakeClock
    ledger: MemoryLedger
    remote: MemoryRemote
    target_id: UUID
    connector_class: type[MemoryConnector] = MemoryConnector
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    ids: list[UUID] = field(default_factory=list)

    @classmethod
    async def start(
        cls, *, connector: type[MemoryConnector] = MemoryConnector, settings: JsonObject | None = None
    ) -> World:
        clock = FakeClock()
        ledger = MemoryLedger(clock)
        remote = MemoryRemote(name=f"remote-{uuid7().hex}", clock=clock)
        target = NewTarget(
            id=uuid7(),
            tenant_id=DEFAULT_TENANT,
            connector=connector.name,
            name="t",
            address={"remote": remote.name},
            settings=settings or {},
        )
        await ledger.add_target(target)
        return cls(clock, ledger, remote, target.id, connector)

    async def connector(self) -> MemoryConnector:
        return await self.connector_class.open(target_context({"remote": self.remote.name}, self.clock))

    async def record(
        self, *, timeout_s: float | None = None, resubmit: Resubmit = Resubmit.WHEN_ABSENT, **spec: object
    ) -> UUID:
        new = NewExecution(
            id=uuid7(),
            tenant_id=DEFAULT_TENANT,
            target_id=self.target_id,
            spec={"seconds": 60.0, "prints": "out", "fails": False, **spec},
            timeout_s=timeout_s,
            resubmit=resubmit,
        )
        self.ids.append((await self.ledger.create(new)).execution.id)
        return self.ids[-1]

    async def row(self, execution_id: UUID) -> Execution:
        return await self.ledger.execution(execution_id)

    async def events(self, execution_id: UUID) -> list[Event]:
        return await self.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, execution_id=execution_id))

    async def path(self, execution_id: UUID) -> list[str]:
        """The states an execution went through."""
        moves = [e for e in await self.events(execution_id) if e.to_state is not None and e.to_state != e.from_state]
        return [str(e.to_state) for e in moves]

    async def drive(
        self,
        *,
        stop: asyncio.Event | None = None,
        connector: AnyConnector | None = None,
        ledger: EngineLedger | None = None,
        artifacts: Artifacts | None = None,
        name: str = "driver",
    ) -> Outcome:
        return await drive(
            ledger or self.ledger,
            connector or await self.connector(),  # type: ignore[arg-type]
            artifacts or self.artifacts,
            self.target_id,
            driver=name,
            clock=self.clock,
            stop=stop or asyncio.Event(),
        )
