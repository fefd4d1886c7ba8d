"""Durations as people write them: `90`, `"90s"`, `"5m"`, `"1h30m"`. Pure."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

MOST_SECONDS = 7 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(given: object) -> float:
    """The duration in seconds. Raises ValueError for what is none."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    text = str(given).replace(" ", "").lower()
    if not isinstance(given, str) or not _WHOLE.fullmatch(text):
        raise ValueError('a duration is a number of seconds, or a text such as "30s", "5m" or "1h30m"')
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    Field(gt=0, le=MOST_SECONDS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS},
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*[smhdSMHD]\s*)+$"},
            ]
        }
    ),
]
"""More than nothing, a week at most."""
