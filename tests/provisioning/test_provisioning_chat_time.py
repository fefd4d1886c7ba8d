"""Times in words, seen from Saturday, 21 November 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.provisioning.chat import periods
from afield.provisioning.chat.time import TimeKind, mentions
from afield.provisioning.query import Grain, Period

TODAY = date(2026, 11, 21)
DAYS = st.dates(date(2001, 1, 1), date(2030, 12, 31))


def longest(text: str) -> list[tuple[TimeKind, Period | None, Grain | None]]:
    """The mention that begins first, of these the longest."""
    found = sorted(mentions(text, TODAY), key=lambda one: (one.start, -one.end))
    return [(one.kind, one.period, one.grain) for one in found[:1]]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-11-21", "2026-11-22"),
        ("yesterday", "2026-11-20", "2026-11-21"),
        ("this week", "2026-11-16", "2026-11-23"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("last quarter", "2026-07-01", "2026-10-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("the past week", "2026-11-15", "2026-11-22"),
        ("the month before last", "2026-09-01", "2026-10-01"),
        ("two weeks ago", "2026-11-02", "2026-11-09"),
        ("last 90 days", "2026-08-24", "2026-11-22"),
        ("the last three months", "2026-08-01", "2026-11-01"),
        ("the last 2 years", "2024-11-22", "2026-11-22"),
        ("in March", "2026-03-01", "2026-04-01"),
        ("in December", "2025-12-01", "2026-01-01"),
        ("March 2025", "2025-03-01", "2025-04-01"),
        ("March of last year", "2025-03-01", "2025-04-01"),
        ("last November", "2025-11-01", "2025-12-01"),
        ("on 5 March", "2026-03-05", "2026-03-06"),
        ("March 5th, 2025", "2025-03-05", "2025-03-06"),
        ("2026-02-28", "2026-02-28", "2026-03-01"),
        ("Q2 2026", "2026-04-01", "2026-07-01"),
        ("2025 Q4", "2025-10-01", "2026-01-01"),
        ("the second quarter", "2026-04-01", "2026-07-01"),
        ("first half of 2025", "2025-01-01", "2025-07-01"),
        ("2025", "2025-01-01", "2026-01-01"),
        ("since May", "2026-05-01", "2026-11-22"),
        ("since 2025", "2025-01-01", "2026-11-22"),
        ("after June 2026", "2026-07-01", "2026-11-22"),
        ("before 2025", "1900-01-01", "2025-01-01"),
        ("until June 2025", "1900-01-01", "2025-07-01"),
        ("from June 2026 onwards", "2026-06-01", "2026-11-22"),
        ("between March and June", "2026-03-01", "2026-07-01"),
        ("from October to February", "2025-10-01", "2026-03-01"),
        ("from March to June 2025", "2025-03-01", "2025-07-01"),
        ("between 4 March 2026 and 28 April 2026", "2026-03-04", "2026-04-29"),
        ("year to date", "2026-01-01", "2026-11-22"),
        ("mtd", "2026-11-01", "2026-11-22"),
        ("this quarter so far", "2026-10-01", "2026-11-22"),
        ("last year to date", "2025-01-01", "2025-11-22"),
    ],
)
def test_periods_in_words(text: str, start: str, end: str) -> None:
    whole = [one.period for one in mentions(text, TODAY) if one.kind is TimeKind.PERIOD]
    assert Period(start=date.fromisoformat(start), end=date.fromisoformat(end)) in whole
    first = sorted((one for one in mentions(text, TODAY)), key=lambda one: one.start - one.end)[0]
    assert first.period == Period(start=date.fromisoformat(start), end=date.fromisoformat(end))


@pytest.mark.parametrize(
    ("text", "kind", "grain"),
    [
        ("by week", TimeKind.GRAIN, Grain.WEEK),
        ("per quarter", TimeKind.GRAIN, Grain.QUARTER),
        ("each month", TimeKind.GRAIN, Grain.MONTH),
        ("daily", TimeKind.GRAIN, Grain.DAY),
        ("month by month", TimeKind.GRAIN, Grain.MONTH),
        ("week over week", TimeKind.GROWTH, Grain.WEEK),
        ("year over year", TimeKind.YEAR_ON_YEAR, None),
        ("the same period last year", TimeKind.YEAR_BEFORE, None),
        ("the previous period", TimeKind.BEFORE, None),
        ("all time", TimeKind.EVER, None),
        ("months", TimeKind.UNIT, Grain.MONTH),
    ],
)
def test_grains_and_comparisons_in_words(text: str, kind: TimeKind, grain: Grain | None) -> None:
    assert longest(text) == [(kind, None, grain)]


@pytest.mark.parametrize("text", ["may I see it", "what may be sold", "a marching band", "the Q5 report", "32 or 45"])
def test_words_that_are_no_times(text: str) -> None:
    assert mentions(text, TODAY) == ()


def test_a_day_that_is_not_there_is_none() -> None:
    text = "31 June 2026"
    assert "31 June" not in [text[one.start : one.end] for one in mentions(text, TODAY)]


@given(DAYS, st.sampled_from(Grain))
def test_what_is_said_of_a_whole_period_is_read_as_it(day: date, grain: Grain) -> None:
    period = periods.unit(day, grain)
    found = [one for one in mentions(periods.said(period), TODAY) if one.kind is TimeKind.PERIOD]
    assert max(found, key=lambda one: one.end - one.start).period == period


@given(DAYS, st.integers(2, 400))
def test_what_is_said_of_any_days_is_read_as_them(start: date, days: int) -> None:
    period = Period(start=start, end=start + timedelta(days=days))
    found = [one for one in mentions(periods.said(period), TODAY) if one.kind is TimeKind.PERIOD]
    assert max(found, key=lambda one: one.end - one.start).period == period


@given(DAYS, st.sampled_from(Grain), DAYS)
def test_the_period_before_ends_where_one_begins(day: date, grain: Grain, today: date) -> None:
    period = periods.unit(day, grain)
    assert periods.before(period).end == period.start
    earlier = periods.same_days_before(period, today)
    assert earlier.start < earlier.end <= period.start


def test_a_year_that_is_not_over_is_compared_with_the_same_days() -> None:
    year = periods.unit(TODAY, Grain.YEAR)
    assert periods.same_days_before(year, TODAY) == Period(start=date(2025, 1, 1), end=date(2025, 11, 22))
    month = periods.to_date(TODAY, Grain.MONTH)
    assert periods.same_days_before(month, TODAY) == Period(start=date(2026, 10, 1), end=date(2026, 10, 22))
