"""What the author of a connector provides for the conformance suite, and the bench on which the suite works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Container, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, cast
from uuid import UUID

from afield.clock import Clock
from afield.connectors.base import Artifacts, Intent, Notes, TargetContext
from afield.connectors.registry import AnyConnector
from afield.connectors.tokens import Refresh
from afield.engine.drive import Outcome, drive
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, armed
from afield.ledger.base import EventFilter, NewTarget
from afield.ledger.memory import MemoryLedger
from afield.model.execution import Event, Execution, NewExecution
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.faults import Fault
from afield.testing.notes import MemoryNotes
from afield.testing.process import Process, dies


class Harness(Protocol):
    """A fresh remote, or a fresh target at one, with faults on demand. One is made for each case."""

    connector: type[AnyConnector]
    clock: Clock  # a FakeClock, or the machine's with short delays in `settings`
    settings: JsonObject  # of the target: limits that fit the remote's pace
    patience: timedelta  # by the clock, for one execution to end, whatever happens to it
    unsupported: Mapping[Fault, str]  # what cannot happen at this remote, and why

    async def open(self) -> AnyConnector:
        """A connector bound to the target; the caller closes it. Called more than once in a case."""
        ...

    def spec(self, *, long: bool = False) -> JsonObject:
        """A valid spec of work that ends well, leaves an output, and is over soon: or, `long`, not within patience."""
        ...

    def bad_spec(self) -> JsonObject:
        """One that is not valid."""
        ...

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        """Let a fault happen to the next so many requests that it can happen to; None: to all of them."""
        ...

    async def switch_off(self) -> None:
        """All is well again."""
        ...

    async def count(self, execution_id: UUID) -> int:
        """How many executions the remote has really started for an intent, over all its attempts."""
        ...


class _NoTokens:
    """For remotes without tokens."""

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        raise CredentialError("This target has no tokens.", hint="Give the context a token source.")


def target_context(
    address: JsonObject,
    clock: Clock,
    *,
    settings: JsonObject | None = None,
    secret: Mapping[str, str] | None = None,
    artifacts: Artifacts | None = None,
    notes: Notes | None = None,
) -> TargetContext:
    """What a connector is opened with, for a target that is in no ledger."""
    return TargetContext(
        target_id=uuid7(),
        name="under test",
        address=address,
        settings=settings or {},
        secret=secret or {},
        tokens=_NoTokens(),
        artifacts=artifacts or MemoryArtifacts(),
        notes=notes or MemoryNotes(),
        clock=clock,
    )


@dataclass(slots=True)
class Bench:
    """A ledger in memory with one target, and drivers for it, alive and dying."""

    harness: Harness
    ledger: MemoryLedger
    target_id: UUID
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)

    @classmethod
    async def start(cls, harness: Harness) -> Bench:
        ledger = MemoryLedger(harness.clock)
        new = NewTarget(
            id=uuid7(),
            tenant_id=DEFAULT_TENANT,
            connector=harness.connector.name,
            name="under test",
            address={},
            settings=harness.settings,
        )
        target = await ledger.add_target(new)
        return cls(harness, ledger, target.id)

    def intent(self, spec: JsonObject) -> Intent:
        """A first attempt, for calls to a connector without an engine."""
        execution_id = uuid7()
        now = self.harness.clock.now()
        key = attempt_key(execution_id, 1)
        return Intent(execution_id=execution_id, attempt=1, key=key, spec=spec, sent_after=now)

    async def record(self, spec: JsonObject) -> UUID:
        new = NewExecution(id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=self.target_id, spec=spec)
        return (await self.ledger.create(new)).execution.id

    async def row(self, execution_id: UUID) -> Execution:
        return await self.ledger.execution(execution_id)

    async def drive(self, patience: timedelta | None = None) -> Outcome:
        """Drive until nothing is outstanding, or patience ends."""
        connector = await self.harness.open()
        try:
            return await self._drive(Process(self.ledger, connector), patience or self.harness.patience)
        finally:
            await connector.close()

    async def crash(self, point: FaultPoint) -> bool:
        """Drive until the driver's process dies at `point`; False when it never came there."""
        connector = await self.harness.open()
        process = Process(self.ledger, connector)
        try:
            with armed(point, process.die):
                return await dies(self._drive(process, self.harness.patience))
        finally:
            await connector.close()

    async def _drive(self, process: Process, patience: timedelta) -> Outcome:
        clock, stop, done = self.harness.clock, asyncio.Event(), asyncio.Event()

        async def end_of_patience() -> None:
            await clock.wait(done, clock.now() + patience)
            stop.set()

        stopper = asyncio.create_task(end_of_patience())
        try:
            return await drive(
                process.ledger, process.connector, self.artifacts, self.target_id, driver="test", clock=clock, stop=stop
            )
        finally:
            done.set()
            await stopper

    async def until(self, execution_id: UUID, states: Container[ExecutionState]) -> None:
        """Wait until the execution has come to one of these states."""
        wanted = EventFilter(tenant_id=DEFAULT_TENANT, execution_id=execution_id)
        followed = cast("AsyncGenerator[Event, None]", self.ledger.follow(wanted, after=0))
        async with aclosing(followed) as events:
            async for event in events:
                if event.to_state in states:
                    return

    async def pause(self, delay: timedelta) -> None:
        clock = self.harness.clock
        await clock.wait(asyncio.Event(), clock.now() + delay)
