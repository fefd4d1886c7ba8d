"""Times and reasons in plain words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afield.model.execution import Reason


def at_time(time: datetime) -> str:
    """A time, to the second, in UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(time: datetime, now: datetime) -> str:
    """How long ago, roughly."""
    return f"{roughly(max(now - time, timedelta()))} ago"


def roughly(span: timedelta) -> str:
    """A span of time in its largest fitting unit."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def because(reason: Reason | None) -> str:
    """`: why`, or nothing."""
    said = (reason.text or reason.code).strip().rstrip(".") if reason else ""
    return f": {said}" if said else ""
