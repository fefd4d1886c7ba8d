"""Submitting: the intent is committed first, then the request leaves, then its answer is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from afield.connectors.base import Intent, NotSent, Submission, Unknown
from afield.engine.answer import answered
from afield.engine.plan import Admit, Doubt, Drop, send_window
from afield.engine.turn import CREDENTIAL_PAUSE, Turn
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Move, Reason, Tracked
from afield.model.ids import attempt_key
from afield.model.states import ExecutionState

log = structlog.get_logger(__name__)


async def intend(turn: Turn, rows: Sequence[Tracked]) -> list[tuple[Tracked, Intent]]:
    """Commit the next attempt's intent of each row, together; returns those that may be sent now."""
    recorded = await turn.ledger.intents(row.id for row in rows)
    reach(FaultPoint.BEFORE_INTENT)
    moves = [_intent_move(turn, row) for row in rows]
    applied = await turn.apply_all(moves)
    reach(FaultPoint.AFTER_INTENT)
    return [
        (row, _intent(row, recorded[row.id], move.at))
        for row, move, one in zip(rows, moves, applied, strict=True)
        if one.ok
    ]


def _intent_move(turn: Turn, row: Tracked) -> Move:
    move = turn.move(row, ExecutionState.SUBMITTING, attempt=row.attempt + 1)
    if row.timeout_s is None or row.deadline_at is not None:
        return move
    return replace(move, deadline_at=move.at + timedelta(seconds=row.timeout_s))


def _intent(row: Tracked, recorded: Intent, at: datetime) -> Intent:
    number = row.attempt + 1
    key = attempt_key(row.id, number)
    return Intent(execution_id=row.id, attempt=number, key=key, spec=recorded.spec, sent_after=at)


async def submit(turn: Turn, row: Tracked, intent: Intent) -> None:
    """Send one intent and record the answer. `row` is as it was before the intent."""
    async with turn.calls:
        answer = await _send(turn, intent)
    reach(FaultPoint.AFTER_REPLY)
    await turn.apply(answered(row, intent, answer, turn.clock.now(), turn.limits, epoch=turn.target.epoch))
    if isinstance(answer, Unknown) or (isinstance(answer, NotSent) and not answer.only_this):
        await turn.be_patient(answer.retry_after)


async def _send(turn: Turn, intent: Intent) -> Submission:
    """One call. An intent that waited too long is not sent: see `plan.send_window`."""
    too_old = turn.clock.now() - intent.sent_after > send_window(turn.limits)
    if turn.stop.is_set() or too_old:
        return NotSent(Reason("held_back", "It was not sent in time, or the driver was asked to stop."), timedelta(0))
    try:
        return await turn.connector.submit(intent)
    except CredentialError as error:
        return NotSent(Reason(error.code, str(error)), CREDENTIAL_PAUSE)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # whatever a connector does wrong, the attempt is in doubt, not lost
        log.exception("connector.submit_failed", execution_id=str(intent.execution_id), target=turn.target.name)
        return Unknown(Reason("connector_error", f"{type(error).__name__}: {error}"))


async def settle_here(turn: Turn, actions: Sequence[Doubt | Drop | Admit]) -> None:
    """Moves that need no call: ends of what was never sent, doubts about what an earlier driver sent, admissions."""
    await turn.apply_all([_local_move(turn, action) for action in actions])


def _local_move(turn: Turn, action: Doubt | Drop | Admit) -> Move:
    if isinstance(action, Drop):
        return replace(turn.move(action.row, action.to), reason=action.reason)
    if isinstance(action, Admit):
        return replace(turn.move(action.row, action.row.state), reason=action.reason)
    reason = Reason("driver_gone", "The driver that sent it is gone; whether it arrived is unknown.")
    return replace(turn.move(action.row, ExecutionState.UNCONFIRMED), reason=reason)
