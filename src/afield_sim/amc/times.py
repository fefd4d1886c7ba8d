"""Times as AMC writes and reads them."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")


def show_time(seconds: float) -> str:
    """Seconds since 1970 as UTC text in whole seconds: `2025-03-01T03:11:52Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone") from error


def read_local_time(text: str, zone: str = "UTC") -> float:
    """Seconds since 1970 for `yyyy-MM-ddTHH:mm:ss` in `zone`; ValueError for any other format."""
    if not _LOCAL.fullmatch(text):
        raise ValueError(f"{text!r} is not in the format yyyy-MM-ddTHH:mm:ss")
    return datetime.fromisoformat(text).replace(tzinfo=read_zone(zone)).timestamp()
