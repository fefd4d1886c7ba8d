"""The days of the data, and how busy each is. Pure. Days are counted since 1970."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from afield.provisioning.making.values import Floats, Ints
from afield.provisioning.recipe import Rhythm

MONTHS = 24  # whole ones before the present one
EPOCH = date(1970, 1, 1)
_NOISE = 0.05


@dataclass(frozen=True, slots=True)
class Calendar:
    """From the first day up to and including `today`."""

    first: date
    today: date

    @property
    def days(self) -> Ints:
        """Every day."""
        return np.arange(number(self.first), number(self.today) + 1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days from `start` up to, not including, `end` (since 1970) with the same chances; `counts` rows on each."""

    start: int
    end: int
    counts: Ints

    @property
    def rows(self) -> int:
        """All its rows."""
        return int(self.counts.sum())

    def row_days(self) -> Ints:
        """The day of each row."""
        return np.repeat(np.arange(self.start, self.end, dtype=np.int64), self.counts)


def number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def calendar(today: date) -> Calendar:
    """From the first of a month two years ago, so that whole months and years can be compared, up to today."""
    months = today.year * 12 + today.month - 1 - MONTHS
    return Calendar(date(months // 12, months % 12 + 1, 1), today)


def busyness(days: Calendar, rhythm: Rhythm, rng: np.random.Generator) -> Floats:
    """A weight for each day: weekday, season, growth, and a little noise."""
    numbers = days.days
    weekdays = (numbers + 3) % 7  # the first day of 1970 was a Thursday
    of_year = np.array([(days.first + timedelta(int(n))).timetuple().tm_yday for n in range(len(numbers))])
    middles = np.arange(12) * 30.44 + 15
    season = np.interp(of_year, middles, np.array(rhythm.year), period=365.25)
    growth = (1 + rhythm.growth) ** ((numbers - numbers[0]) / 365.25)
    noise = np.exp(rng.normal(0.0, _NOISE, len(numbers)))
    busy: Floats = np.array(rhythm.week)[weekdays] * season * growth * noise
    return busy


def cuts(days: Calendar, further: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The days cut where a month begins, and at further days."""
    places = {number(days.first), number(days.today) + 1, *further}
    day = days.first
    while day <= days.today:
        places.add(number(day))
        day = (day.replace(day=1) + timedelta(32)).replace(day=1)
    ordered = sorted(place for place in places if number(days.first) <= place <= number(days.today) + 1)
    return tuple(pairwise(ordered))


def spread(rows: int, weights: Floats, rng: np.random.Generator) -> Ints:
    """So many rows over the days; at least one on the last, so that the data ends there."""
    counts = rng.multinomial(rows, weights / weights.sum()).astype(np.int64)
    if rows and counts[-1] == 0:
        counts[int(np.argmax(counts))] -= 1
        counts[-1] = 1
    return counts
