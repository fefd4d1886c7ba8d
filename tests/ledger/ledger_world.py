"""Makes what ledger tests need: a target with a driver, executions, moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from afield.ledger.base import Ledger, NewTarget
from afield.model.execution import Applied, Execution, Move, NewExecution
from afield.model.ids import uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target

S = ExecutionState
T0 = datetime(2030, 1, 1, tzinfo=UTC)

PATHS: dict[ExecutionState, tuple[ExecutionState, ...]] = {
    S.QUEUED: (),
    S.SUBMITTING: (S.SUBMITTING,),
    S.UNCONFIRMED: (S.SUBMITTING, S.UNCONFIRMED),
    S.SUBMITTED: (S.SUBMITTING, S.SUBMITTED),
    S.RUNNING: (S.SUBMITTING, S.SUBMITTED, S.RUNNING),
    S.SUCCEEDED: (S.SUBMITTING, S.SUBMITTED, S.SUCCEEDED),
    S.FAILED: (S.SUBMITTING, S.SUBMITTED, S.FAILED),
    S.CANCELLED: (S.CANCELLED,),
    S.TIMED_OUT: (S.SUBMITTING, S.SUBMITTED, S.RUNNING, S.TIMED_OUT),
    S.REJECTED: (S.SUBMITTING, S.REJECTED),
    S.LOST: (S.SUBMITTING, S.UNCONFIRMED, S.LOST),
}
"""For every state, allowed moves that lead there from queued."""


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@dataclass
class World:
    """A ledger and a target that somebody drives."""

    ledger: Ledger
    target: Target

    async def execution(self, state: ExecutionState = S.QUEUED, **fields: Any) -> Execution:
        """A new execution, brought to `state`."""
        row = (await self.ledger.create(self.new(**fields))).execution
        for step in PATHS[state]:
            row = await self.step(row, step)
        return row

    def new(self, **fields: Any) -> NewExecution:
        values: dict[str, Any] = {
            "id": uuid7(), "tenant_id": self.target.tenant_id, "target_id": self.target.id, "spec": {"n": 1},
        }  # fmt: skip
        return NewExecution(**(values | fields))

    async def step(self, row: Execution, to: ExecutionState, **fields: Any) -> Execution:
        applied = await self.ledger.apply(self.move(row, to, **fields))
        assert applied.ok, applied
        return await self.ledger.execution(row.id)

    def move(self, row: Execution, to: ExecutionState, **fields: Any) -> Move:
        starts = to is S.SUBMITTING and row.state is not S.SUBMITTING
        values: dict[str, Any] = {
            "execution_id": row.id, "expect": row.state, "to": to, "attempt": row.attempt + starts, "at": T0,
            "epoch": self.target.epoch,
        }  # fmt: skip
        return Move(**(values | fields))

    async def apply(self, *moves: Move) -> list[Applied]:
        return await self.ledger.apply_all(moves)


async def make_world(ledger: Ledger, tenant_id: UUID = DEFAULT_TENANT, name: str = "here") -> World:
    new = NewTarget(id=uuid7(), tenant_id=tenant_id, connector="test", name=name, address={"url": "x"})
    added = await ledger.add_target(new)
    return World(ledger, await ledger.take(added.id, "driver-1", T0))
