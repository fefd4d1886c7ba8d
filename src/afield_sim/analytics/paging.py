"""Pages of a listing. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import invalid

DEFAULT_SIZE, MOST = 50, 100


def page_of(entries: Sequence[Any], query: Mapping[str, str]) -> tuple[Sequence[Any], str]:
    """The page that is asked for, and the token of the next one; empty: there is none. Raises GoogleError."""
    size = _number(query, "pageSize")
    start = _number(query, "pageToken")
    size = min(size or DEFAULT_SIZE, MOST)
    return entries[start : start + size], str(start + size) if start + size < len(entries) else ""


def _number(query: Mapping[str, str], name: str) -> int:
    given = query.get(name) or "0"
    if not given.isdigit():
        raise invalid(f"Invalid value for {name}: {given!r}.")
    return int(given)
