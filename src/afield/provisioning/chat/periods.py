"""Periods by the calendar, and how people write them. Pure. A period's end is not part of it."""

from __future__ import annotations

from datetime import date, timedelta

from afield.provisioning import asking
from afield.provisioning.query import Grain, Period
from afield.provisioning.semantic.calendar import day_of, first_day, number_of

BEGINNING = date(1900, 1, 1)
"""The start of a period that has none."""
_DAY = timedelta(days=1)
_LONGEST = {Grain.DAY: 45, Grain.WEEK: 200, Grain.MONTH: 1500, Grain.QUARTER: 4000}


def unit(day: date, grain: Grain, steps: int = 0) -> Period:
    """The day, week, month, ... that a day lies in, or the one so many steps after it."""
    number = number_of(day, grain) + steps
    return Period(start=day_of(number, grain), end=day_of(number + 1, grain))


def last_units(today: date, grain: Grain, count: int) -> Period:
    """The last whole weeks, months or quarters before the present one; days and years end today."""
    if grain is Grain.DAY:
        return Period(start=today - timedelta(days=count - 1), end=today + _DAY)
    if grain is Grain.YEAR:
        return Period(start=months_later(today, -12 * count) + _DAY, end=today + _DAY)
    present = number_of(today, grain)
    return Period(start=day_of(present - count, grain), end=day_of(present, grain))


def rolling(today: date, grain: Grain) -> Period:
    """A day, week, month, ... back from today."""
    start = today - timedelta(days=7 if grain is Grain.WEEK else 1)
    if grain not in {Grain.DAY, Grain.WEEK}:
        start = months_later(today, {Grain.MONTH: -1, Grain.QUARTER: -3}.get(grain, -12))
    return Period(start=start + _DAY, end=today + _DAY)


def to_date(today: date, grain: Grain) -> Period:
    """From the beginning of the present week, month, ... up to today."""
    return Period(start=first_day(today, grain), end=today + _DAY)


def months_later(day: date, months: int) -> date:
    """The same day of another month, or its last one."""
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - _DAY).day
    return date(year, month + 1, min(day.day, last))


def year_before(period: Period) -> Period:
    """The same days of the year before."""
    return Period(start=months_later(period.start, -12), end=months_later(period.end, -12))


def grain_of(period: Period) -> Grain | None:
    """What the period is one whole of; None if of nothing."""
    return next((grain for grain in Grain if unit(period.start, grain) == period), None)


def before(period: Period) -> Period:
    """The period before: the month before a month, and as many days before anything else."""
    grain = grain_of(period)
    if grain:
        return unit(period.start, grain, -1)
    return Period(start=period.start - (period.end - period.start), end=period.start)


def so_far(period: Period, today: date) -> Period:
    """Without the days that are still to come."""
    now = today + _DAY
    return Period(start=period.start, end=now) if period.start < now < period.end else period


def same_days_before(period: Period, today: date) -> Period:
    """The period before; of a year, quarter, month or week that is not over yet, only as far as it is now."""
    for grain in (Grain.YEAR, Grain.QUARTER, Grain.MONTH, Grain.WEEK):
        whole = unit(today, grain)
        if period.start == whole.start and today < period.end <= whole.end and today + _DAY < whole.end:
            earlier = unit(today, grain, -1)
            end = months_later(today, -12) if grain is Grain.YEAR else earlier.start + (today - whole.start)
            return Period(start=earlier.start, end=min(earlier.end, end + _DAY))
    return before(period)


def fitting_grain(period: Period | None) -> Grain:
    """What to cut a period into so that a line has neither too few points nor too many."""
    days = (period.end - max(period.start, BEGINNING)).days if period else _LONGEST[Grain.WEEK] + 1
    return next((grain for grain, most in _LONGEST.items() if days <= most), Grain.YEAR)


def said(period: Period) -> str:
    """`in March 2026`, `in Q2 2026`, `in 2025`, `on 4 March 2026`, `between 4 March 2026 and 9 May 2026`."""
    grain = grain_of(period)
    if grain in {Grain.MONTH, Grain.QUARTER, Grain.YEAR}:
        return f"in {named(period)}"
    if grain is Grain.DAY:
        return f"on {named(period)}"
    if period.start <= BEGINNING:
        return f"before {asking.named_day(period.end)}"
    return asking.between(period)


def named(period: Period) -> str:
    """As `said`, without the preposition."""
    match grain_of(period):
        case Grain.YEAR:
            return str(period.start.year)
        case Grain.QUARTER:
            return asking.named_quarter(period)
        case Grain.MONTH:
            return asking.named_month(period)
        case Grain.DAY:
            return asking.named_day(period.start)
    first, last = asking.named_day(period.start), asking.named_day(period.end - _DAY)
    return f"{first} to {last}"


def named_start(day: date, grain: Grain) -> str:
    """What begins on this day: `2026`, `Q2 2026`, `March 2026`, `week of 2 March 2026`, `4 March 2026`."""
    if grain is Grain.WEEK:
        return f"week of {asking.named_day(day)}"
    return named(unit(day, grain))
