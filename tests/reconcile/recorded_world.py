"""A ledger in memory with one target, and rows brought into any state through allowed moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from reconcile_world import DAY, NOW, TARGET, TableRemote, World

from afield.ledger.base import EventFilter, NewTarget
from afield.ledger.memory import MemoryLedger
from afield.model.execution import Event, EventKind, Execution, Move, NewExecution
from afield.model.ids import uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import Policy, Repaired, Repairer, plan_repairs
from afield.reconcile.scan import Scan, scan

S = ExecutionState

PATHS: dict[ExecutionState, tuple[ExecutionState, ...]] = {
    S.QUEUED: (),
    S.SUBMITTING: (S.SUBMITTING,),
    S.UNCONFIRMED: (S.SUBMITTING, S.UNCONFIRMED),
    S.SUBMITTED: (S.SUBMITTING, S.SUBMITTED),
    S.RUNNING: (S.SUBMITTING, S.SUBMITTED, S.RUNNING),
    S.SUCCEEDED: (S.SUBMITTING, S.SUBMITTED, S.RUNNING, S.SUCCEEDED),
    S.LOST: (S.SUBMITTING, S.UNCONFIRMED, S.LOST),
    S.REJECTED: (S.SUBMITTING, S.REJECTED),
    S.CANCELLED: (S.SUBMITTING, S.SUBMITTED, S.CANCELLED),
}


class HeldClock:
    """Stands still."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        raise NotImplementedError


@dataclass
class Bench:
    """Ledger, remote and clock of one test."""

    ledger: MemoryLedger
    target: Target
    world: World
    clock: HeldClock

    @property
    def remote(self) -> TableRemote:
        return TableRemote(self.world)

    async def add(self, state: ExecutionState, *, handle: str | None = None, age: timedelta = DAY / 24) -> Execution:
        """A row that got into `state` `age` ago."""
        self.clock.time = NOW - age
        new = NewExecution(
            id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=TARGET, spec={"what": "q"}, labels={"user_email": "a@b.c"}
        )
        created = (await self.ledger.create(new)).execution
        await self.walk(created.id, *PATHS[state], handle=handle, at=NOW - age)
        self.clock.time = NOW
        return await self.ledger.execution(created.id)

    async def walk(
        self, execution_id: UUID, *states: ExecutionState, handle: str | None = None, at: datetime = NOW
    ) -> None:
        for to in states:
            row = await self.ledger.execution(execution_id)
            move = Move(
                execution_id=execution_id,
                expect=row.state,
                to=to,
                attempt=row.attempt + (to is S.SUBMITTING),
                at=at,
                handle=handle if to is S.SUBMITTED else None,
            )
            assert (await self.ledger.apply(move)).ok

    async def scan(self, since: timedelta = DAY) -> Scan:
        target = await self.ledger.target(TARGET)
        return await scan(self.ledger, self.remote, target, self.clock.now() - since, self.clock.now())

    async def repair(self, scanned: Scan, policy: Policy | None = None) -> list[Repaired]:
        repairer = Repairer(self.ledger, self.remote, actor="ann", clock=self.clock)
        return await repairer.apply(plan_repairs(scanned.findings, policy))

    async def audit(self) -> list[Event]:
        return await self.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.REPAIRED})))


async def make_bench() -> Bench:
    clock = HeldClock()
    ledger = MemoryLedger(clock)
    new = NewTarget(id=TARGET, tenant_id=DEFAULT_TENANT, connector="table", name="there", address={})
    return Bench(ledger, await ledger.add_target(new), World(), clock)
