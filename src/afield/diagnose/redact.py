"""Keeps secrets out of what a diagnosis shows. Pure.

Checks are meant to say nothing secret in the first place; this is the second line, at the one place all of them pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "[hidden]"
_SHORTEST = 6  # a shorter secret would mask ordinary words

_PATTERNS = (
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # user and password in a URL
    re.compile(r"(?i)(?<=bearer )[\w.~+/|=-]+"),
    re.compile(r"\bAtz[ar]\|[\w.~+/|=-]+"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # a JSON web token
    re.compile(
        r"(?i)(?<![a-z])(?:access_?token|refresh_?token|id_?token|client_?secret|password|passwd|api_?key|"
        r"x-amz-signature|x-amz-credential|x-amz-security-token|sig)[\"']?\s*[=:]\s*[\"']?(?P<value>[^\s\"'&,;}]+)"
    ),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without these values, and without what looks like a secret whatever its value."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    value = match.groupdict().get("value")
    whole = match.group()
    return MASK if value is None else whole[: len(whole) - len(value)] + MASK
