"""Times as Google's APIs write them."""

from datetime import UTC, datetime


def show_time(seconds: float) -> str:
    """Seconds since 1970 in UTC, with six digits of a fraction: `2026-03-01T03:11:52.123456Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
