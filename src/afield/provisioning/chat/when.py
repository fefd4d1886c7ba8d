"""Which period is meant, and which it is compared with. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from afield.provisioning.chat import periods
from afield.provisioning.chat.cues import Cue
from afield.provisioning.chat.draft import Draft
from afield.provisioning.chat.time import Mention, TimeKind
from afield.provisioning.query import Grain, Period, Query

Periods = tuple[Period | None, Period | None]
"""The period, and the one it is compared with."""


def periods_meant(draft: Draft, today: date, base: Query | None) -> Periods:
    """From what the question says, and what was said before it."""
    said = _yeared(draft.periods)
    if len(said) >= 2:
        return _two(draft, said[0], said[1])
    own = next((one.period for one in said), None)
    if own and said[0].ends and _is_change(draft):  # `how did it change between 2024 and 2025?`
        return periods.unit(own.end - timedelta(days=1), said[0].ends), periods.unit(own.start, said[0].ends)
    if draft.against and own:
        return _against(own, today, base)
    period = own
    if period is None and base and TimeKind.EVER not in draft.times:
        period = base.period
    compare = base.compare if base and base.compare and own is None and period else None
    shifted = _shifted(draft, period, today, base)
    if shifted:
        return (
            shifted if Cue.COMPARE in draft.cues or TimeKind.YEAR_BEFORE not in draft.times else _instead(shifted, base)
        )
    return period, compare


def _is_change(draft: Draft) -> bool:
    """From one period to another, and not from month to month."""
    stepwise = draft.grain or draft.growth or Cue.OVER_TIME in draft.cues
    return bool({Cue.GROWTH, Cue.DECLINE} & draft.cues) and not stepwise


def _instead(shifted: Periods, base: Query | None) -> Periods:
    """`What about a year ago?` asks for that year; with growth it is compared."""
    return (shifted[1], None) if base else shifted


def _yeared(said: list[Mention]) -> list[Mention]:
    """`Q1 and Q2 2025`: what has no year of its own takes the other's."""
    years = [one.period.end.year for one in said if one.period and not one.yearless]
    if not years or len(said) != 2:
        return said
    found = []
    for one in said:
        period = one.period
        while one.yearless and period and period.start.year > years[0]:
            period = periods.year_before(period)
        found.append(Mention(one.start, one.end, one.kind, period, one.grain, one.yearless))
    return found


def _two(draft: Draft, first: Mention, second: Mention) -> Periods:
    """The later one, beside the earlier; neighbours that are only listed become one."""
    assert first.period and second.period
    one, other = first.period, _anchored(second, first.period)
    early, late = sorted((one, other), key=lambda period: period.start)
    listed = not {Cue.COMPARE, Cue.GROWTH, Cue.DECLINE} & draft.cues
    if listed and early.end == late.start:
        return Period(start=early.start, end=late.end), None
    return late, early


def _anchored(second: Mention, first: Period) -> Period:
    """`March with the previous month` is February, `March with last year` is March of last year."""
    assert second.period
    grain = periods.grain_of(first)
    if second.grain and second.grain is grain:
        return periods.before(first)
    is_year = periods.grain_of(second.period) is Grain.YEAR
    if is_year and grain is not Grain.YEAR and second.period.start.year == first.start.year - 1:
        return periods.year_before(first)
    return second.period


def _against(other: Period, today: date, base: Query | None) -> Periods:
    """Compared with a period, and only that was said: what was asked before, or the present one so far."""
    if base and base.period:
        return base.period, _anchored(Mention(0, 0, TimeKind.PERIOD, other), base.period)
    grain = periods.grain_of(other)
    if grain and other == periods.unit(today, grain, -1):
        present = periods.to_date(today, grain)
        return present, periods.same_days_before(periods.unit(today, grain), today)
    return Period(start=other.end, end=other.end + (other.end - other.start)), other


def _shifted(draft: Draft, period: Period | None, today: date, base: Query | None) -> Periods | None:
    """Compared with the period before, or with a year before."""
    if {TimeKind.YEAR_BEFORE, TimeKind.YEAR_ON_YEAR} & draft.times and not (
        draft.grain is Grain.YEAR and period is None
    ):
        period = periods.so_far(period, today) if period else periods.to_date(today, Grain.YEAR)
        return period, periods.year_before(period)
    if TimeKind.BEFORE in draft.times and period:
        return period, periods.before(period)
    changes = _is_change(draft)
    if changes and base and any(one.grain for one in base.breakdowns) and not draft.breakdowns:
        return None  # from month to month, as it was shown before
    if changes and period and period.start > periods.BEGINNING:
        return periods.so_far(period, today), periods.same_days_before(period, today)
    if changes and not period and (draft.breakdowns or draft.descending is not None):
        period = periods.to_date(today, Grain.YEAR)
        return period, periods.year_before(period)
    return None
