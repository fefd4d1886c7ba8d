"""What the answer to a submission changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from afield.connectors.base import Accepted, Intent, Limits, NotSent, Ran, Refused, RemoteState, Submission, Unknown
from afield.engine.plan import backoff
from afield.model.execution import Move, Tracked
from afield.model.states import ExecutionState, OutputState

ENDS: Mapping[RemoteState, ExecutionState] = {
    RemoteState.SUCCEEDED: ExecutionState.SUCCEEDED,
    RemoteState.FAILED: ExecutionState.FAILED,
    RemoteState.CANCELLED: ExecutionState.CANCELLED,
    RemoteState.TIMED_OUT: ExecutionState.TIMED_OUT,
    RemoteState.REJECTED: ExecutionState.REJECTED,
}
"""The remote's words that end an execution."""


def answered(
    row: Tracked, intent: Intent, answer: Submission, at: datetime, limits: Limits, *, epoch: int | None = None
) -> Move:
    """The move that records the answer to an intent. `row` is as it was before the intent."""
    move = partial(
        Move, execution_id=row.id, expect=ExecutionState.SUBMITTING, attempt=intent.attempt, at=at, epoch=epoch
    )
    match answer:
        case Accepted(handle, entry):
            status = entry.status if entry else None
            return move(to=ExecutionState.SUBMITTED, handle=handle, remote_status=status)
        case Refused(reason):
            return move(to=ExecutionState.REJECTED, reason=reason)
        case Unknown(reason):
            return move(to=ExecutionState.UNCONFIRMED, reason=reason)
        case NotSent(reason, retry_after):
            failures = row.failures + 1
            pause = backoff(failures, limits) if retry_after is None else retry_after
            return move(to=ExecutionState.QUEUED, reason=reason, retry_at=at + pause, failures=failures)


def ran(row: Tracked, intent: Intent, answer: Ran, at: datetime, limits: Limits) -> list[Move]:
    """The moves that record a run which has ended already, its output stored."""
    accepted = answered(row, intent, Accepted(answer.handle, answer.entry), at, limits)
    end = ENDS.get(answer.entry.state)
    if end is None:
        return [accepted]
    ended = Move(
        execution_id=row.id,
        expect=ExecutionState.SUBMITTED,
        to=end,
        attempt=intent.attempt,
        at=at,
        reason=answer.entry.reason,
        remote_status=answer.entry.status,
        output_state=OutputState.STORED,
        output=answer.output.to_json(),
    )
    return [accepted, ended]
