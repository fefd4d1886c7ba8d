"""Making Azure's text fit for logs, events and errors: short, on one line, without secrets."""

from __future__ import annotations

import re

MAX_TEXT = 600

_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")
_BEARER = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)
_NAMED = re.compile(
    r"((?:client_secret|access_token|refresh_token|\bsig)[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;}]+", re.IGNORECASE
)


def clean(text: str) -> str:
    """`text` on one line, secrets and the queries of URLs masked, cut to MAX_TEXT characters.

    A signed URL (a SAS, the address of an operation) is a capability by its query alone.
    """
    line = " ".join(text[: 8 * MAX_TEXT].split())
    line = _QUERY.sub(r"\1?[redacted]", line)
    line = _BEARER.sub(r"\1[redacted]", line)
    line = _NAMED.sub(r"\1[redacted]", line)
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"
