"""Cells of results as JSON values. Pure.

The service writes plain values as texts; some come as JSON numbers, which are all floats there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from afield.model.jsontypes import JsonValue


def cell(value: JsonValue, kind: str) -> JsonValue:
    """A cell as a value of its BigQuery type; times and what does not fit its type stay as they came."""
    read = _READ.get(kind.upper())
    if read is None or value is None or isinstance(value, dict | list):
        return value
    try:
        return read(str(value))
    except ValueError:
        return value


def shown(value: JsonValue) -> str:
    """A cell for people, where the service wrote none for them."""
    return "" if value is None else str(value)


def _whole(text: str) -> int:
    return int(re.sub(r"\.0+$", "", text))


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)  # JSON has no such number
    return number


def _truth(text: str) -> bool:
    known = {"true": True, "false": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


_READ: Mapping[str, Callable[[str], int | float | bool]] = {
    **dict.fromkeys(("INT64", "INTEGER"), _whole),
    **dict.fromkeys(("FLOAT64", "FLOAT", "NUMERIC", "BIGNUMERIC"), _number),
    **dict.fromkeys(("BOOL", "BOOLEAN"), _truth),
}
