"""What a move does to a row: the ledger's rules as pure functions. The SQL function of the same rules lives in
`migrations/sql`; one property test holds both to the same answers.

Beyond the docstring of `Move`:
- a move to `submitting` starts a new attempt, so it forgets what was known of the one before at the remote;
- a move from `lost` to `queued` is a person's fresh start, so it forgets the deadline and the request to cancel;
- a handle, once tied to an execution, stays tied to it, also after a resubmission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from afield.connectors.base import Intent
from afield.errors import ConflictError, IdempotencyError
from afield.model.execution import Attempt, Execution, Move, NewExecution, Verdict
from afield.model.ids import attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL, ExecutionState, OutcomeOfAttempt, allowed

_S = ExecutionState
_O = OutcomeOfAttempt

OUTCOMES: Mapping[tuple[ExecutionState, ExecutionState], OutcomeOfAttempt] = {
    (_S.SUBMITTING, _S.REJECTED): _O.REFUSED,
    (_S.SUBMITTING, _S.QUEUED): _O.NOT_SENT,
    (_S.SUBMITTING, _S.UNCONFIRMED): _O.UNKNOWN,
    (_S.UNCONFIRMED, _S.QUEUED): _O.ABSENT,
    (_S.UNCONFIRMED, _S.LOST): _O.ABSENT,
    (_S.UNCONFIRMED, _S.CANCELLED): _O.ABSENT,
    (_S.UNCONFIRMED, _S.TIMED_OUT): _O.ABSENT,
    (_S.SUBMITTED, _S.LOST): _O.ABSENT,
    (_S.RUNNING, _S.LOST): _O.ABSENT,
    **{(state, _S.SUBMITTED): _O.ACCEPTED for state in (_S.QUEUED, _S.SUBMITTING, _S.UNCONFIRMED, _S.LOST)},
}
"""What a move says of the attempt it is about. Moves that are not here say nothing new."""


def starts_attempt(move: Move) -> bool:
    return move.to is _S.SUBMITTING and move.expect is not _S.SUBMITTING


def verdict_of(row: Execution, move: Move, epoch: int) -> Verdict:
    """Whether `move` may be made on `row`, whose target's fencing epoch is `epoch`. Says nothing about handles."""
    attempt = move.attempt - 1 if starts_attempt(move) else move.attempt
    if move.epoch is not None and move.epoch != epoch:
        return Verdict.STALE_EPOCH
    if row.state is not move.expect or row.attempt != attempt:
        return Verdict.STALE_STATE
    return Verdict.APPLIED if allowed(move.expect, move.to) else Verdict.FORBIDDEN


def apply_move(row: Execution, move: Move, epoch: int) -> tuple[Verdict, Execution]:
    """The verdict, and the row afterwards (the same row unless applied)."""
    verdict = verdict_of(row, move, epoch)
    if verdict is not Verdict.APPLIED:
        return verdict, row
    changes = _noted(move)
    if move.to is not move.expect:
        changes |= _entered(row, move)
    return verdict, replace(row, **changes)  # type: ignore[arg-type]


def after(row: Execution, moves: Iterable[Move]) -> Execution:
    """The row after moves that the ledger has made in one go."""
    for move in moves:
        _, row = apply_move(row, move, move.epoch or 0)
    return row


def _noted(move: Move) -> dict[str, object]:
    """What a note changes: the fields that are given replace what was there."""
    changes: dict[str, object] = {
        name: value
        for name in ("reason", "handle", "remote_status", "retry_at", "failures", "deadline_at", "cancel_asked_at",
                     "output_state", "output")
        if (value := getattr(move, name)) is not None
    }  # fmt: skip
    if move.remote_status is not None:
        changes["remote_seen_at"] = move.at
    changes["updated_at"] = move.at
    return changes


def _entered(row: Execution, move: Move) -> dict[str, object]:
    """What a change of state does on top of it."""
    changes: dict[str, object] = {
        "state": move.to,
        "state_at": move.at,
        "retry_at": move.retry_at,
        "reason": move.reason,
        "failures": move.failures or 0,
        "finished_at": move.at if move.to in FINAL else None,
    }
    if move.to is _S.SUBMITTING:
        changes |= _new_attempt(move)
    elif move.to is _S.SUBMITTED:
        changes["submitted_at"] = move.at
    elif move.to is _S.RUNNING:
        changes["started_at"] = row.started_at or move.at
    elif move.expect is _S.LOST and move.to is _S.QUEUED:
        changes |= {
            "deadline_at": move.deadline_at,
            "cancel_requested_at": None,
            "cancel_asked_at": move.cancel_asked_at,
        }
    return changes


def _new_attempt(move: Move) -> dict[str, object]:
    return {
        "attempt": move.attempt,
        "intent_at": move.at,
        "handle": move.handle,
        "remote_status": move.remote_status,
        "remote_seen_at": move.at if move.remote_status is not None else None,
        "submitted_at": None,
        "started_at": None,
        "cancel_asked_at": move.cancel_asked_at,
    }


def settle(attempt: Attempt, move: Move) -> Attempt:
    """The attempt a move is about, afterwards. `settled_at` is when it first stopped being on its way."""
    outcome = OUTCOMES.get((move.expect, move.to))
    if outcome is None:
        return replace(attempt, handle=move.handle or attempt.handle)
    settled_at = attempt.settled_at or move.at
    return replace(attempt, outcome=outcome, handle=move.handle or attempt.handle, settled_at=settled_at)


def event_data(move: Move) -> JsonObject:
    """What an event tells of a move beyond states and reason."""
    data: JsonObject = {
        "handle": move.handle,
        "remote_status": move.remote_status,
        "output_state": move.output_state,
        "adopted_attempt": move.adopted_attempt,
    }
    return {name: value for name, value in data.items() if value is not None}


def new_row(new: NewExecution, at: datetime) -> Execution:
    """The row of an execution that is recorded now."""
    return Execution(
        id=new.id,
        tenant_id=new.tenant_id,
        target_id=new.target_id,
        state=_S.QUEUED,
        spec=new.spec,
        labels=dict(new.labels),
        idempotency_key=new.idempotency_key,
        resubmit=new.resubmit,
        timeout_s=new.timeout_s,
        created_at=at,
        state_at=at,
        updated_at=at,
    )


def used_before(new: NewExecution, *, by_key: bool) -> ConflictError:
    """The error for a key (or an id) that was used before with another body."""
    if by_key:
        return IdempotencyError(
            f"The idempotency key {new.idempotency_key!r} was used before for a different execution.",
            hint="Use a new key, or send the same target, spec and labels again.",
        )
    return ConflictError(f"There is a different execution with the id {new.id}.", hint="Use a new id.")


def intent_of(row: Execution, attempt: Attempt | None) -> Intent:
    """The intent behind a row and its current attempt; for a queued row, behind the next attempt."""
    number = row.attempt + 1 if row.state is _S.QUEUED else row.attempt
    current = attempt if row.state is not _S.QUEUED else None
    return Intent(
        execution_id=row.id,
        attempt=number,
        key=attempt_key(row.id, number),
        spec=row.spec,
        sent_after=current.intent_at if current else row.state_at,
        sent_before=current.settled_at if current else None,
    )
