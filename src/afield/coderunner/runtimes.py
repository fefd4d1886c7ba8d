"""The languages of a pool, and which one a caller means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from afield.errors import InvalidInputError

_PART = re.compile(r"(?P<sign>\^|~|>=|<=|>|<|=)?\s*v?(?P<numbers>(?:\d{1,9}|[xX*])(?:\.(?:\d{1,9}|[xX*])){0,2})")
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
_MOST_TEXT = 64

Numbers: TypeAlias = tuple[int, int, int]
Span: TypeAlias = tuple[Numbers, Numbers]
"""From, and up to but without."""

_ZERO: Numbers = (0, 0, 0)
_END: Numbers = (10**9, 0, 0)


class UnknownRuntimeError(InvalidInputError):
    """The pool has no such language, or not in such a version."""

    code = "unknown_runtime"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language that a pool runs."""

    language: str
    version: str
    aliases: tuple[str, ...] = ()


def choose(runtimes: Iterable[Runtime], language: str, version: str = "*") -> Runtime:
    """The newest runtime of this name or alias whose version is in the semver range. Raises UnknownRuntimeError."""
    known = list(runtimes)
    wanted = language.lower()
    named = [one for one in known if wanted == one.language.lower() or wanted in map(str.lower, one.aliases)]
    if not named:
        names = ", ".join(sorted({one.language for one in known})) or "none"
        raise UnknownRuntimeError(f"The pool runs no language {language[:64]!r}.", hint=f"It has: {names}.")
    spans = spans_of(version)
    fitting = [one for one in named if any(low <= numbers_of(one.version) < high for low, high in spans)]
    if not fitting:
        there = ", ".join(f"{one.language} {one.version}" for one in named)
        raise UnknownRuntimeError(f"The pool has no {language[:64]} {version[:64]!r}.", hint=f"It has: {there}.")
    return max(fitting, key=lambda one: numbers_of(one.version))


@lru_cache(maxsize=256)
def numbers_of(version: str) -> Numbers:
    """Its first three numbers; what follows does not count."""
    found = [int(part) for part in re.findall(r"\d{1,9}", version)[:3]]
    major, minor, patch = [*found, 0, 0, 0][:3]
    return major, minor, patch


@lru_cache(maxsize=256)
def spans_of(text: str) -> Sequence[Span]:
    """What a semver range covers (`*`, `3.x`, `^3.10 || 2.7`, `>=3.8 <3.13`, `3.8 - 3.12`); empty for what is none."""
    if len(text) > _MOST_TEXT:
        return ()
    found = [_alternative(part) for part in text.split("||")]
    return () if None in found else tuple(span for span in found if span is not None)


def _alternative(text: str) -> Span | None:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen is not None:
        first, last = _alternative(hyphen[1]), _alternative(hyphen[2])
        return None if first is None or last is None else (first[0], last[1])
    low, high, place = _ZERO, _END, 0
    text = text.strip()
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        place = part.end()
        while place < len(text) and text[place] == " ":
            place += 1
        start, end = _comparator(part["sign"] or "", part["numbers"])
        low, high = max(low, start), min(high, end)
    return low, high


def _comparator(sign: str, text: str) -> Span:
    """What one part of a range covers."""
    given = [int(part) for part in _leading(text.split("."))]
    major, minor, patch = [*given, 0, 0, 0][:3]
    first = (major, minor, patch)
    after = _next(given, len(given))
    leading = next((n for n, number in enumerate(given, 1) if number), len(given))
    spans: Mapping[str, Span] = {
        "^": (first, _next(given, leading)),
        "~": (first, _next(given, min(len(given), 2))),
        ">=": (first, _END),
        ">": (after, _END),
        "<": (_ZERO, first),
        "<=": (_ZERO, after),
    }
    return spans.get(sign, (first, after))


def _leading(parts: Sequence[str]) -> list[str]:
    wild = next((n for n, part in enumerate(parts) if not part.isdigit()), len(parts))
    return list(parts[:wild])


def _next(given: Sequence[int], places: int) -> Numbers:
    """The first version that does not begin with the first so many of these numbers."""
    if not places:
        return _END
    major, minor, patch = ([*given[: places - 1], given[places - 1] + 1, 0, 0])[:3]
    return major, minor, patch
