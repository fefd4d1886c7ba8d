"""What comes out of the database: rows into the model's records. Pure. A column list goes with each function, in
the order in which the function takes the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from afield.connectors.base import Intent
from afield.model.execution import (
    Applied,
    Attempt,
    Event,
    EventKind,
    Execution,
    Reason,
    Resubmit,
    Tracked,
    Verdict,
)
from afield.model.finding import Finding, FindingKind, OpenFinding, Repair, RepairKind, Severity
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState, OutcomeOfAttempt, OutputState
from afield.model.target import LookRecord, Target

Row: TypeAlias = tuple[Any, ...]
Record = TypeVar("Record")

_STATES: Mapping[str | None, ExecutionState] = {state.value: state for state in ExecutionState}
_VERDICTS: Mapping[str, Verdict] = {verdict.value: verdict for verdict in Verdict}
_OUTPUTS: Mapping[str, OutputState] = {state.value: state for state in OutputState}
_RESUBMITS: Mapping[str, Resubmit] = {choice.value: choice for choice in Resubmit}

_TRACKED = (
    "id", "target_id", "state", "attempt", "handle", "remote_status", "remote_seen_at", "resubmit", "created_at",
    "state_at", "intent_at", "submitted_at", "deadline_at", "cancel_requested_at", "cancel_asked_at", "retry_at",
    "failures", "output_state", "reason_code", "reason_text",
)  # fmt: skip
_WHOLE = (
    "tenant_id", "spec", "labels", "timeout_s", "idempotency_key", "started_at", "finished_at", "updated_at", "next_at",
    "output",
)  # fmt: skip

TRACKED = ", ".join(_TRACKED)
EXECUTION = ", ".join(_TRACKED + _WHOLE)
TARGET = (
    "id, tenant_id, connector, name, address, settings, credential_id, epoch, driver, driver_since, look, "
    "throttled_until, created_at"
)
ATTEMPT = "execution_id, number, key, intent_at, outcome, handle, settled_at"
EVENT = (
    "seq, at, kind, tenant_id, target_id, execution_id, from_state, to_state, attempt, epoch, actor, reason_code, "
    "reason_text, data, session_id"
)
FINDING = "id, target_id, kind, execution_id, body, first_seen_at, last_seen_at, resolved_at, ignored"


def reason(code: str | None, text: str | None) -> Reason | None:
    return None if code is None else Reason(code, text or "")


def _fields(row: Row) -> dict[str, Any]:
    """The fields of TRACKED as keyword arguments."""
    values: dict[str, Any] = dict(zip(_TRACKED[:-2], row, strict=False))
    values["state"] = _STATES[values["state"]]
    values["resubmit"] = _RESUBMITS[values["resubmit"]]
    values["output_state"] = _OUTPUTS[values["output_state"]]
    values["reason"] = reason(row[18], row[19])
    return values


def tracked(row: Row) -> Tracked:
    return Tracked(**_fields(row))


def execution(row: Row) -> Execution:
    return Execution(**_fields(row), **dict(zip(_WHOLE, row[len(_TRACKED) :], strict=True)))


def target(row: Row) -> Target:
    identity, tenant_id, connector, name, address, settings, credential_id, epoch, driver, since, look, until, at = row
    return Target(
        id=identity,
        tenant_id=tenant_id,
        connector=connector,
        name=name,
        address=address,
        settings=settings,
        credential_id=credential_id,
        epoch=epoch,
        driver=driver,
        driver_since=since,
        look=None if look is None else look_record(look),
        throttled_until=until,
        created_at=at,
    )


def look_record(value: JsonObject) -> LookRecord:
    times = {name: _time(value[name]) for name in ("taken_at", "since", "completed_at")}
    rest = {name: value[name] for name in ("complete", "entries", "calls", "error", "failures")}
    return LookRecord(**times, **rest)  # type: ignore[arg-type]


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def attempt(row: Row) -> Attempt:
    execution_id, number, key, intent_at, outcome, handle, settled_at = row
    return Attempt(
        execution_id=execution_id,
        number=number,
        key=key,
        intent_at=intent_at,
        outcome=OutcomeOfAttempt(outcome),
        handle=handle,
        settled_at=settled_at,
    )


def intent(row: Row) -> Intent:
    """From: execution_id, number, key, spec, sent_after, sent_before."""
    execution_id, number, key, spec, sent_after, sent_before = row
    return Intent(
        execution_id=execution_id,
        attempt=number,
        key=key,
        spec=spec,
        sent_after=sent_after,
        sent_before=sent_before,
    )


def applied(row: Row) -> Applied:
    """From: ord, verdict, state, seq."""
    _, verdict, state, seq = row
    return Applied(_VERDICTS[verdict], _STATES.get(state), seq)


def event(row: Row) -> Event:
    seq, at, kind, tenant_id, target_id, execution_id, before, after, number, epoch, actor, code, text = row[:13]
    data, session = row[13:]
    if session is not None:
        data = data | {"from": before, "to": after}
    return Event(
        seq=seq,
        at=at,
        kind=EventKind(kind),
        tenant_id=tenant_id,
        target_id=target_id,
        execution_id=execution_id,
        session_id=session,
        from_state=_STATES.get(before) if session is None else None,
        to_state=_STATES.get(after) if session is None else None,
        attempt=number,
        epoch=epoch,
        actor=actor,
        reason=reason(code, text),
        data=data,
    )


def open_finding(row: Row) -> OpenFinding:
    identity, target_id, kind, execution_id, body, first_seen_at, last_seen_at, resolved_at, ignored = row
    finding = Finding(
        kind=FindingKind(kind),
        severity=Severity(body["severity"]),
        target_id=target_id,
        explanation=body["explanation"],
        execution_id=execution_id,
        handle=body["handle"],
        why=body["why"],
        local=body["local"],
        remote=body["remote"],
        repairs=tuple(Repair(RepairKind(r["kind"]), r["risk"], r["handle"]) for r in body["repairs"]),
    )
    return OpenFinding(
        id=identity,
        finding=finding,
        first_seen_at=first_seen_at,
        last_seen_at=last_seen_at,
        resolved_at=resolved_at,
        ignored=ignored,
    )


def each(build: Callable[[Row], Record], rows: list[Row]) -> list[Record]:
    return [build(row) for row in rows]
