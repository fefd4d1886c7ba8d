"""The time window of an execution: read from a request, resolved when it runs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from .bodies import CreateExecution
from .model import Window
from .times import read_local_time, read_zone


def read_window(body: CreateExecution) -> Window:
    """The window a request asks for; ValueError when a time or a zone cannot be read.

    A trailing Z is let through, and makes the result empty later.
    """
    zone = body.time_window_time_zone or "UTC"
    read_zone(zone)
    if body.time_window_type != "EXPLICIT":
        return Window(kind=body.time_window_type, zone=zone)
    start, end = body.time_window_start, body.time_window_end
    if not start or not end:
        raise ValueError("timeWindowStart and timeWindowEnd are required for an EXPLICIT time window")
    return Window(
        kind="EXPLICIT",
        zone=zone,
        start=read_local_time(start.removesuffix("Z"), zone),
        end=read_local_time(end.removesuffix("Z"), zone),
        start_original=start,
        end_original=end,
        zoned=start.endswith("Z") or end.endswith("Z"),
    )


def resolve_window(window: Window, now: float) -> Window:
    """The window with its bounds filled in, counted in whole days of its zone before `now`."""
    if window.start is not None:
        return window
    zone = ZoneInfo(window.zone)
    first, last = _days(window.kind, datetime.fromtimestamp(now, UTC).astimezone(zone).date())
    return replace(window, start=_midnight(first, zone), end=_midnight(last, zone))


def overlap(one: Window, other: Window) -> bool:
    """Whether two windows share a moment; an unresolved one overlaps everything."""
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return True
    return one.start < other.end and other.start < one.end


def _days(kind: str, today: date) -> tuple[date, date]:
    this_month = today.replace(day=1)
    match kind:
        case "MOST_RECENT_WEEK":
            return today - timedelta(days=7), today
        case "CURRENT_MONTH":
            return this_month, today + timedelta(days=1)
        case "PREVIOUS_MONTH":
            return (this_month - timedelta(days=1)).replace(day=1), this_month
        case "ALL":
            return date(2000, 1, 1), today + timedelta(days=1)
        case _:
            return today - timedelta(days=1), today


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
