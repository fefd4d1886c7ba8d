"""Joining CSV parts: equal to the naive way, whatever the pieces."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.amc.csv_join import BadPartError, CsvJoin, Unpack

fields = st.text(alphabet='ab,"\n\r é', max_size=6)
tables = st.integers(1, 3).flatmap(
    lambda width: st.tuples(
        st.lists(fields, min_size=width, max_size=width),
        st.lists(st.lists(st.lists(fields, min_size=width, max_size=width), max_size=5), min_size=1, max_size=4),
    )
)


def written(rows: Iterable[list[str]], line_end: str, *, closed: bool) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    text = out.getvalue()
    return (text if closed else text.removesuffix(line_end)).encode()


def joined(parts: Iterable[Iterable[bytes]]) -> tuple[CsvJoin, bytes]:
    join, out = CsvJoin(), bytearray()
    for part in parts:
        join.begin()
        unpack = Unpack()
        for piece in part:
            for plain in unpack.feed(piece):
                out += join.feed(plain)
        out += join.feed(unpack.end())
        out += join.end()
    return join, bytes(out)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 9))
def test_the_join_equals_the_naive_join(
    table: tuple[list[str], list[list[list[str]]]], line_end: str, closed: bool, bom: bool, zipped: bool, size: int
) -> None:
    header, parts = table
    files = [written([header, *rows], line_end, closed=closed) for rows in parts]
    files = [b"\xef\xbb\xbf" * bom + file for file in files]
    files = [gzip.compress(file, mtime=0) if zipped else file for file in files]
    join, out = joined(pieces(file, size) for file in files)
    naive = [row for rows in parts for row in rows]
    assert list(csv.reader(io.StringIO(out.decode(), newline=""))) == [header, *naive]
    assert (join.columns, join.rows) == (tuple(header), len(naive))


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"\xef\xbb\xbfa,b\r\n"])
def test_a_header_alone_is_no_row(content: bytes) -> None:
    join, _ = joined([[content], [content]])
    assert (join.columns, join.rows) == (("a", "b"), 0)


def test_nothing_at_all_is_no_column() -> None:
    join, out = joined([[], [b""]])
    assert (join.columns, join.rows, out) == (None, 0, b"")


def test_unquoted_rows_and_empty_values_count() -> None:
    join, out = joined([[b"a\n1\n\n3\n"], [b"a\n4"], [b"a\n5\n"]])
    assert (join.rows, out) == (5, b"a\n1\n\n3\n4\n5\n")


def test_parts_must_agree() -> None:
    with pytest.raises(BadPartError, match="different headers") as caught:
        joined([[b"a,b\n1,2\n"], [b"b,a\n1,2\n"]])
    assert not caught.value.agrees


@pytest.mark.parametrize(
    "content",
    [
        b'a\n"never closed\n',
        gzip.compress(b"a\n1\n", mtime=0)[:-9],  # without a time, so that the test's name is always the same
        b"\x1f\x8bnonsense",
        b'"a\n',
        b"a,\xff\n",
        b"x" * 2_000_000,
    ],
)
def test_a_part_that_is_cut_or_broken_is_noticed(content: bytes) -> None:
    with pytest.raises(BadPartError):
        joined([[content]])


def test_gzip_files_strung_together() -> None:
    join, out = joined([[gzip.compress(b"a\n1\n", mtime=0) + gzip.compress(b"2\n") + b"\0\0"]])
    assert (join.rows, out) == (2, b"a\n1\n2\n")


def test_a_small_part_cannot_fill_the_memory() -> None:
    bomb = gzip.compress(b"a\n" + b"0" * 50_000_000, mtime=0)
    assert max(len(piece) for piece in Unpack().feed(bomb)) <= 1 << 18
