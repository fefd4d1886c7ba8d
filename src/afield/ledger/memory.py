"""The ledger in memory, for tests and for authors of connectors. It keeps every promise but the one to survive."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from afield.clock import Clock, SystemClock
from afield.connectors.base import Intent
from afield.errors import ConflictError, NotFoundError
from afield.ledger import rules
from afield.ledger.base import Created, EventFilter, ExecutionFilter, NewTarget, Page, Seen
from afield.ledger.cursor import decode_cursor, encode_cursor
from afield.ledger.reread import news
from afield.ledger.shelf import FindingShelf
from afield.model.execution import (
    Applied,
    Attempt,
    Event,
    EventKind,
    Execution,
    Move,
    NewExecution,
    Reason,
    Tracked,
    Verdict,
)
from afield.model.finding import Finding, FindingKind, OpenFinding
from afield.model.ids import attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL, ExecutionState, OutcomeOfAttempt
from afield.model.target import LookRecord, Target

_QUEUED = ExecutionState.QUEUED


class MemoryLedger:
    """All of `ledger.base.Ledger`, in one process, without a database."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._targets: dict[UUID, Target] = {}
        self._rows: dict[UUID, Execution] = {}
        self._by_target: dict[UUID, dict[UUID, None]] = defaultdict(dict)
        self._incomplete: dict[UUID, dict[UUID, None]] = defaultdict(dict)
        self._attempts: dict[UUID, dict[int, Attempt]] = defaultdict(dict)
        self._owners: dict[tuple[UUID, str], UUID] = {}
        self._keys: dict[tuple[UUID, str], UUID] = {}
        self._events: list[Event] = []
        self._findings: dict[UUID, FindingShelf] = defaultdict(FindingShelf)
        self._wakes: dict[UUID, list[asyncio.Event]] = defaultdict(list)
        self._followers: set[asyncio.Event] = set()

    # ------------------------------------------------------------------------------------------- targets

    async def add_target(self, new: NewTarget) -> Target:
        for target in self._targets.values():
            if target.id == new.id or (target.tenant_id == new.tenant_id and target.name == new.name):
                raise ConflictError(f"There is a target {new.name!r} already.", hint="Choose another name.")
        self._targets[new.id] = Target(
            id=new.id,
            tenant_id=new.tenant_id,
            connector=new.connector,
            name=new.name,
            address=new.address,
            settings=new.settings,
            credential_id=new.credential_id,
            created_at=self._clock.now(),
        )
        return self._targets[new.id]

    async def target(self, target_id: UUID, tenant_id: UUID | None = None) -> Target:
        return self._target(target_id, tenant_id)

    async def find_target(self, tenant_id: UUID, name: str) -> Target:
        for target in self._targets.values():
            if target.tenant_id == tenant_id and name in (target.name, str(target.id)):
                return target
        raise NotFoundError(f"There is no target {name!r}.")

    async def targets(self, tenant_id: UUID | None = None) -> list[Target]:
        found = [t for t in self._targets.values() if tenant_id in (None, t.tenant_id)]
        return sorted(found, key=lambda t: (t.name, t.id))

    async def update_target(
        self, target_id: UUID, *, settings: JsonObject | None = None, credential_id: UUID | None = None
    ) -> Target:
        target = self._target(target_id)
        self._targets[target_id] = replace(
            target,
            settings=target.settings if settings is None else settings,
            credential_id=credential_id or target.credential_id,
        )
        self._wake(target_id)
        return self._targets[target_id]

    def _target(self, target_id: UUID, tenant_id: UUID | None = None) -> Target:
        target = self._targets.get(target_id)
        if target is None or tenant_id not in (None, target.tenant_id):
            raise NotFoundError(f"There is no target {target_id}.")
        return target

    # ------------------------------------------------------------------------------------------- driving

    async def take(self, target_id: UUID, driver: str, at: datetime) -> Target:
        target = self._target(target_id)
        taken = replace(target, epoch=target.epoch + 1, driver=driver, driver_since=at)
        self._targets[target_id] = taken
        self._wake(target_id)
        return taken

    async def release(self, target_id: UUID, epoch: int) -> None:
        self._update_if_driver(target_id, epoch, lambda t: replace(t, driver=None, driver_since=None))

    async def looked(self, target_id: UUID, epoch: int, look: LookRecord, seen: Sequence[Seen]) -> bool:
        before = self._target(target_id).look
        kept = replace(look, completed_at=_completed_at(before, look))
        if not self._update_if_driver(target_id, epoch, lambda t: replace(t, look=kept)):
            return False
        for one in seen:
            row = self._rows.get(one.execution_id)
            if row is not None and row.target_id == target_id:
                self._rows[row.id] = replace(
                    row, remote_status=one.remote_status, remote_seen_at=one.seen_at, next_at=one.next_at
                )
        if before is None or (before.complete, before.error) != (look.complete, look.error):
            data: JsonObject = {"complete": look.complete, "entries": look.entries, "error": look.error}
            self._tell(EventKind.LOOKED, self._target(target_id), at=look.taken_at, epoch=epoch, data=data)
        return True

    async def throttled(self, target_id: UUID, epoch: int, until: datetime) -> bool:
        return self._update_if_driver(target_id, epoch, lambda t: replace(t, throttled_until=until))

    def _update_if_driver(self, target_id: UUID, epoch: int, change: Callable[[Target], Target]) -> bool:
        target = self._target(target_id)
        if target.epoch != epoch:
            return False
        self._targets[target_id] = change(target)
        return True

    async def outstanding(self, target_id: UUID, queued: int) -> list[Tracked]:
        rows = [self._rows[i] for i in self._incomplete[target_id]]
        waiting = [r for r in rows if r.state is _QUEUED]
        waiting.sort(key=lambda r: (r.cancel_requested_at is None, r.created_at, r.id))
        chosen = [r for r in rows if r.state is not _QUEUED] + waiting[:queued]
        return sorted(chosen, key=lambda r: (r.created_at, r.id))

    async def undriven(self) -> list[UUID]:
        return sorted(target_id for target_id, rows in self._incomplete.items() if rows)

    async def late_attempts(self, target_id: UUID, since: datetime) -> list[Attempt]:
        tries = (a for i in self._by_target[target_id] for a in self._attempts[i].values())
        late = [a for a in tries if a.outcome is OutcomeOfAttempt.ABSENT and a.intent_at > since]
        return sorted(late, key=lambda a: (a.intent_at, a.execution_id, a.number))

    async def intents(self, execution_ids: Iterable[UUID]) -> dict[UUID, Intent]:
        rows = (self._rows[i] for i in execution_ids if i in self._rows)
        return {row.id: rules.intent_of(row, self._attempts[row.id].get(row.attempt)) for row in rows}

    async def owners(self, target_id: UUID, handles: Iterable[str]) -> dict[str, UUID]:
        return {h: self._owners[target_id, h] for h in handles if (target_id, h) in self._owners}

    async def complete(self, target_id: UUID, execution_ids: Iterable[UUID]) -> frozenset[UUID]:
        found = [self._rows[one] for one in execution_ids if one in self._rows]
        ended = (x for x in found if x.target_id == target_id and x.state is not ExecutionState.LOST)
        return frozenset(x.id for x in ended if x.complete)

    # ------------------------------------------------------------------------------------------- moves

    async def apply(self, move: Move) -> Applied:
        return self._apply(move)

    async def apply_all(self, moves: Sequence[Move]) -> list[Applied]:
        return [self._apply(move) for move in moves]

    def _apply(self, move: Move) -> Applied:
        row = self._rows.get(move.execution_id)
        if row is None:
            return Applied(Verdict.MISSING)
        target = self._targets[row.target_id]
        verdict, after = rules.apply_move(row, move, target.epoch)
        if verdict is Verdict.APPLIED and move.handle is not None:
            owner = self._owners.get((row.target_id, move.handle), row.id)
            verdict = verdict if owner == row.id else Verdict.OWNED
        if verdict is not Verdict.APPLIED:
            return Applied(verdict, row.state)
        if move.handle is not None:
            self._owners[row.target_id, move.handle] = row.id
        self._keep(after)
        self._try(move)
        if move.epoch is None:
            self._wake(row.target_id)
        return Applied(verdict, after.state, self._tell_move(target, after, move))

    def _keep(self, row: Execution) -> None:
        self._rows[row.id] = row
        if row.complete:
            self._incomplete[row.target_id].pop(row.id, None)
        else:
            self._incomplete[row.target_id][row.id] = None

    def _try(self, move: Move) -> None:
        tries = self._attempts[move.execution_id]
        if rules.starts_attempt(move):
            key = attempt_key(move.execution_id, move.attempt)
            tries[move.attempt] = Attempt(
                execution_id=move.execution_id, number=move.attempt, key=key, intent_at=move.at, handle=move.handle
            )
            return
        number = move.attempt if move.adopted_attempt is None else move.adopted_attempt
        if number in tries:
            tries[number] = rules.settle(tries[number], move)

    def _tell_move(self, target: Target, row: Execution, move: Move) -> int:
        return self._tell(
            EventKind.NOTED if move.to is move.expect else EventKind.MOVED,
            target,
            at=move.at,
            execution_id=row.id,
            from_state=move.expect,
            to_state=move.to,
            attempt=row.attempt,
            epoch=move.epoch,
            actor=move.actor,
            reason=move.reason,
            data=rules.event_data(move),
        )

    # ------------------------------------------------------------------------------------------- executions

    async def create(self, new: NewExecution) -> Created:
        target = self._target(new.target_id, new.tenant_id)
        known = self._keys.get((new.tenant_id, new.idempotency_key)) if new.idempotency_key is not None else None
        if (first := self._rows.get(known or new.id)) is not None:
            if (first.tenant_id, first.target_id, first.spec, first.labels) != (
                new.tenant_id, new.target_id, new.spec, new.labels
            ):  # fmt: skip
                raise rules.used_before(new, by_key=known is not None)
            return Created(first, replayed=True)
        row = rules.new_row(new, self._clock.now())
        self._keep(row)
        self._by_target[row.target_id][row.id] = None
        if row.idempotency_key is not None:
            self._keys[row.tenant_id, row.idempotency_key] = row.id
        self._tell(EventKind.CREATED, target, at=row.created_at, execution_id=row.id, to_state=row.state, actor="user")
        self._wake(row.target_id)
        return Created(row, replayed=False)

    async def execution(self, execution_id: UUID, tenant_id: UUID | None = None) -> Execution:
        row = self._rows.get(execution_id)
        if row is None or tenant_id not in (None, row.tenant_id):
            raise NotFoundError(f"There is no execution {execution_id}.")
        return row

    async def executions(self, wanted: ExecutionFilter, *, limit: int = 100, cursor: str | None = None) -> Page:
        rows = sorted(self._wanted(wanted), key=lambda r: (r.created_at, r.id), reverse=True)
        if cursor is not None:
            end = decode_cursor(cursor)
            rows = [r for r in rows if (r.created_at, r.id) < end]
        page = rows[:limit]
        more = len(rows) > limit
        return Page(tuple(page), encode_cursor(page[-1].created_at, page[-1].id) if more else None)

    async def count_by_state(self, wanted: ExecutionFilter) -> dict[ExecutionState, int]:
        counts: dict[ExecutionState, int] = defaultdict(int)
        for row in self._wanted(wanted):
            counts[row.state] += 1
        return dict(counts)

    def _wanted(self, wanted: ExecutionFilter) -> Iterator[Execution]:
        return (row for row in self._rows.values() if _selects(wanted, row))

    async def attempts(self, execution_id: UUID) -> list[Attempt]:
        return [attempt for _, attempt in sorted(self._attempts[execution_id].items())]

    async def request_cancel(self, execution_id: UUID, actor: str, at: datetime) -> Execution:
        row = await self.execution(execution_id)
        if row.state in FINAL or row.cancel_requested_at is not None:
            return row
        self._keep(replace(row, cancel_requested_at=at, updated_at=at))
        target = self._targets[row.target_id]
        self._tell(EventKind.CANCEL_REQUESTED, target, at=at, execution_id=row.id, attempt=row.attempt, actor=actor)
        self._wake(row.target_id)
        return self._rows[execution_id]

    # ------------------------------------------------------------------------------------------- history

    async def events(self, wanted: EventFilter, *, after: int = 0, limit: int = 500) -> list[Event]:
        found = (event for event in self._events[max(0, after) :] if _tells(wanted, event))
        return [event for event, _ in zip(found, range(limit), strict=False)]

    async def follow(self, wanted: EventFilter, *, after: int) -> AsyncIterator[Event]:
        wake = asyncio.Event()
        self._followers.add(wake)
        try:
            while True:
                wake.clear()
                newest = len(self._events)
                for event in self._events[max(0, after) : newest]:
                    if _tells(wanted, event):
                        yield event
                after = max(after, newest)
                if len(self._events) == newest:
                    await news(wake)
        finally:
            self._followers.discard(wake)

    async def last_seq(self) -> int:
        return len(self._events)

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
        target = self._target(target_id)
        return self._tell(kind, target, at=at, actor=actor, execution_id=execution_id, reason=reason, data=data or {})

    def _tell(
        self,
        kind: EventKind,
        target: Target,
        *,
        at: datetime,
        actor: str = "engine",
        execution_id: UUID | None = None,
        from_state: ExecutionState | None = None,
        to_state: ExecutionState | None = None,
        attempt: int | None = None,
        epoch: int | None = None,
        reason: Reason | None = None,
        data: JsonObject | None = None,
    ) -> int:
        event = Event(
            seq=len(self._events) + 1,
            at=at,
            kind=kind,
            tenant_id=target.tenant_id,
            target_id=target.id,
            execution_id=execution_id,
            from_state=from_state,
            to_state=to_state,
            attempt=attempt,
            epoch=epoch,
            actor=actor,
            reason=reason,
            data=data or {},
        )
        self._events.append(event)
        for follower in self._followers:
            follower.set()
        return event.seq

    # ------------------------------------------------------------------------------------------- findings

    async def report(self, target_id: UUID, findings: Sequence[Finding], *, complete: bool, at: datetime) -> None:
        target = self._target(target_id)
        for change, finding in self._findings[target_id].report(findings, complete=complete, at=at):
            data: JsonObject = {"change": change, "kind": finding.kind, "fingerprint": finding.fingerprint}
            self._tell(EventKind.FINDING, target, at=at, execution_id=finding.execution_id, data=data)

    async def findings(
        self, tenant_id: UUID, *, target_id: UUID | None = None, kind: FindingKind | None = None, open_only: bool = True
    ) -> list[OpenFinding]:
        wanted = [t for t in self._targets.values() if t.tenant_id == tenant_id and target_id in (None, t.id)]
        kept = (found for target in wanted for found in self._findings[target.id].kept(open_only))
        return sorted((f for f in kept if kind in (None, f.finding.kind)), key=lambda f: (f.first_seen_at, f.id))

    async def ignored(self, target_id: UUID) -> frozenset[str]:
        return self._findings[target_id].ignored()

    async def ignore(self, target_id: UUID, fingerprint: str, actor: str, at: datetime) -> None:
        target = self._target(target_id)
        finding = self._findings[target_id].ignore(fingerprint)
        data: JsonObject = {"change": "ignored", "kind": finding.kind, "fingerprint": fingerprint}
        self._tell(EventKind.FINDING, target, at=at, actor=actor, execution_id=finding.execution_id, data=data)

    # ------------------------------------------------------------------------------------------- waking

    @contextmanager
    def waking(self, target_id: UUID, wake: asyncio.Event) -> Iterator[None]:
        self._wakes[target_id].append(wake)
        try:
            yield
        finally:
            self._wakes[target_id].remove(wake)

    def _wake(self, target_id: UUID) -> None:
        for wake in self._wakes[target_id]:
            wake.set()


def _completed_at(before: LookRecord | None, look: LookRecord) -> datetime | None:
    """When a look last was complete, `look` included."""
    if look.completed_at is not None or look.complete:
        return look.completed_at or look.taken_at
    return before.completed_at if before else None


def _selects(wanted: ExecutionFilter, row: Execution) -> bool:
    return (
        row.tenant_id == wanted.tenant_id
        and wanted.target_id in (None, row.target_id)
        and (not wanted.states or row.state in wanted.states)
        and (not wanted.handles or row.handle in wanted.handles)
        and (wanted.created_since is None or row.created_at >= wanted.created_since)
        and (wanted.created_until is None or row.created_at < wanted.created_until)
        and wanted.labels.items() <= row.labels.items()
    )


def _tells(wanted: EventFilter, event: Event) -> bool:
    return (
        event.tenant_id == wanted.tenant_id
        and wanted.target_id in (None, event.target_id)
        and wanted.execution_id in (None, event.execution_id)
        and (not wanted.kinds or event.kind in wanted.kinds)
    )
