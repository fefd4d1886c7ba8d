"""A query's result as JSON lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

_MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave: how many rows it returned or changed, and those that are kept."""

    rows: int
    columns: tuple[str, ...] = ()
    lines: str = ""
    kept: int = 0


def result_of(rows: Sequence[Sequence[object]], columns: Iterable[str], most: int) -> Result:
    """The first `most` rows, or fewer when they are large."""
    names = distinct(columns)
    lines: list[bytes] = []
    size = 0
    for row in rows[:most]:
        line = orjson.dumps(dict(zip(names, row, strict=True)), default=_text, option=orjson.OPT_NON_STR_KEYS)
        size += len(line) + 1
        if size > _MOST_BYTES:
            break
        lines.append(line + b"\n")
    return Result(len(rows), names, b"".join(lines).decode(), len(lines))


def distinct(columns: Iterable[str]) -> tuple[str, ...]:
    """Names as keys of an object: one that comes again gets a number."""
    names: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in names:
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return tuple(names)


def _text(value: object) -> str:
    """What JSON has no word for: decimals, intervals, ranges, bytes (in hex)."""
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
