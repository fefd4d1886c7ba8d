"""Making a remote's text fit for logs, events and errors: short, on one line, without secrets."""

from __future__ import annotations

import re

MAX_TEXT = 500

_TOKEN = re.compile(r"Atz[ar]\|[^\s\"',;&}]*")
_BEARER = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)
_NAMED = re.compile(
    r"((?:X-Amz-(?:Signature|Credential|Security-Token)|client_secret|refresh_token|access_token)"
    r"[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;}]+",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """`text` on one line, secrets masked, cut to MAX_TEXT characters."""
    line = " ".join(text[: 8 * MAX_TEXT].split())
    line = _TOKEN.sub("[redacted]", line)
    line = _BEARER.sub(r"\1[redacted]", line)
    line = _NAMED.sub(r"\1[redacted]", line)
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"
