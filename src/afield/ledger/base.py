"""What the ledger offers. Two implementations keep these promises and share one test suite: `postgres.PostgresLedger`,
which is the product, and `memory.MemoryLedger`, for tests and for authors of connectors.

Every write is answered after its commit. Methods raise NotFoundError for what is not there (or is another tenant's).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from afield.connectors.base import Intent
from afield.model.execution import Applied, Attempt, Event, EventKind, Execution, Move, NewExecution, Reason, Tracked
from afield.model.finding import Finding, FindingKind, OpenFinding
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import LookRecord, Target


@dataclass(frozen=True, slots=True)
class Created:
    """An execution, and whether it had been recorded before under the same idempotency key."""

    execution: Execution
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """A target to be recorded; its address is already checked."""

    id: UUID
    tenant_id: UUID
    connector: str
    name: str
    address: JsonObject
    settings: JsonObject = field(default_factory=dict)
    credential_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """That a look showed an execution, and when the engine means to look for it again."""

    execution_id: UUID
    remote_status: str
    seen_at: datetime
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """Which executions. Everything given has to hold; newest first."""

    tenant_id: UUID
    target_id: UUID | None = None
    states: frozenset[ExecutionState] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    handles: frozenset[str] = frozenset()
    created_since: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of executions, and the cursor of the next one if there is one (opaque text)."""

    items: tuple[Execution, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events. Everything given has to hold."""

    tenant_id: UUID
    target_id: UUID | None = None
    execution_id: UUID | None = None
    session_id: int | None = None
    kinds: frozenset[EventKind] = frozenset()


class EngineLedger(Protocol):
    """The part of the ledger a driver works with."""

    async def take(self, target_id: UUID, driver: str, at: datetime) -> Target:
        """Become the target's driver: raises its fencing epoch by one, so that all earlier drivers' moves are stale."""
        ...

    async def release(self, target_id: UUID, epoch: int) -> None:
        """Stop being the driver, if the epoch is still ours."""
        ...

    async def outstanding(self, target_id: UUID, queued: int) -> list[Tracked]:
        """All rows that are not complete (see `Tracked.complete`), of the queued ones only the `queued` oldest
        (those with a cancel requested come first); by creation. Not those another process drives in line."""
        ...

    async def late_attempts(self, target_id: UUID, since: datetime) -> list[Attempt]:
        """Attempts with outcome `absent` and an intent after `since`, whose execution may still be rescued or
        doubled by a late arrival."""
        ...

    async def intents(self, execution_ids: Iterable[UUID]) -> dict[UUID, Intent]:
        """The current attempt of each, with its spec; `sent_after` is the intent's commit.

        For a row that is still queued, the attempt is the next one. An attempt that is not being sent any more has
        `sent_before`.
        """
        ...

    async def owners(self, target_id: UUID, handles: Iterable[str]) -> dict[str, UUID]:
        """Which executions hold these handles."""
        ...

    async def complete(self, target_id: UUID, execution_ids: Iterable[UUID]) -> frozenset[UUID]:
        """Which of these are executions of the target from which nothing more is expected (see `Tracked.complete`);
        not those that are lost, since they may turn up."""
        ...

    async def apply(self, move: Move) -> Applied:
        """Make one move; answered after its commit, shared with whoever else moves at this time."""
        ...

    async def apply_all(self, moves: Sequence[Move]) -> list[Applied]:
        """Make moves together, in order; one refusal does not touch the others."""
        ...

    async def looked(self, target_id: UUID, epoch: int, look: LookRecord, seen: Sequence[Seen]) -> bool:
        """Remember a look and what it showed; False when the epoch is stale (nothing is written then)."""
        ...

    async def throttled(self, target_id: UUID, epoch: int, until: datetime) -> bool:
        """Remember that the remote asked for patience."""
        ...

    def waking(self, target_id: UUID, wake: asyncio.Event) -> AbstractContextManager[None]:
        """While inside, `wake` is set whenever something of the target changes that a driver should see: a new
        execution, a request to cancel, somebody else's move. May also be set without a reason."""
        ...


class Ledger(EngineLedger, Protocol):
    """All of it."""

    # targets
    async def add_target(self, new: NewTarget) -> Target:
        """Record a target. Raises ConflictError when the tenant has one of this name."""
        ...

    async def target(self, target_id: UUID, tenant_id: UUID | None = None) -> Target: ...
    async def find_target(self, tenant_id: UUID, name: str) -> Target:
        """By name, or by the text of its id."""
        ...

    async def targets(self, tenant_id: UUID | None = None) -> list[Target]: ...
    async def update_target(
        self, target_id: UUID, *, settings: JsonObject | None = None, credential_id: UUID | None = None
    ) -> Target: ...

    # executions
    async def create(self, new: NewExecution) -> Created:
        """Record an execution (group-committed). Raises NotFoundError (no such target), IdempotencyError (same key,
        another target, spec or labels)."""
        ...

    async def execution(self, execution_id: UUID, tenant_id: UUID | None = None) -> Execution: ...
    async def executions(self, wanted: ExecutionFilter, *, limit: int = 100, cursor: str | None = None) -> Page:
        """One page, newest first. Raises InvalidInputError for a cursor that is not one of ours."""
        ...

    async def count_by_state(self, wanted: ExecutionFilter) -> dict[ExecutionState, int]: ...
    async def attempts(self, execution_id: UUID) -> list[Attempt]: ...
    async def request_cancel(self, execution_id: UUID, actor: str, at: datetime) -> Execution:
        """Ask for a cancel; the driver carries it out. Asking twice, or too late, changes nothing."""
        ...

    async def undriven(self) -> list[UUID]:
        """Targets with work outstanding (see `outstanding`), for the sweep."""
        ...

    # history
    async def events(self, wanted: EventFilter, *, after: int = 0, limit: int = 500) -> list[Event]:
        """Events with a number above `after`, in order."""
        ...

    def follow(self, wanted: EventFilter, *, after: int) -> AsyncIterator[Event]:
        """All events after `after`, then those to come, in order, without a gap; ends never."""
        ...

    async def last_seq(self) -> int:
        """The number of the newest event; 0 when there is none."""
        ...

    async def note_event(
        self,
        kind: EventKind,
        *,
        target_id: UUID,
        at: datetime,
        actor: str,
        execution_id: UUID | None = None,
        reason: Reason | None = None,
        data: JsonObject | None = None,
    ) -> int:
        """Write an event that is no move (a repair, for the audit trail); returns its number."""
        ...

    # findings
    async def report(self, target_id: UUID, findings: Sequence[Finding], *, complete: bool, at: datetime) -> None:
        """Keep the findings that need attention; after a complete look, open ones that are not among them are
        resolved. Matched and informational ones are not kept."""
        ...

    async def findings(
        self, tenant_id: UUID, *, target_id: UUID | None = None, kind: FindingKind | None = None, open_only: bool = True
    ) -> list[OpenFinding]: ...

    async def ignored(self, target_id: UUID) -> frozenset[str]:
        """The fingerprints of findings that somebody decided to ignore."""
        ...

    async def ignore(self, target_id: UUID, fingerprint: str, actor: str, at: datetime) -> None:
        """Do not report this difference any more."""
        ...
