"""How people put things: months, plurals, numbers, in plain English. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from afield.provisioning.query import Period

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
"""Not by strftime, which speaks the machine's language."""
_ODD = {"man": "men", "person": "people", "child": "children"}


def year(number: int) -> Period:
    """A whole year."""
    return Period(start=date(number, 1, 1), end=date(number + 1, 1, 1))


def month(day: date) -> Period:
    """The month a day is in."""
    start = day.replace(day=1)
    return Period(start=start, end=(start + timedelta(32)).replace(day=1))


def month_before(period: Period) -> Period:
    """The month before a month."""
    return month(period.start - timedelta(days=1))


def quarter(day: date) -> Period:
    """The quarter a day is in."""
    start = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return Period(start=start, end=(start + timedelta(95)).replace(day=1))


def named_month(period: Period) -> str:
    """`March 2026`."""
    return f"{_MONTHS[period.start.month - 1]} {period.start.year}"


def named_quarter(period: Period) -> str:
    """`Q2 2026`."""
    return f"Q{(period.start.month - 1) // 3 + 1} {period.start.year}"


def named_day(day: date) -> str:
    """`4 March 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def between(period: Period) -> str:
    """`between 4 March 2026 and 28 April 2026`, both days included."""
    return f"between {named_day(period.start)} and {named_day(period.end - timedelta(days=1))}"


def low(label: str) -> str:
    """A label in the middle of a sentence; abbreviations stay as they are."""
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in label.split())


def plural(label: str) -> str:
    """`stores`, `categories`, `lines of business`."""
    head, of, rest = low(label).partition(" of ")
    *before, word = head.split()
    return " ".join([*before, _plural(word)]) + of + rest


def _plural(word: str) -> str:
    if word in _ODD:
        return _ODD[word]
    if word.endswith("s") and not word.endswith(("ss", "us")):
        return word
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"
