"""Steps and sessions as JSON, into the database and out of it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from afield.ledger.encode import encode_cleaned, encode_json
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue
from afield.model.session import (
    Approval,
    ApprovalRule,
    NewSession,
    NewStep,
    OnFail,
    Phase,
    Session,
    SessionState,
    Step,
    StepKind,
    StepState,
    Undo,
    Work,
)

Row: TypeAlias = tuple[Any, ...]

SESSION = (
    "s.id, s.key, s.tenant_id, s.version, s.kind, s.title, s.state, s.reason_code, s.reason_text, s.started_by, "
    "s.batch_size, s.error_budget, s.labels, s.data, s.created_at, s.updated_at, s.finished_at, s.next_at, "
    "s.cancel_requested_at, s.rollback_requested_at"
)
STEP = "t.number, t.state, t.attempt, t.target_id, t.execution_id, t.body"


def session(row: Row) -> Session:
    """A session of the columns SESSION."""
    (
        identity, key, tenant_id, version, kind, title, state, code, text, started_by, batch_size, error_budget, labels,
        data, created_at, updated_at, finished_at, next_at, cancel_at, rollback_at,
    ) = row  # fmt: skip
    return Session(
        id=identity,
        key=key,
        tenant_id=tenant_id,
        version=version,
        kind=kind,
        title=title,
        state=SessionState(state),
        reason=Reason(code, text or "") if code else None,
        started_by=started_by,
        batch_size=batch_size,
        error_budget=error_budget,
        labels=labels,
        data=data,
        created_at=created_at,
        updated_at=updated_at,
        finished_at=finished_at,
        next_at=next_at,
        cancel_requested_at=cancel_at,
        rollback_requested_at=rollback_at,
    )


def step(row: Row) -> Step:
    """A step of the columns STEP."""
    number, state, attempt, target_id, execution_id, body = row
    undo = body["undo"]
    return Step(
        number=number,
        state=StepState(state),
        attempt=attempt,
        target_id=target_id,
        execution_id=execution_id,
        name=body["name"],
        kind=StepKind(body["kind"]),
        phase=Phase(body["phase"]),
        lane=body["lane"],
        work=_work(body["work"]),
        expected_output=body["expected_output"],
        on_fail=OnFail(body["on_fail"]),
        retries=body["retries"],
        rule=_rule(body["rule"]),
        undo=_undo(undo) if undo else None,
        severity=body["severity"],
        undoes=body["undoes"],
        approvals=tuple(_approval(one) for one in body["approvals"]),
        asked_at=_time(body["asked_at"]),
        exit_code=body["exit_code"],
        stdout=body["stdout"],
        stderr=body["stderr"],
        reason=Reason(body["reason"]["code"], body["reason"]["text"]) if body["reason"] else None,
        remote_id=body["remote_id"],
        started_at=_time(body["started_at"]),
        finished_at=_time(body["finished_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _work(body: JsonObject) -> Work:
    spec, timeout = body["spec"], body["timeout_s"]
    assert isinstance(spec, dict)
    assert timeout is None or isinstance(timeout, int | float)
    return Work(spec=spec, text=str(body["text"]), timeout_s=timeout)


def _rule(body: dict[str, Any]) -> ApprovalRule:
    return ApprovalRule(
        needed=body["needed"],
        other_than_starter=body["other_than_starter"],
        valid_for=_duration(body["valid_for_s"]),
    )


def _duration(seconds: float) -> timedelta:
    """The longest there is stands for every longer one: as a number it was rounded up."""
    return timedelta.max if seconds >= timedelta.max.total_seconds() else timedelta(seconds=seconds)


def _undo(body: dict[str, Any]) -> Undo:
    return Undo(work=_work(body["work"]), on_fail=OnFail(body["on_fail"]), rule=_rule(body["rule"]))


def _approval(body: dict[str, Any]) -> Approval:
    at = datetime.fromisoformat(body["at"])
    return Approval(by=body["by"], approved=body["approved"], digest=body["digest"], at=at, note=body["note"])


# --------------------------------------------------------------------------------------- into the database


def plan_json(step: NewStep) -> JsonObject:
    """What was asked of a step, before anything came of it."""
    return {
        "name": step.name,
        "kind": step.kind.value,
        "phase": step.phase.value,
        "lane": step.lane,
        "work": _work_json(step.work),
        "expected_output": step.expected_output,
        "on_fail": step.on_fail.value,
        "retries": step.retries,
        "rule": _rule_json(step.rule),
        "undo": _undo_json(step.undo) if step.undo else None,
        "severity": step.severity,
    }


def body_json(step: Step) -> JsonObject:
    """Everything of a step that has no column."""
    result: JsonObject = {
        "undoes": step.undoes,
        "approvals": [_approval_json(one) for one in step.approvals],
        "asked_at": _time_json(step.asked_at),
        "exit_code": step.exit_code,
        "stdout": step.stdout,
        "stderr": step.stderr,
        "reason": {"code": step.reason.code, "text": step.reason.text} if step.reason else None,
        "remote_id": step.remote_id,
        "started_at": _time_json(step.started_at),
        "finished_at": _time_json(step.finished_at),
    }
    return plan_json(step) | result


def steps_json(steps: tuple[Step, ...]) -> str:
    """Steps for `write_session_v1`. Text that no database can hold is replaced: most of it is a remote's."""
    items: list[JsonValue] = [
        {
            "number": one.number,
            "state": one.state.value,
            "attempt": one.attempt,
            "target_id": _id_json(one.target_id),
            "execution_id": _id_json(one.execution_id),
            "body": body_json(one),
        }
        for one in steps
    ]
    return encode_cleaned({"items": items})


