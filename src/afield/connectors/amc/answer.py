"""What comes of one call: a reply, or the way in which there was none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from afield.connectors.amc.redaction import clean
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

MAX_PATIENCE = timedelta(hours=1)  # a longer Retry-After is a mistake


class Trouble(StrEnum):
    """Why there is no reply."""

    NO_TOKEN = "no_token"  # noqa: S105 - no password; nothing was sent
    NOT_CONNECTED = "not_connected"  # nothing was sent
    NO_REPLY = "no_reply"  # sent, at least in part; nobody knows what became of it


@dataclass(frozen=True, slots=True)
class Failed:
    """No reply."""

    trouble: Trouble
    text: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, read to its end. The content type is not here: AMC labels JSON as octets, so nothing may rest on it."""

    status: int
    body: bytes
    request_id: str = ""
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


Answer = Reply | Failed

_CODES: Mapping[int, str] = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "invalid_request",
    429: "throttled",
}


def parse_json(body: bytes) -> JsonValue:
    """The body's value; None when it is not JSON."""
    try:
        value: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value


def json_object(body: bytes) -> JsonObject | None:
    """The body's object; None when it is something else."""
    value = parse_json(body)
    return value if isinstance(value, dict) else None


def error_text(reply: Reply) -> str:
    """What the reply says went wrong: `details`, else `message`, else the text itself; clean."""
    said = json_object(reply.body) or {}
    for name in ("details", "message"):
        text = said.get(name)
        if isinstance(text, str) and text.strip():
            return clean(text)
    return clean(reply.body[:4096].decode("utf-8", "replace"))


def reason(answer: Answer, what: str) -> Reason:
    """Why `what` did not work, as a stable code and a sentence."""
    if isinstance(answer, Failed):
        return Reason(answer.trouble, f"{what}: {answer.text}")
    code = _CODES.get(answer.status, "remote_error" if answer.status >= 500 else "unexpected_reply")
    trace = f" (request {answer.request_id})" if answer.request_id else ""
    said = error_text(answer) or "an empty body"
    return Reason(code, f"{what}: AMC answered {answer.status}: {said}{trace}")


def says_absent(reply: Reply, name: str) -> bool:
    """Whether the reply denies that `name` exists.

    AMC says so with 404 and with 400. A 404 that does not come from the reporting API (a wrong address, a
    gateway) denies nothing: it has no `details` and does not know the name.
    """
    if reply.status not in {400, 404}:
        return False
    details = (json_object(reply.body) or {}).get("details")
    text = error_text(reply)
    denies = "not exist" in text or "not found" in text.lower()
    return denies and (isinstance(details, str) or name in text)


def parse_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Retry-After, in seconds or as an HTTP date seen from `now` (the remote's clock); None if unreadable."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        when = parse_http_date(text)
        return None if when is None else min(max(when - now, timedelta()), MAX_PATIENCE)
    return timedelta(seconds=min(seconds, MAX_PATIENCE.total_seconds())) if seconds >= 0 else None


def parse_http_date(text: str) -> datetime | None:
    """An HTTP date, UTC; None if it is none."""
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
