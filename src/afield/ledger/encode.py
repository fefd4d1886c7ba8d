"""What goes into the database, as JSON: moves, new executions, findings. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import datetime

import orjson

from afield.errors import InvalidInputError
from afield.model.execution import Move, NewExecution
from afield.model.finding import Finding
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject, JsonValue
from afield.model.target import LookRecord

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_MOVE_FIELDS = (
    ("epoch", "ep"),
    ("handle", "h"),
    ("remote_status", "rs"),
    ("retry_at", "ra"),
    ("failures", "fl"),
    ("deadline_at", "dl"),
    ("cancel_asked_at", "ca"),
    ("output_state", "os"),
    ("output", "o"),
    ("adopted_attempt", "ad"),
)


def encode_move(move: Move) -> bytes:
    """A move with a random number of its own. Text that no database can hold is replaced: most of it is a remote's."""
    item: dict[str, object] = {
        "id": random.getrandbits(63),
        "x": move.execution_id,
        "f": move.expect,
        "t": move.to,
        "n": move.attempt,
        "at": move.at,
        "by": move.actor,
    }
    for name, short in _MOVE_FIELDS:
        value = getattr(move, name)
        if value is not None:
            item[short] = value
    if move.reason is not None:
        item["rc"], item["rt"] = move.reason.code, move.reason.text
    return _dumps_cleaned(item)


def _dumps_cleaned(item: Mapping[str, object]) -> bytes:
    try:
        raw = orjson.dumps(item)
    except TypeError:
        return orjson.dumps(_cleaned(item))
    return orjson.dumps(_cleaned(item)) if b"\\u0000" in raw else raw


def _cleaned(value: object) -> object:
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(key): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
        case _:
            return value


def clean_text(text: str) -> str:
    """Without NUL characters and halves of surrogate pairs, which PostgreSQL does not hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def encode_new(new: NewExecution, at: datetime) -> bytes:
    """A new execution. Raises InvalidInputError for what the database cannot hold."""
    return _dumps_strictly(
        {
            "id": new.id,
            "tenant": new.tenant_id,
            "target": new.target_id,
            "key": new.idempotency_key,
            "resubmit": new.resubmit,
            "timeout_s": new.timeout_s,
            "at": at,
            "labels": new.labels,
            "spec": new.spec,
        },
        "execution",
    )


def encode_begin(new: NewExecution, intent: Move, hold_s: float) -> bytes:
    """A new execution with its first intent. Raises InvalidInputError for what the database cannot hold."""
    parts = (encode_new(new, intent.at), encode_move(intent), orjson.dumps(hold_s))
    return b'{"new":%b,"move":%b,"hold":%b}' % parts


def encode_json(value: JsonValue, what: str) -> str:
    """JSON text for a jsonb parameter. Raises InvalidInputError for what the database cannot hold."""
    return _dumps_strictly(value, what).decode()


def _dumps_strictly(value: object, what: str) -> bytes:
    try:
        raw = orjson.dumps(value)
    except TypeError as error:
        raise InvalidInputError(f"The {what} cannot be stored as JSON: {error}.") from error
    if b"\\u0000" in raw and _NUL.search(raw):
        raise InvalidInputError(f"The {what} contains a NUL character, which cannot be stored.", hint="Remove it.")
    return raw


def encode_look(look: LookRecord) -> str:
    """What is remembered of a look."""
    return _dumps_cleaned(
        {
            "taken_at": look.taken_at,
            "complete": look.complete,
            "since": look.since,
            "entries": look.entries,
            "calls": look.calls,
            "error": look.error,
            "failures": look.failures,
            "completed_at": look.completed_at,
        }
    ).decode()


def encode_cleaned(value: JsonObject) -> str:
    """JSON text for a jsonb parameter, of what is partly a remote's words: text that no database can hold is
    replaced."""
    return _dumps_cleaned(value).decode()


def encode_findings(findings: list[Finding]) -> str:
    """Findings to be kept, each with an id in case it is new."""
    return "[" + ",".join(_dumps_cleaned(_finding(f)).decode() for f in findings) + "]"


def _finding(finding: Finding) -> dict[str, object]:
    body = {
        "severity": finding.severity,
        "explanation": finding.explanation,
        "handle": finding.handle,
        "why": finding.why,
        "local": finding.local,
        "remote": finding.remote,
        "repairs": [{"kind": r.kind, "risk": r.risk, "handle": r.handle} for r in finding.repairs],
    }
    return {
        "id": uuid7(),
        "fingerprint": finding.fingerprint,
        "kind": finding.kind,
        "execution_id": finding.execution_id,
        "body": body,
    }
