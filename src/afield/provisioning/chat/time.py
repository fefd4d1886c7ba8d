"""Times in a question: periods and grains in words, relative to a day. Pure.

`last month` is the whole month before the present one, and `last 3 months` the three whole ones; `last 90 days` and
`last 2 years` end today; `past month` goes back from today; `in March` is the latest March that has begun.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from afield.provisioning.chat import periods
from afield.provisioning.chat.words import plain
from afield.provisioning.query import Grain, Period


class TimeKind(StrEnum):
    """What a mention says."""

    PERIOD = "period"
    EVER = "ever"  # all of the time there is
    GRAIN = "grain"  # by month
    UNIT = "unit"  # a bare `months`, as in `the best 3 months`
    GROWTH = "growth"  # month over month
    BEFORE = "before"  # the period before another one
    YEAR_BEFORE = "year_before"  # the same days of the year before
    YEAR_ON_YEAR = "year_on_year"


@dataclass(frozen=True, slots=True)
class Mention:
    """A time, and its place in the question. `grain`: of grains, and of periods called `previous`.

    `yearless`: a month or quarter of the latest year that has it, since none was named.
    """

    start: int
    end: int
    kind: TimeKind
    period: Period | None = None
    grain: Grain | None = None
    yearless: bool = False
    unit: Grain | None = None  # of `last 6 months`
    ends: Grain | None = None  # of `between 2024 and 2025`


_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9,
    "october": 10, "november": 11, "december": 12, "sept": 9,
}  # fmt: skip
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()}
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_COUNTS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "twelve": 12, "couple of": 2, "few": 3,
}  # fmt: skip
_ADVERBS = {
    "daily": Grain.DAY, "weekly": Grain.WEEK, "monthly": Grain.MONTH, "quarterly": Grain.QUARTER, "yearly": Grain.YEAR,
    "annually": Grain.YEAR, "annual": Grain.YEAR,
}  # fmt: skip
_SHORT = {"dod": Grain.DAY, "wow": Grain.WEEK, "mom": Grain.MONTH, "qoq": Grain.QUARTER}
_TO_DATE = {"wtd": Grain.WEEK, "mtd": Grain.MONTH, "qtd": Grain.QUARTER, "ytd": Grain.YEAR}
_LEADS = frozenset(
    {
        "in",
        "since",
        "from",
        "until",
        "till",
        "to",
        "and",
        "between",
        "of",
        "during",
        "for",
        "vs",
        "versus",
        "with",
        "than",
    }
    | {"before", "after", "last", "this", "through"}
)
"""Words that a month stands behind; without one of them `may` is the verb."""

_UNIT = r"(?:day|week|month|quarter|year)"
_MONTH = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_YEAR = r"(?:19|20)\d\d"
_OF_YEAR = rf"(?:,? ?(?:of |in )?(?:(?:the )?(?P<yrel>this|last) year|(?P<y>{_YEAR})\b))?"
_COUNT = rf"(?:\d+|{'|'.join(_COUNTS)})"
_RELATIVE = r"this|current|last|previous|prior|past|latest|preceding|most recent"
_POINTS = (
    r"(?P<iso>\d{4}-\d\d-\d\d)",
    r"(?P<isomonth>\d{4}-\d\d)(?!\d|-)",
    rf"(?:the )?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m>{_MONTH}){_OF_YEAR}",
    rf"(?P<m>{_MONTH}) (?:the )?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d){_OF_YEAR}",
    rf"(?:(?P<rel>last|this) )?(?P<m>{_MONTH}){_OF_YEAR}",
    rf"(?P<y>{_YEAR}) ?-?q(?P<q>[1-4])",
    rf"q(?P<q>[1-4])(?:/| )?{_OF_YEAR}",
    rf"(?:the )?(?P<q>{'|'.join(_ORDINALS)}) quarter{_OF_YEAR}",
    rf"quarter (?P<q>[1-4]){_OF_YEAR}",
    rf"h(?P<h>[12])(?:/| )?{_OF_YEAR}",
    rf"(?:the )?(?P<h>first|second) half(?: of)?{_OF_YEAR}",
    rf"(?:the )?(?:calendar )?(?:year )?(?P<y>{_YEAR})",
    r"(?P<day>the day before yesterday|yesterday|today)",
    rf"(?:the )?(?P<rel>{_RELATIVE}) (?:full |complete |whole |calendar )?(?P<u>{_UNIT})",
    rf"(?:the )?(?P<u>{_UNIT}) before last",
    rf"(?P<n>{_COUNT}|an?) (?P<u>{_UNIT})s? ago",
    r"this (?P<u>week|month|quarter)(?: of| in)? (?P<ly>(?:the )?last year)",
)
_POINT = [re.compile(rf"{pattern}(?![\w])") for pattern in _POINTS]
_NEXT = r" ?(?:to|until|till|through|thru|up to|-|\u2013|and) (?:the end of )?"
_SINCE = re.compile(
    r"\b(?P<how>since|from|after|before|until|till|up to|prior to|starting(?: from| in)?) "
    r"(?:the (?:beginning|start) of )?"
)
_ONWARDS = re.compile(r" (?:on|onwards?|onward)\b")


def mentions(text: str, today: date) -> tuple[Mention, ...]:
    """All times a text might speak of, overlapping ones included."""
    low = plain(text)
    found = [*_points(low, today), *_ranges(low, today), *_simple(low, today), *_grains(low)]
    return tuple(sorted(found, key=lambda one: (one.start, one.start - one.end)))


# --------------------------------------------------------------------------------------------------- single points


def _points(low: str, today: date) -> Iterator[Mention]:
    for pattern in _POINT:
        for found in pattern.finditer(low):
            if found.start() == 0 or not low[found.start() - 1].isalnum():
                mention = _point(found, low, today)
                if mention:
                    yield mention


def _point_at(low: str, place: int, today: date) -> Mention | None:
    """The longest point that begins here."""
    found = (pattern.match(low, place) for pattern in _POINT)
    points = [point for match in found if match for point in [_point(match, low, today)] if point]
    return max(points, key=lambda one: one.end, default=None)


def _point(found: re.Match[str], low: str, today: date) -> Mention | None:
    groups = {name: text for name, text in found.groupdict().items() if text}
    if groups.get("m") == "may" and len(groups) == 1 and _word_before(low, found.start()) not in _LEADS:
        return None  # the verb
    try:
        period = _period(groups, today)
    except ValueError:  # 31 June
        return None
    relative = groups.get("rel") in {"previous", "prior", "preceding"} and "u" in groups
    yearless = not {"y", "yrel", "rel", "iso", "isomonth", "day", "u"} & groups.keys()
    grain = Grain(groups["u"]) if relative else None
    return Mention(found.start(), found.end(), TimeKind.PERIOD, period, grain, yearless)


def _word_before(low: str, place: int) -> str:
    return (low[:place].split() or [""])[-1]


def _period(groups: dict[str, str], today: date) -> Period:
    if "iso" in groups:
        return periods.unit(date.fromisoformat(groups["iso"]), Grain.DAY)
    if "isomonth" in groups:
        return periods.unit(date.fromisoformat(f"{groups['isomonth']}-01"), Grain.MONTH)
    if "day" in groups:
        back = {"today": 0, "yesterday": -1}.get(groups["day"], -2)
        return periods.unit(today, Grain.DAY, back)
    if "u" in groups:
        return _unit(groups, today)
    return _in_year(groups, today)


def _unit(groups: dict[str, str], today: date) -> Period:
    grain = Grain(groups["u"])
    if "ly" in groups:
        return periods.unit(periods.months_later(today, -12), grain)
    if "n" in groups:
        return periods.unit(today, grain, -_count(groups["n"]))
    relative = groups.get("rel")
    if relative in {"this", "current"}:
        return periods.unit(today, grain)
    if relative == "past" and grain is not Grain.DAY:
        return periods.rolling(today, grain)
    return periods.unit(today, grain, -1 if relative else -2)


def _count(text: str) -> int:
    return int(text) if text.isdigit() else _COUNTS.get(text, 1)


def _in_year(groups: dict[str, str], today: date) -> Period:
    """Of the year said; without one, the latest that has begun."""
    if "y" in groups or "yrel" in groups:
        year = int(groups["y"]) if "y" in groups else today.year - (groups["yrel"] == "last")
        return _of(groups, year)
    present = _of(groups, today.year)
    if groups.get("rel") == "last":  # the latest that is over
        return present if present.end <= today.replace(day=1) else _of(groups, today.year - 1)
    return present if present.start <= today or groups.get("rel") == "this" else _of(groups, today.year - 1)


def _of(groups: dict[str, str], year: int) -> Period:
    if "m" in groups:
        month = _MONTHS[groups["m"].rstrip(".")]
        if "d" in groups:
            return periods.unit(date(year, month, int(groups["d"])), Grain.DAY)
        return periods.unit(date(year, month, 1), Grain.MONTH)
    if "q" in groups:
        quarter = _ORDINALS.get(groups["q"]) or int(groups["q"])
        return periods.unit(date(year, quarter * 3, 1), Grain.QUARTER)
    if "h" in groups:
        half = _ORDINALS.get(groups["h"]) or int(groups["h"])
        start = date(year, half * 6 - 5, 1)
        return Period(start=start, end=periods.months_later(start, 6))
    return periods.unit(date(year, 1, 1), Grain.YEAR)


# --------------------------------------------------------------------------------------------------- from, to, since


def _ranges(low: str, today: date) -> Iterator[Mention]:
    for first in list(_points(low, today)):
        between = re.compile(_NEXT).match(low, first.end)
        second = _point_at(low, between.end(), today) if between else None
        lead = re.search(r"(?:between|from)(?: the start of)? $", low[: first.start])
        if between and second and (lead or not between[0].strip().startswith("and")):
            period = _span(low[first.start : first.end], first, second, today)
            if period:
                start = lead.start() if lead else first.start
                yield Mention(start, second.end, TimeKind.PERIOD, period, ends=_same_grain(first, second))
    for found in _SINCE.finditer(low):
        point = _point_at(low, found.end(), today)
        if point and point.period:
            onwards = _ONWARDS.match(low, point.end)
            end = onwards.end() if onwards else point.end
            yield Mention(found.start(), end, TimeKind.PERIOD, _open(found["how"], point.period, today))


def _same_grain(first: Mention, second: Mention) -> Grain | None:
    assert first.period and second.period
    grain = periods.grain_of(first.period)
    return grain if grain is periods.grain_of(second.period) else None


def _span(text: str, first: Mention, second: Mention, today: date) -> Period | None:
    """Both ends included. A first one without a year is the latest before the second."""
    assert first.period and second.period
    start, end = first.period.start, second.period.end
    if not re.search(rf"{_YEAR}|year", text):
        start = min(start, date(end.year, start.month, min(start.day, 28))) if end.year < start.year else start
        start = periods.months_later(start, -12) if start >= end else start
        start = periods.months_later(start, 12) if periods.months_later(start, 12) < second.period.start else start
    return Period(start=start, end=end) if start < end else None


def _open(how: str, period: Period, today: date) -> Period:
    tomorrow = max(today + timedelta(days=1), period.end)
    if how in {"before", "prior to"}:
        return Period(start=periods.BEGINNING, end=period.start)
    if how in {"until", "till", "up to"}:
        return Period(start=periods.BEGINNING, end=period.end)
    start = period.end if how == "after" else period.start
    return Period(start=start, end=max(tomorrow, start + timedelta(days=1)))


# --------------------------------------------------------------------------------------------------- all the others

_LAST = re.compile(
    rf"\b(?:in |over |during )?(?:the )?(?:last|past|previous|recent|latest|trailing) (?P<n>{_COUNT}) "
    rf"(?:full |complete |whole )?(?P<u>{_UNIT})s?\b"
)
_SO_FAR = re.compile(
    rf"\b(?:this|current|the) (?P<a>{_UNIT}) (?:so far|to date)\b|\bso far this (?P<b>{_UNIT})\b"
    rf"|\b(?P<c>{_UNIT})[- ]to[- ]date\b|\b(?P<s>[wmqy]td)\b"
)
_LAST_SO_FAR = re.compile(r"\b(?:last|previous|prior) year[- ]to[- ]date\b")
_EVER = re.compile(
    r"\b(?:of |for |over |since )?(?:all[- ]time|ever|the beginning(?! of)|all (?:the )?years|whole (?:time|history))\b"
)
_YEAR_BEFORE = re.compile(
    rf"\b(?:the )?same (?:period|time|days|{_UNIT}|one)s?(?: of| in)?(?: the)? (?:last|previous|prior) year"
    r"|\bthe (?:previous|prior) year|\b(?:a|one) year (?:ago|earlier|before)|\bthe year before"
    r"|\b(?:the )?same (?:period|time)(?: of)? a year (?:ago|earlier)"
)
_BEFORE = re.compile(
    rf"\b(?:the )?(?:previous|prior|preceding|last) (?:period|one)\b|\b(?:the )?period before\b"
    rf"|\bthe (?:{_UNIT}|one) before(?: that| it)?\b(?! last)"
)
_YEAR_ON_YEAR = re.compile(r"\byear[- ](?:over|on|to)[- ]year\b|\byoy\b|\by/y\b")
_SIMPLE: tuple[tuple[re.Pattern[str], TimeKind], ...] = (
    (_EVER, TimeKind.EVER),
    (_YEAR_BEFORE, TimeKind.YEAR_BEFORE),
    (_BEFORE, TimeKind.BEFORE),
    (_YEAR_ON_YEAR, TimeKind.YEAR_ON_YEAR),
)


def _simple(low: str, today: date) -> Iterator[Mention]:
    for found in _LAST.finditer(low):
        period = periods.last_units(today, Grain(found["u"]), max(1, _count(found["n"])))
        yield Mention(found.start(), found.end(), TimeKind.PERIOD, period, unit=Grain(found["u"]))
    for found in _SO_FAR.finditer(low):
        word = found["a"] or found["b"] or found["c"]
        grain = Grain(word) if word else _TO_DATE[found["s"]]
        yield Mention(found.start(), found.end(), TimeKind.PERIOD, periods.to_date(today, grain))
    for found in _LAST_SO_FAR.finditer(low):
        period = periods.year_before(periods.to_date(today, Grain.YEAR))
        yield Mention(found.start(), found.end(), TimeKind.PERIOD, period)
    for pattern, kind in _SIMPLE:
        yield from (Mention(found.start(), found.end(), kind) for found in pattern.finditer(low))


_BY = re.compile(
    r"\b(?:(?:split |broken |break |grouped |group )?(?:down )?by|per|for each|for every|in each|each|every|over the"
    rf"|across the|across) (?:calendar )?(?P<u>{_UNIT})s?\b"
)
_ADVERB = re.compile(rf"\b(?:on an? )?(?P<a>{'|'.join(_ADVERBS)})(?: basis)?\b")
_BY_BY = re.compile(rf"\b(?P<u>{_UNIT})[- ]by[- ](?P=u)\b")
_OVER = re.compile(rf"\b(?P<u>day|week|month|quarter)[- ](?:over|on|to)[- ](?P=u)\b|\b(?P<s>{'|'.join(_SHORT)})\b")
_BARE = re.compile(rf"\b(?P<u>{_UNIT})s?\b")


def _grains(low: str) -> Iterator[Mention]:
    makers: tuple[tuple[re.Pattern[str], TimeKind, Callable[[re.Match[str]], Grain]], ...] = (
        (_BY, TimeKind.GRAIN, lambda found: Grain(found["u"])),
        (_BY_BY, TimeKind.GRAIN, lambda found: Grain(found["u"])),
        (_ADVERB, TimeKind.GRAIN, lambda found: _ADVERBS[found["a"]]),
        (_OVER, TimeKind.GROWTH, lambda found: Grain(found["u"]) if found["u"] else _SHORT[found["s"]]),
        (_BARE, TimeKind.UNIT, lambda found: Grain(found["u"])),
    )
    for pattern, kind, grain in makers:
        yield from (Mention(one.start(), one.end(), kind, grain=grain(one)) for one in pattern.finditer(low))
