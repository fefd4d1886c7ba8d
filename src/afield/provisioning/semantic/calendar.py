"""Days cut into weeks, months, quarters and years. Pure. Weeks begin on Monday."""

from __future__ import annotations

from datetime import date, timedelta

from afield.provisioning.query import Grain

_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}
_DAYS = {Grain.DAY: 1, Grain.WEEK: 7}
_MONDAY = date(1970, 1, 5)


def first_day(day: date, grain: Grain) -> date:
    """The first day of what `day` lies in."""
    return day_of(number_of(day, grain), grain)


def number_of(day: date, grain: Grain) -> int:
    """The number of the day, week, month, ... that `day` lies in; neighbours differ by one."""
    if grain in _DAYS:
        return (day - _MONDAY).days // _DAYS[grain]
    return (day.year * 12 + day.month - 1) // _MONTHS[grain]


def day_of(number: int, grain: Grain) -> date:
    """The first day of the one with this number."""
    if grain in _DAYS:
        return _MONDAY + timedelta(days=number * _DAYS[grain])
    year, month = divmod(number * _MONTHS[grain], 12)
    return date(year, month + 1, 1)
