"""A world small enough to hold in the hand: rows, entries, and a remote that is a dictionary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self
from uuid import UUID

from pydantic import BaseModel

from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Connector,
    Entry,
    Intent,
    Known,
    Limits,
    LookQuery,
    Match,
    Output,
    RemoteState,
    Sink,
    Snapshot,
    StrictModel,
    Submission,
    TargetContext,
)
from afield.model.execution import Reason, Tracked
from afield.model.ids import attempt_key
from afield.model.states import IN_DOUBT, ExecutionState
from afield.reconcile.sides import Sides, current_handle

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TARGET = UUID(int=1)
LIMITS = Limits()
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

WORDS = {
    RemoteState.WAITING: "PENDING",
    RemoteState.RUNNING: "RUNNING",
    RemoteState.SUCCEEDED: "SUCCEEDED",
    RemoteState.FAILED: "FAILED",
    RemoteState.CANCELLED: "CANCELLED",
    RemoteState.TIMED_OUT: "EXPIRED",
    RemoteState.REJECTED: "REJECTED",
    RemoteState.UNKNOWN: "MUSING",
}


def execution_id(number: int) -> UUID:
    return UUID(int=0x1000 + number)


def row(number: int, state: ExecutionState, **changes: object) -> Tracked:
    """A row an hour old, at its first attempt, with the id `h{number}` where its state implies one."""
    started = state is not ExecutionState.QUEUED
    has_id = started and state not in IN_DOUBT and state is not ExecutionState.REJECTED
    made = Tracked(
        id=execution_id(number),
        target_id=TARGET,
        state=state,
        attempt=1 if started else 0,
        handle=f"h{number}" if has_id else None,
        created_at=NOW - HOUR,
        state_at=NOW - HOUR,
        intent_at=NOW - HOUR if started else None,
        submitted_at=NOW - HOUR if has_id else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def entry(handle: str, state: RemoteState = RemoteState.RUNNING, **changes: object) -> Entry:
    made = Entry(handle=handle, status=WORDS[state], state=state, created_at=NOW - HOUR)
    return replace(made, **changes)  # type: ignore[arg-type]


def intent(number: int, attempt: int = 1, *, what: str = "q") -> Intent:
    return Intent(
        execution_id=execution_id(number),
        attempt=attempt,
        key=attempt_key(execution_id(number), attempt),
        spec={"what": what},
        sent_after=NOW - HOUR,
    )


def key(number: int, attempt: int = 1) -> str:
    return attempt_key(execution_id(number), attempt)


def match(intent: Intent, entry: Entry) -> Match:
    """By name where there is one, else by what the remote repeats of the request."""
    if entry.name is not None:
        return Match.EXACT if entry.name == intent.key else Match.NO
    return Match.POSSIBLE if entry.echo and entry.echo == intent.spec else Match.NO


def sides(
    rows: Iterable[Tracked] = (),
    entries: Iterable[Entry] = (),
    *,
    intents: Iterable[Intent] | None = None,
    complete: bool = True,
    **changes: object,
) -> Sides:
    """Both sides, with a look that asked for all rows, and an intent for each row in doubt."""
    rows = tuple(rows)
    doubts = [r for r in rows if r.state in IN_DOUBT and r.attempt]
    if intents is None:
        intents = [replace(intent(0, r.attempt), execution_id=r.id, key=r.key) for r in doubts]
    intents = tuple(intents)
    made = Sides(
        target_id=TARGET,
        rows=rows,
        intents=intents,
        snapshot=Snapshot(
            taken_at=NOW,
            complete=complete,
            entries=tuple(entries),
            error=None if complete else Reason("page_failed", "page 2 of 3 could not be read"),
        ),
        query=LookQuery(
            known=tuple(Known(handle=h, submitted_at=NOW - HOUR) for r in rows if (h := current_handle(r))),
            doubts=intents,
            since=NOW - DAY,
        ),
        owners={r.handle: r.id for r in rows if r.handle},
        match=match,
        limits=LIMITS,
        now=NOW,
    )
    return replace(made, **changes)


class NoFields(StrictModel):
    pass


@dataclass
class World:
    """What runs in the remote, and what was asked of it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    broken: Reason | None = None  # looks are not complete, and show only the first entry
    cancelled: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    looks: list[LookQuery] = field(default_factory=list)
    error: Exception | None = None

    def put(self, *entries: Entry) -> None:
        self.entries |= {one.handle: one for one in entries}


class TableRemote(Connector[BaseModel, BaseModel]):
    """A connector to a World."""

    name: ClassVar[str] = "table"
    abilities: ClassVar[Abilities] = Abilities(batch_look=True, cancel=True, caller_chosen_name=True)
    Address = NoFields
    Spec = NoFields

    def __init__(self, world: World) -> None:
        self.world = world

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        raise NotImplementedError

    async def submit(self, intent: Intent) -> Submission:
        return Accepted(intent.key)

    async def look(self, query: LookQuery) -> Snapshot:
        if self.world.error is not None:
            raise self.world.error
        self.world.looks.append(query)
        entries = tuple(self.world.entries.values())
        if self.world.broken is not None:
            return Snapshot(taken_at=NOW, complete=False, entries=entries[:1], error=self.world.broken, calls=2)
        return Snapshot(taken_at=NOW, complete=True, entries=entries, calls=1)

    def match(self, intent: Intent, entry: Entry) -> Match:
        return match(intent, entry)

    async def cancel(self, handle: str) -> Cancellation:
        self.world.cancelled.append(handle)
        shown = self.world.entries.get(handle)
        if shown is None or shown.state not in {RemoteState.RUNNING, RemoteState.WAITING}:
            return Cancellation.TOO_LATE
        self.world.put(entry(handle, RemoteState.CANCELLED, name=shown.name))
        return Cancellation.ASKED

    async def collect(self, handle: str, sink: Sink) -> Output:
        raise NotImplementedError

    async def retire(self, intent: Intent) -> bool:
        self.world.retired.append(intent.key)
        return True
