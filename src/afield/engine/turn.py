"""One driver's turn at a target: what its actions share, and how they record what came of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afield.clock import Clock
from afield.connectors.base import Artifacts, Limits
from afield.connectors.registry import AnyConnector
from afield.engine.budget import CallBudget
from afield.ledger.base import EngineLedger
from afield.model.execution import Applied, Move, Tracked, Verdict
from afield.model.states import ExecutionState
from afield.model.target import LookRecord, Target

CREDENTIAL_PAUSE = timedelta(minutes=5)
"""How long to leave a target alone whose credential was refused: only a person can change that."""


class Fenced(Exception):  # noqa: N818 - a condition, not a mistake
    """Another driver has taken the target: nothing more may be done here."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """The target, the connector bound to it, and the state of this turn."""

    ledger: EngineLedger
    connector: AnyConnector
    artifacts: Artifacts
    target: Target
    limits: Limits
    clock: Clock
    budget: CallBudget
    calls: asyncio.Semaphore  # calls in flight at once
    stop: asyncio.Event
    look: LookRecord | None = None
    throttled_until: datetime | None = None
    retired: dict[str, datetime] = field(default_factory=dict)  # attempts in doubt; see `plan.decisive_at`
    released: set[str] = field(default_factory=set)  # keys of attempts that leave nothing behind any more
    idle: asyncio.Event = field(default_factory=asyncio.Event)  # no action is under way

    def move(
        self, row: Tracked, to: ExecutionState, *, expect: ExecutionState | None = None, attempt: int | None = None
    ) -> Move:
        """A move of this driver, now; `replace` adds what else changes."""
        return Move(
            execution_id=row.id,
            expect=row.state if expect is None else expect,
            to=to,
            attempt=row.attempt if attempt is None else attempt,
            at=self.clock.now(),
            epoch=self.target.epoch,
        )

    async def apply(self, move: Move) -> Applied:
        """Make one move. Raises Fenced when another driver has the target."""
        applied = await self.ledger.apply(move)
        _check_fence([applied])
        return applied

    async def apply_all(self, moves: Sequence[Move]) -> list[Applied]:
        """Make moves together. Raises Fenced when another driver has the target."""
        applied = await self.ledger.apply_all(moves) if moves else []
        _check_fence(applied)
        return applied

    async def be_patient(self, delay: timedelta | None) -> None:
        """Call nothing of this target for a while, because the remote said so. A little more than it said, each
        time another little, so that the targets of one account do not come back together."""
        if delay is None:
            return
        until = self.clock.now() + delay * (1 + random.random() / 10)  # noqa: S311 - jitter, not a secret
        if self.throttled_until is None or until > self.throttled_until:
            self.throttled_until = until
            await self.ledger.throttled(self.target.id, self.target.epoch, until)


def _check_fence(applied: Sequence[Applied]) -> None:
    if any(one.verdict is Verdict.STALE_EPOCH for one in applied):
        raise Fenced
