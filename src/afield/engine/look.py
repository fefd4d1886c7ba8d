"""Looking: one question to the remote for all rows that wait for news, and what the answer proves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog

from afield.connectors.base import Entry, Intent, Known, LookQuery, Match, Snapshot
from afield.engine.collect import release
from afield.engine.plan import Look, look_interval
from afield.engine.settle import Evidence, Settled, settle
from afield.engine.turn import Fenced, Turn
from afield.errors import CredentialError
from afield.ledger.base import Seen
from afield.model.execution import Reason, Tracked
from afield.model.ids import parse_attempt_key
from afield.model.states import FINAL, LIVE, ExecutionState, OutputState
from afield.model.target import LookRecord

log = structlog.get_logger(__name__)


async def look(turn: Turn, action: Look) -> None:
    """One look, and all that it proves."""
    doubts = [row.id for row in action.rows if row.state is ExecutionState.UNCONFIRMED]
    intents = await turn.ledger.intents(doubts) if doubts else {}
    since = None if action.rows else turn.clock.now() - turn.limits.late_window
    snapshot = await _ask(turn, _query(action.rows, intents, since))
    turn.budget.spend(snapshot.calls)
    settled = await _settle(turn, action.rows, snapshot, intents)
    await turn.apply_all(settled.moves)
    await _remember(turn, snapshot, settled.seen)
    await turn.be_patient(snapshot.retry_after)
    await _retire_unseen(turn, action.rows, snapshot, settled, intents)
    await _release_ended(turn, settled)
    await _release_left(turn, action.rows, snapshot)


def _query(rows: Sequence[Tracked], intents: Mapping[UUID, Intent], since: datetime | None) -> LookQuery:
    known = tuple(
        Known(handle=row.handle, submitted_at=_earliest(row), key=row.key)
        for row in rows
        if row.state in LIVE and row.handle
    )
    return LookQuery(known=known, doubts=tuple(intents.values()), since=since)


async def _ask(turn: Turn, query: LookQuery) -> Snapshot:
    taken_at = turn.clock.now()
    try:
        return await turn.connector.look(query)
    except CredentialError as error:
        return Snapshot(taken_at=taken_at, complete=False, error=Reason(error.code, str(error)))
    except Exception as error:  # a failed look is not a failed job
        log.exception("connector.look_failed", target_id=str(turn.target.id), target=turn.target.name)
        reason = Reason("connector_error", f"{type(error).__name__}: {error}")
        return Snapshot(taken_at=taken_at, complete=False, error=reason)


def _earliest(row: Tracked) -> datetime:
    """Before this the remote cannot have it: a listing may begin here. An adopted execution is as old as its intent,
    not as its adoption; and where there was more than one attempt, it may be the first that was adopted."""
    return row.created_at if row.attempt > 1 or row.intent_at is None else row.intent_at


async def _retire_unseen(
    turn: Turn, rows: Sequence[Tracked], snapshot: Snapshot, settled: Settled, intents: Mapping[UUID, Intent]
) -> None:
    """Make sure that attempts a complete look does not show can not arrive any more. A later look decides on them:
    this one would not show what arrived just before it was retired."""
    doubts = [row for row in rows if row.id in intents]
    turn.retired = {row.key: turn.retired[row.key] for row in doubts if row.key in turn.retired}
    if not snapshot.complete:
        return
    moved = {move.execution_id for move in settled.moves}
    unseen = [row for row in doubts if row.id not in moved and row.key not in turn.retired]
    await asyncio.gather(*(_retire(turn, row, intents[row.id]) for row in unseen))


async def _retire(turn: Turn, row: Tracked, intent: Intent) -> None:
    """Retire one attempt. Where the remote has no way to, time alone has to show that it is not there."""
    try:
        async with turn.calls:
            promised = await turn.connector.retire(intent)
    except Exception as error:  # noqa: BLE001 - not retired, so not decided upon either; the next look tries again
        log.warning("attempt.retire_failed", execution_id=str(row.id), attempt=intent.attempt, error=str(error))
        return
    turn.budget.spend(int(promised))
    turn.retired[intent.key] = turn.clock.now() if promised else row.state_at
    log.info("attempt.retired", execution_id=str(row.id), attempt=intent.attempt, promised=promised)


async def _sent_before(turn: Turn) -> dict[UUID, Tracked]:
    """Rows that wait to be sent again: an earlier attempt may have turned up."""
    waiting = await turn.ledger.outstanding(turn.target.id, turn.limits.submit_batch)
    return {row.id: row for row in waiting if row.state is ExecutionState.QUEUED and row.attempt > 0}


async def _settle(turn: Turn, asked: Sequence[Tracked], snapshot: Snapshot, intents: Mapping[UUID, Intent]) -> Settled:
    late = await turn.ledger.late_attempts(turn.target.id, turn.clock.now() - turn.limits.late_window)
    rows = {row.id: row for row in asked} | (await _sent_before(turn) if late else {})
    evidence = Evidence(
        snapshot=snapshot,
        asked=frozenset(row.id for row in asked),
        intents=intents,
        retired=turn.retired,
        late=late,
        owners=await _owners(turn, asked, snapshot) if intents or late else {},
        match=partial(_match, turn),
    )
    now, epoch = turn.clock.now(), turn.target.epoch
    settled = settle(rows.values(), evidence, now, turn.limits, turn.connector.abilities, epoch=epoch)
    return Settled(settled.moves, _with_next(turn, settled.seen, rows))


def _match(turn: Turn, intent: Intent, entry: Entry) -> Match:
    try:
        return turn.connector.match(intent, entry)
    except Exception:  # one bad row is left to a person, the others go on
        log.exception("connector.match_failed", execution_id=str(intent.execution_id), handle=entry.handle)
        return Match.POSSIBLE


async def _owners(turn: Turn, asked: Sequence[Tracked], snapshot: Snapshot) -> dict[str, UUID]:
    """Who holds what the look showed: nothing must be adopted a second time."""
    known = {row.handle: row.id for row in asked if row.handle}
    strangers = [entry.handle for entry in snapshot.entries if entry.handle not in known]
    return known | await turn.ledger.owners(turn.target.id, strangers)


def _with_next(turn: Turn, seen: Sequence[Seen], rows: Mapping[UUID, Tracked]) -> list[Seen]:
    """With the time of the next look for each, for people who wait."""

    def next_at(one: Seen) -> datetime:
        row = rows[one.execution_id]
        return one.seen_at + look_interval(one.seen_at - (row.submitted_at or row.state_at), turn.limits)

    return [replace(one, next_at=next_at(one)) for one in seen]


async def _remember(turn: Turn, snapshot: Snapshot, seen: Sequence[Seen]) -> None:
    turn.look = look_record(snapshot, turn.look)
    if not await turn.ledger.looked(turn.target.id, turn.target.epoch, turn.look, seen):
        raise Fenced


def look_record(snapshot: Snapshot, previous: LookRecord | None) -> LookRecord:
    """What to remember of a look, given the one before."""
    failures = 0 if snapshot.complete else 1 + (previous.failures if previous else 0)
    completed_before = previous.completed_at if previous else None
    return LookRecord(
        taken_at=snapshot.taken_at,
        complete=snapshot.complete,
        entries=len(snapshot.entries),
        calls=snapshot.calls,
        error=snapshot.error.text or snapshot.error.code if snapshot.error else None,
        failures=failures,
        completed_at=snapshot.taken_at if snapshot.complete else completed_before,
    )


async def _release_ended(turn: Turn, settled: Settled) -> None:
    """What ended without an output to collect leaves nothing behind at the remote."""
    ended = [
        move.execution_id
        for move in settled.moves
        if move.to in FINAL and move.to is not ExecutionState.LOST and move.output_state is not OutputState.PENDING
    ]
    if ended:
        await release(turn, (await turn.ledger.intents(ended)).values())


async def _release_left(turn: Turn, asked: Sequence[Tracked], snapshot: Snapshot) -> None:
    """Remove what complete executions have left at the remote: their release failed, or its driver died before it."""
    if not turn.connector.abilities.leaves_behind:
        return
    known = {row.handle for row in asked}
    left = [_attempt(entry) for entry in snapshot.entries if entry.handle not in known]
    found = [intent for intent in left if intent is not None and intent.key not in turn.released]
    complete = await turn.ledger.complete(turn.target.id, [intent.execution_id for intent in found]) if found else ()
    await release(turn, [intent for intent in found if intent.execution_id in complete])


def _attempt(entry: Entry) -> Intent | None:
    """The attempt that an entry's name says it is. Its spec is not needed any more."""
    named = parse_attempt_key(entry.name or "")
    if named is None:
        return None
    execution_id, number = named
    since = entry.created_at or entry.started_at or datetime.min.replace(tzinfo=UTC)
    return Intent(execution_id=execution_id, attempt=number, key=entry.name or "", spec={}, sent_after=since)
