"""What goes wrong with a call to Azure, told in one type: an answer that is an error, or none at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from afield.connectors.azure.redaction import clean
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

MAX_PATIENCE = timedelta(hours=1)  # a longer Retry-After is a mistake


class Trouble(StrEnum):
    """In which way a call failed."""

    ANSWERED = "answered"  # Azure said so; see status and code
    NO_TOKEN = "no_token"  # noqa: S105 - no password; nothing was sent
    NOT_CONNECTED = "not_connected"  # nothing was sent
    NO_REPLY = "no_reply"  # sent, at least in part; nobody knows what became of it
    UNREADABLE = "unreadable"  # a reply, but not what was asked for
    AWAY_FROM_HOME = "away_from_home"  # the address leads to another host, so nothing was sent
    OVER_BUDGET = "over_budget"  # our own limit, kept below Azure's; nothing was sent


class AzureError(Exception):
    """A call that failed. `status` is 0 without an answer; `message` is clean."""

    def __init__(
        self,
        message: str,
        *,
        trouble: Trouble = Trouble.ANSWERED,
        status: int = 0,
        code: str = "",
        retry_after: timedelta | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = clean(message)
        self.trouble = trouble
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def sent(self) -> bool:
        """Whether the request may have reached Azure."""
        return self.trouble in {Trouble.ANSWERED, Trouble.NO_REPLY, Trouble.UNREADABLE}

    def reason(self, what: str) -> Reason:
        """Why `what` did not work, as a stable code and a sentence."""
        if self.trouble is not Trouble.ANSWERED:
            return Reason(self.trouble, f"{what}: {self.message}")
        trace = f" (request {self.request_id})" if self.request_id else ""
        code = f" {self.code}" if self.code else ""
        return Reason(_reason_code(self.status), f"{what}: Azure answered {self.status}{code}: {self.message}{trace}")


_CODES: Mapping[int, str] = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "throttled",
}


def _reason_code(status: int) -> str:
    return _CODES.get(status, "remote_error" if status >= 500 else "unexpected_reply")


def error_of(status: int, headers: Mapping[str, str], body: JsonValue, now: datetime) -> AzureError:
    """The error in a reply: `{"error": {"code", "message"}}`, as Azure Resource Manager writes it."""
    code, message = error_words(body)
    return AzureError(
        message or "an empty body",
        status=status,
        code=code,
        retry_after=parse_retry_after(headers.get("Retry-After"), now),
        request_id=headers.get("x-ms-request-id", "")[:64],
    )


def error_words(body: JsonValue) -> tuple[str, str]:
    """Code and message of an error body, empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return _text(error, "code"), _text(error, "message")


def _text(value: JsonObject, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def parse_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Retry-After, in seconds or as an HTTP date; None if there is none or it is unreadable."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return timedelta(seconds=min(seconds, MAX_PATIENCE.total_seconds())) if seconds >= 0 else None


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return min(max(when - now, timedelta()), MAX_PATIENCE)
