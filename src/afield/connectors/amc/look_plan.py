"""Which calls a look is made of: one listing for many, single calls for what is older than is worth listing. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from afield.connectors.amc.status import ENDED
from afield.connectors.amc.wire import PAGE_SIZE
from afield.connectors.base import Entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something a look has to answer for, which one call of its own could answer too."""

    name: str  # a handle, or the key of a doubt
    since: datetime  # it was created at this time or later, by the remote's clock


@dataclass(frozen=True, slots=True)
class LookPlan:
    """A listing since a time (None: no listing), and who is asked for singly."""

    since: datetime | None
    single: tuple[str, ...] = ()


_by_age = attrgetter("since")


def choose(wanted: Iterable[Wanted], floor: datetime | None, until: datetime, density: float) -> LookPlan:
    """The plan with the fewest calls.

    `floor` is a time since which everything has to be listed in any case, `until` the present, by the remote's clock,
    `density` the entries a second that the last listing showed (0 if there was none). Between equal plans the listing
    wins: it shows more.
    """
    oldest_first = sorted(wanted, key=_by_age)
    best = LookPlan(None, tuple(one.name for one in oldest_first))
    best_cost = math.inf if floor is not None else float(len(oldest_first))
    for singles, start in enumerate(_starts(oldest_first, floor)):
        if singles >= best_cost:
            break
        cost = singles + pages(start, until, density, len(oldest_first) - singles)
        if cost < best_cost or (cost == best_cost and best.since is None):
            best_cost = cost
            best = LookPlan(start, tuple(one.name for one in oldest_first[:singles]))
    return best


def _starts(oldest_first: Sequence[Wanted], floor: datetime | None) -> Iterable[datetime]:
    """Where a listing may begin: the n-th start leaves the n oldest to single calls."""
    for one in oldest_first:
        if floor is not None and one.since >= floor:
            break
        yield one.since
    if floor is not None:
        yield floor


def pages(start: datetime, until: datetime, density: float, at_least: int) -> int:
    """How many pages a listing is expected to have, that will show at least so many entries."""
    expected = density * max(0.0, (until - start).total_seconds())
    return max(1, math.ceil(max(expected, at_least) / PAGE_SIZE))


def density_of(entries: int, start: datetime, until: datetime) -> float:
    """Entries a second in a listing."""
    return entries / max((until - start).total_seconds(), 1.0)


def newer(one: Entry, other: Entry) -> Entry:
    """The later news of the same execution. An end beats anything, since ends do not change."""
    return max(one, other, key=_rank)


def _rank(entry: Entry) -> tuple[bool, str, str]:
    return entry.state in ENDED, str(entry.echo.get("lastUpdatedTime", "")), entry.status


def absorb(found: dict[str, Entry], entries: Iterable[Entry]) -> None:
    """Add entries to those found, by id. Pages may overlap and come in any order."""
    for entry in entries:
        known = found.get(entry.handle)
        found[entry.handle] = entry if known is None else newer(known, entry)


@dataclass(frozen=True, slots=True)
class Slack:
    """How much earlier than thought something may have been created, by the remote's clock."""

    clock_skew: timedelta
    whole_seconds: timedelta = timedelta(seconds=1)

    def before(self, when: datetime) -> datetime:
        return when - self.clock_skew - self.whole_seconds

    def after(self, when: datetime) -> datetime:
        return when + self.clock_skew + self.whole_seconds
