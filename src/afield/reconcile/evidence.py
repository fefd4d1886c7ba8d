"""Both sides of a finding as JSON, and read back from it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from afield.connectors.base import Entry, RemoteState, Snapshot
from afield.model.execution import Reason, Tracked
from afield.model.finding import Finding
from afield.model.jsontypes import JsonObject, JsonValue
from afield.model.states import ExecutionState


def time_text(time: datetime) -> str:
    """A time as RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: datetime | Reason | None) -> JsonValue:
    if isinstance(value, Reason):
        return {"code": value.code, "text": value.text}
    return time_text(value) if value is not None else None


def _present(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def local_side(row: Tracked) -> JsonObject:
    """What is recorded here of one execution; what is not known is left out."""
    return _present(
        {
            "state": row.state.value,
            "attempt": row.attempt,
            "handle": row.handle,
            "remote_status": row.remote_status,
            "created_at": _json(row.created_at),
            "state_at": _json(row.state_at),
            "intent_at": _json(row.intent_at),
            "submitted_at": _json(row.submitted_at),
            "remote_seen_at": _json(row.remote_seen_at),
            "cancel_requested_at": _json(row.cancel_requested_at),
            "output_state": row.output_state.value,
            "reason": _json(row.reason),
        }
    )


def remote_side(entry: Entry) -> JsonObject:
    """What the remote shows of one execution; what it does not say is left out."""
    return _present(
        {
            "handle": entry.handle,
            "status": entry.status,
            "state": entry.state.value,
            "name": entry.name,
            "created_at": _json(entry.created_at),
            "started_at": _json(entry.started_at),
            "finished_at": _json(entry.finished_at),
            "reason": _json(entry.reason),
        }
    )


def look_side(snapshot: Snapshot) -> JsonObject:
    """The look itself, as the evidence for what it does not show."""
    look = {"complete": snapshot.complete, "taken_at": _json(snapshot.taken_at), "error": _json(snapshot.error)}
    return {"look": _present(look)}


def seen_state(finding: Finding) -> tuple[ExecutionState, int] | None:
    """State and attempt of the row when the finding was made; None if it is about no row."""
    state, attempt = finding.local.get("state"), finding.local.get("attempt")
    if not isinstance(state, str) or not isinstance(attempt, int):
        return None
    return ExecutionState(state), attempt


def shown(finding: Finding, handle: str | None) -> Entry | None:
    """The entry with this handle, as the finding holds it."""
    candidates = finding.remote.get("candidates")
    for side in [finding.remote, *(candidates if isinstance(candidates, list) else [])]:
        if isinstance(side, dict) and side.get("handle") == handle and handle is not None:
            return _entry(side)
    return None


def _entry(side: JsonObject) -> Entry:
    reason = side.get("reason")
    return Entry(
        handle=str(side["handle"]),
        status=str(side["status"]),
        state=RemoteState(str(side["state"])),
        created_at=_time(side.get("created_at")),
        reason=Reason(str(reason.get("code", "")), str(reason.get("text", ""))) if isinstance(reason, dict) else None,
    )


def _time(value: JsonValue) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
