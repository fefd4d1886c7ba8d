"""The moves that make a repair true in the ledger. Pure; the ledger refuses what has become untrue meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from afield.connectors.base import Abilities, Entry, RemoteState
from afield.model.execution import Move, Reason, Tracked
from afield.model.states import FINAL, LIVE, ExecutionState, OutputState

_S = ExecutionState

_SAME = {
    RemoteState.RUNNING: _S.RUNNING,
    RemoteState.SUCCEEDED: _S.SUCCEEDED,
    RemoteState.FAILED: _S.FAILED,
    RemoteState.TIMED_OUT: _S.TIMED_OUT,
    RemoteState.REJECTED: _S.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who repairs, when, and what the remote can do."""

    actor: str
    at: datetime
    abilities: Abilities

    def move(self, row: Tracked, expect: ExecutionState, to: ExecutionState, reason: Reason | None = None) -> Move:
        """A person's move: not fenced by an epoch, but by the state and the attempt."""
        return Move(
            execution_id=row.id,
            expect=expect,
            to=to,
            attempt=row.attempt,
            at=self.at,
            actor=self.actor,
            reason=reason,
        )


def sync(row: Tracked, entry: Entry, hand: Hand) -> list[Move]:
    """Take the remote's word."""
    if row.state is not _S.LOST:
        return _follow(row, row.state, entry, hand)
    reason = Reason("late_arrival", f"The remote shows {entry.handle} after all.")
    rescued = replace(hand.move(row, _S.LOST, _S.SUBMITTED, reason), handle=entry.handle, remote_status=entry.status)
    return [rescued, *_follow(row, _S.SUBMITTED, entry, hand)]


def adopt(row: Tracked, entry: Entry, attempt: int | None, hand: Hand) -> list[Move]:
    """Tie the entry to the row, then take the remote's word. A live row without an id only gets the id."""
    to = row.state if row.state in LIVE else _S.SUBMITTED
    tied = replace(
        hand.move(row, row.state, to, Reason("adopted", f"Found at the remote as {entry.handle}.")),
        handle=entry.handle,
        remote_status=entry.status,
        adopted_attempt=attempt if attempt != row.attempt else None,
    )
    return [tied, *_follow(row, to, entry, hand)]


def resubmit(row: Tracked, hand: Hand) -> list[Move]:
    """Back to the queue; what was accepted once is first written off as lost."""
    reason = Reason("resubmitted", f"{hand.actor} had it sent again: the remote shows no trace of it.")
    if row.state in LIVE:
        lost = hand.move(row, row.state, _S.LOST, Reason("not_there", f"The remote does not show {row.handle}."))
        return [lost, hand.move(row, _S.LOST, _S.QUEUED, reason)]
    return [hand.move(row, row.state, _S.QUEUED, reason)]


def mark_legacy(row: Tracked, hand: Hand) -> list[Move]:
    """Close an old row of which no attempt was written down; an end that is recorded stays."""
    reason = Reason("legacy", "An old row without an id: nothing to be found at the remote.")
    if row.state in FINAL:
        return [hand.move(row, row.state, row.state, reason)]
    if row.state is _S.SUBMITTING:
        return [
            hand.move(row, _S.SUBMITTING, _S.UNCONFIRMED, reason),
            hand.move(row, _S.UNCONFIRMED, _S.LOST, reason),
        ]
    return [hand.move(row, row.state, _S.LOST, reason)]


def _follow(row: Tracked, state: ExecutionState, entry: Entry, hand: Hand) -> list[Move]:
    """From `state` on to what the remote says, if that is further on."""
    to, reason = _end_of(row, entry, hand.at)
    if to is None or to is state or state not in LIVE:
        return []
    move = replace(hand.move(row, state, to, reason), remote_status=entry.status)
    if to not in FINAL:
        return [move]
    wanted = hand.abilities.output and (to is _S.SUCCEEDED or hand.abilities.output_on_failure)
    return [replace(move, output_state=OutputState.PENDING if wanted else None)]


def _end_of(row: Tracked, entry: Entry, now: datetime) -> tuple[ExecutionState | None, Reason | None]:
    """The state the entry stands for, and why. A cancel is the remote's word for a stop, whoever wanted it."""
    if entry.state is not RemoteState.CANCELLED:
        return _SAME.get(entry.state), entry.reason
    if row.cancel_requested_at is not None:
        return _S.CANCELLED, entry.reason or Reason("cancelled", "Cancelled on request.")
    if row.cancel_asked_at is not None and row.deadline_at is not None and row.deadline_at <= now:
        return _S.TIMED_OUT, Reason("time_over", "Stopped at the remote because its time was over.")
    return _S.CANCELLED, entry.reason or Reason("cancelled_remotely", "Somebody cancelled it at the remote.")
