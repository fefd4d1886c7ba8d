"""What came back of a call: an answer, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import orjson

from afield.connectors.adapter.wire import ADAPTER_HEADER, BOOT_HEADER
from afield.model.jsontypes import JsonValue

_MOST_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NoReply:
    """There is none. The request may have arrived, unless it was certainly not `sent`."""

    text: str
    sent: bool = True
    unconnected: bool = False  # nobody is there: no connection could be made


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ours(self) -> bool:
        """Whether the adapter gave it: all its answers bear its header."""
        return ADAPTER_HEADER in self.headers

    @property
    def boot(self) -> str:
        """Which process of the adapter gave it."""
        return self.headers.get(BOOT_HEADER, "")

    def json(self) -> JsonValue:
        """The body; None when it is no JSON."""
        try:
            value: JsonValue = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return value

    def error(self) -> tuple[str, str]:
        """Code and message of the adapter's error body, empty where there is none."""
        body = self.json()
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return "", ""
        code, message, hint = (error.get(name) for name in ("code", "message", "hint"))
        told = " ".join(text for text in (message, hint) if isinstance(text, str) and text)
        return (code if isinstance(code, str) else ""), told[:600]

    def patience(self, now: datetime) -> timedelta | None:
        """Retry-After (RFC 9110, section 10.2.3), an hour at most; None when there is none that can be read."""
        text = self.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return min(timedelta(seconds=int(text[:9])), _MOST_PATIENCE)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(until - now, timedelta()), _MOST_PATIENCE)