def new_steps_json(steps: tuple[NewStep, ...]) -> str:
    """Steps for `create_session_v1`, numbered by their place. Raises InvalidInputError for text that no database
    can hold: what people approve and what runs must be what was asked for."""
    items: list[JsonValue] = [
        {
            "number": number,
            "target_id": _id_json(new.target_id),
            "body": body_json(numbered(new, number)),
        }
        for number, new in enumerate(steps, 1)
    ]
    return encode_json({"items": items}, "session's steps")


def numbered(new: NewStep, number: int) -> Step:
    """The step that a new one becomes when it is recorded."""
    return Step(**{field.name: getattr(new, field.name) for field in fields(NewStep)}, number=number)


def session_json(session: Session) -> str:
    """The part of a session that `write_session_v1` changes."""
    return encode_cleaned(
        {
            "state": session.state.value,
            "reason_code": session.reason.code if session.reason else None,
            "reason_text": session.reason.text if session.reason else None,
            "finished_at": _time_json(session.finished_at),
            "next_at": _time_json(session.next_at),
            "data": session.data,
            "cancel_requested_at": _time_json(session.cancel_requested_at),
            "rollback_requested_at": _time_json(session.rollback_requested_at),
        }
    )


def new_session_json(new: NewSession, key: UUID, at: datetime) -> str:
    """A session for `create_session_v1`. Raises InvalidInputError for text that no database can hold."""
    return encode_json(
        {
            "key": str(key),
            "tenant_id": str(new.tenant_id),
            "kind": new.kind,
            "title": new.title,
            "started_by": new.started_by,
            "batch_size": new.batch_size,
            "error_budget": new.error_budget,
            "labels": dict(new.labels),
            "data": new.data,
            "idempotency_key": new.idempotency_key,
            "print": fingerprint(new),
            "created_at": at.isoformat(),
        },
        "session",
    )


def fingerprint(new: NewSession) -> str:
    """Names what was asked for: the same session asked for again has the same."""
    asked = [
        new.kind,
        new.title,
        sorted(new.labels.items()),
        new.data,
        new.batch_size,
        new.error_budget,
        [[plan_json(step), _id_json(step.target_id)] for step in new.steps],
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _id_json(identity: UUID | None) -> str | None:
    return str(identity) if identity else None


def _time_json(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _work_json(work: Work) -> JsonObject:
    return {"spec": work.spec, "text": work.text, "timeout_s": work.timeout_s}


def _rule_json(rule: ApprovalRule) -> JsonObject:
    return {
        "needed": rule.needed,
        "other_than_starter": rule.other_than_starter,
        "valid_for_s": rule.valid_for.total_seconds(),
    }


def _undo_json(undo: Undo) -> JsonObject:
    return {"work": _work_json(undo.work), "on_fail": undo.on_fail.value, "rule": _rule_json(undo.rule)}


def _approval_json(approval: Approval) -> JsonObject:
    return {
        "by": approval.by,
        "approved": approval.approved,
        "digest": approval.digest,
        "at": approval.at.isoformat(),
        "note": approval.note,
    }
