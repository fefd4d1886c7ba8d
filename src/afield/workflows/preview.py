"""The first rows of a CSV that comes in pieces."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Preview:
    """Columns and first rows; `whole` when there are no more."""

    columns: list[str]
    rows: list[list[str]]
    whole: bool


async def read_preview(pieces: AsyncIterator[bytes], most_rows: int) -> Preview:
    """Read as much as is needed for `most_rows` rows, a quarter of a megabyte at most."""
    data, at_end = bytearray(), False
    while len(data) < _MOST_BYTES and not at_end:
        piece = await anext(pieces, None)
        data += piece or b""
        at_end = piece is None
    return parse_preview(bytes(data), most_rows, at_end=at_end)


def parse_preview(data: bytes, most_rows: int, *, at_end: bool) -> Preview:
    """The rows in the head of a CSV. Unless it is all of it, the last line may be cut and is left out."""
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode(data, final=at_end)
    records, intact = _records(text)
    if intact and not at_end:
        records = records[:-1]
    columns, rows = (records[0], records[1:]) if records else ([], [])
    return Preview(columns, rows[:most_rows], whole=at_end and intact and len(rows) <= most_rows)


def _records(text: str) -> tuple[list[list[str]], bool]:
    """All records that can be read, and whether that is all of the text: a field beyond the parser's limit ends the
    preview, not the request."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline="")):
            if record:
                records.append(record)
    except csv.Error:
        return records, False
    return records, True
