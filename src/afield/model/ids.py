"""Identifiers: time-ordered UUIDs (version 7) and the key of one attempt."""

from __future__ import annotations

import os
import time
from uuid import UUID

_PREFIX = "afield"


def uuid7(unix_ms: int | None = None) -> UUID:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, the rest random. Sorts by time of creation."""
    ms = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    value = (ms & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)


def attempt_key(execution_id: UUID, attempt: int) -> str:
    """The name of one try: derived, so that whoever knows the execution can search for it.

    Letters, digits and `-` only, 48 characters at most, so it serves as a name in every remote system we know.
    """
    return f"{_PREFIX}-{execution_id.hex}-{attempt}"


def parse_attempt_key(text: str) -> tuple[UUID, int] | None:
    """The execution and the number of the attempt that `text` names, or None if it is not one of our keys."""
    prefix, _, rest = text.partition("-")
    hex_id, _, number = rest.partition("-")
    if prefix != _PREFIX or len(hex_id) != 32 or not number.isdecimal():
        return None
    try:
        return UUID(hex=hex_id), int(number)
    except ValueError:
        return None
