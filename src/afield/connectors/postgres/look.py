"""What the rows and the server's connections say together. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from afield.connectors.base import Entry, RemoteState
from afield.connectors.postgres.attempts import AttemptRow, AttemptState
from afield.model.execution import Reason

_STATES: Mapping[str, RemoteState] = {
    AttemptState.SUCCEEDED: RemoteState.SUCCEEDED,
    AttemptState.FAILED: RemoteState.FAILED,
    AttemptState.CANCELLED: RemoteState.CANCELLED,
    AttemptState.TIMED_OUT: RemoteState.TIMED_OUT,
}
ROLLED_BACK = Reason(
    "rolled_back",
    "The connection it ran on ended before the commit, so the database undid it; of its changes there is nothing.",
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Three readings, in this order, so that what ends meanwhile is not taken for something that never was."""

    started: Collection[str]  # rows that said `started` first
    connected: Collection[str]  # then: attempts whose connection was there
    rows: Iterable[AttemptRow]  # then: all rows


def entries(sight: Sight, doubts: Collection[str]) -> tuple[Entry, ...]:
    """What is shown. Of an attempt in doubt that never came to its commit there is nothing to show."""
    shown = (_entry(row, sight, doubts) for row in sight.rows)
    return tuple(entry for entry in shown if entry is not None)


def _entry(row: AttemptRow, sight: Sight, doubts: Collection[str]) -> Entry | None:
    if row.state == AttemptState.RETIRED:
        return None
    state, status = _STATES.get(row.state, RemoteState.UNKNOWN), row.state
    reason = Reason(row.reason_code, row.reason_text or "") if row.reason_code else None
    if row.state == AttemptState.STARTED:
        state, status = RemoteState.RUNNING, "running"
        if row.key in sight.started and row.key not in sight.connected:
            if row.key in doubts:
                return None
            state, status, reason = RemoteState.FAILED, "rolled_back", ROLLED_BACK
    return Entry(
        handle=row.key,
        status=status,
        state=state,
        created_at=row.began_at,
        started_at=row.began_at,
        finished_at=row.ended_at,
        name=row.key,
        reason=reason,
    )
