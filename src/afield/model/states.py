"""The states of an execution, and the one table of allowed moves between them.

The table here is the source: the migration writes it into the database, the documentation's diagram is drawn
from it, and a test walks over all pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ExecutionState(StrEnum):
    """What Afield knows about one execution."""

    QUEUED = "queued"  # recorded, not sent
    SUBMITTING = "submitting"  # the intent is committed; the request may be on the wire
    UNCONFIRMED = "unconfirmed"  # what became of the attempt is unknown; only looking resolves it
    SUBMITTED = "submitted"  # the remote gave an id, or the attempt was found there; not seen running yet
    RUNNING = "running"  # the remote reports it live
    SUCCEEDED = "succeeded"  # final: the remote says it ended well
    FAILED = "failed"  # final: the remote says it ended badly
    CANCELLED = "cancelled"  # final: stopped, here before it was sent or there
    TIMED_OUT = "timed_out"  # final: stopped because its time was over
    REJECTED = "rejected"  # final: the remote refused it
    LOST = "lost"  # looked completely and late enough, and it is not there


class OutputState(StrEnum):
    """What became of an execution's output."""

    NONE = "none"  # nothing to collect (yet)
    PENDING = "pending"  # the remote has it, it is not stored here yet
    STORED = "stored"  # in the artifact store
    UNAVAILABLE = "unavailable"  # given up, the reason says why


class OutcomeOfAttempt(StrEnum):
    """How one try at submitting ended."""

    OPEN = "open"  # the intent is written, nothing is known yet
    ACCEPTED = "accepted"  # the remote gave an id
    REFUSED = "refused"  # the remote said no
    NOT_SENT = "not_sent"  # the request certainly did not arrive
    UNKNOWN = "unknown"  # time-out, lost reply, crash
    ABSENT = "absent"  # shown absent by a complete and late look; stays open for a late arrival


_S = ExecutionState

FINAL = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.TIMED_OUT, _S.REJECTED, _S.LOST})
"""States nothing more is expected of. `lost` is final unless the execution turns up after all."""

LIVE = frozenset({_S.SUBMITTED, _S.RUNNING})
"""The remote has it and it has not ended."""

IN_DOUBT = frozenset({_S.SUBMITTING, _S.UNCONFIRMED})
"""It may or may not be there."""

OUTSTANDING = frozenset(_S) - FINAL
"""States an engine still has something to do for."""

OCCUPYING = LIVE | IN_DOUBT
"""States that may take up one of the remote's places."""

_ENDED = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.TIMED_OUT, _S.REJECTED})

ALLOWED: Mapping[ExecutionState, frozenset[ExecutionState]] = {
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.TIMED_OUT, _S.REJECTED, _S.SUBMITTED}),
    _S.SUBMITTING: frozenset({_S.SUBMITTED, _S.UNCONFIRMED, _S.REJECTED, _S.QUEUED}),
    _S.UNCONFIRMED: frozenset({_S.SUBMITTED, _S.QUEUED, _S.LOST, _S.CANCELLED, _S.TIMED_OUT}),
    _S.SUBMITTED: _ENDED | {_S.RUNNING, _S.LOST},
    _S.RUNNING: _ENDED | {_S.LOST},
    _S.LOST: frozenset({_S.SUBMITTED, _S.QUEUED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.TIMED_OUT: frozenset(),
    _S.REJECTED: frozenset(),
}
"""Allowed moves. A move to the same state is a note (fields change, the state does not) and always allowed."""

WHY: Mapping[tuple[ExecutionState, ExecutionState], str] = {
    (_S.QUEUED, _S.SUBMITTING): "intent committed",
    (_S.QUEUED, _S.CANCELLED): "cancelled before it was sent",
    (_S.QUEUED, _S.TIMED_OUT): "its time was over before it was sent",
    (_S.QUEUED, _S.REJECTED): "can never be sent",
    (_S.QUEUED, _S.SUBMITTED): "an earlier attempt turned up",
    (_S.SUBMITTING, _S.SUBMITTED): "accepted",
    (_S.SUBMITTING, _S.UNCONFIRMED): "outcome unknown",
    (_S.SUBMITTING, _S.REJECTED): "refused",
    (_S.SUBMITTING, _S.QUEUED): "certainly not sent",
    (_S.UNCONFIRMED, _S.SUBMITTED): "adopted",
    (_S.UNCONFIRMED, _S.QUEUED): "shown absent",
    (_S.UNCONFIRMED, _S.LOST): "shown absent, not to be repeated",
    (_S.UNCONFIRMED, _S.CANCELLED): "shown absent after a cancel",
    (_S.UNCONFIRMED, _S.TIMED_OUT): "shown absent after its time",
    (_S.LOST, _S.SUBMITTED): "late arrival",
    (_S.LOST, _S.QUEUED): "a person resubmits",
}
"""What an arrow means, where its two ends do not say it already."""


def allowed(before: ExecutionState, after: ExecutionState) -> bool:
    """Whether the ledger accepts this move. A note (`before` is `after`) always is."""
    return before == after or after in ALLOWED[before]
