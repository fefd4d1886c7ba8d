"""Joining the parts of a CSV output under one header, piece by piece, without ever holding a part."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_MAX_HEADER = 1 << 20
_PIECE = 1 << 18  # the most that is unpacked at once, so that a small part cannot fill the memory


class BadPartError(ValueError):
    """A part is not what it should be. `agrees` is False when the parts contradict each other."""

    def __init__(self, text: str, *, agrees: bool = True) -> None:
        super().__init__(text)
        self.agrees = agrees


class CsvJoin:
    """Takes the parts in order, each in pieces: `begin`, `feed` ..., `end`, and again. Counts rows on the way.

    A quoted field may hold line ends. A line end outside quotes ends a row, as does the end of a part.
    """

    def __init__(self) -> None:
        self.columns: tuple[str, ...] | None = None
        self.rows = 0
        self._header = bytearray()
        self._in_header = True
        self._quoted = False
        self._row_open = False  # something of a row was seen since the last line end
        self._glue = False  # the part before did not end with a line end

    def begin(self) -> None:
        """The next part starts; its header comes first."""
        self._header.clear()
        self._in_header = True

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the part; returns what belongs into the joined output. Raises BadPartError."""
        if not self._in_header:
            return self._count(data)
        start = len(self._header)
        self._header += data
        end = self._header_end(data, start)
        if end is None:
            if len(self._header) > _MAX_HEADER:
                raise BadPartError("the header does not end")
            return b""
        header, rest = bytes(self._header[:end]), bytes(self._header[end:])
        return self._accept_header(header) + self._count(rest)

    def end(self) -> bytes:
        """The part is over; returns what is left of it. Raises BadPartError when it was cut short."""
        if self._quoted:
            raise BadPartError("the part ends inside a quoted field")
        if self._in_header:
            return self._accept_header(bytes(self._header)) if self._header else b""
        if self._row_open:
            self.rows += 1
            self._row_open, self._glue = False, True
        return b""

    def _header_end(self, data: bytes, start: int) -> int | None:
        """Where the header ends within what was gathered, if it does."""
        for index, segment in enumerate(data.split(b'"')):
            if index:
                self._quoted = not self._quoted
            at = -1 if self._quoted else segment.find(b"\n")
            if at >= 0:
                return start + at + 1
            start += len(segment) + 1
        return None

    def _accept_header(self, header: bytes) -> bytes:
        self._in_header = False
        header = header.removeprefix(_BOM)
        columns = _parse_line(header)
        if self.columns is None:
            self.columns = columns
            self._glue = not header.endswith(b"\n")
            return header
        if columns != self.columns:
            raise BadPartError("the parts have different headers", agrees=False)
        return b""

    def _count(self, data: bytes) -> bytes:
        if not data:
            return b""
        segments = data.split(b'"')
        outside = segments[1 if self._quoted else 0 :: 2]
        self.rows += sum(segment.count(b"\n") for segment in outside)
        if len(segments) % 2 == 0:
            self._quoted = not self._quoted
        self._row_open = self._quoted or not data.endswith(b"\n")
        glue, self._glue = self._glue, False
        return b"\n" + data if glue else data


def _parse_line(header: bytes) -> tuple[str, ...]:
    try:
        text = header.decode("utf-8").rstrip("\r\n")
        return tuple(next(csv.reader([text], strict=True), ()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadPartError(f"the header is not readable ({error})") from error


class Unpack:
    """Takes the raw pieces of one part; gives them out unpacked if the part is gzip, else as they are."""

    def __init__(self) -> None:
        self._start = b""
        self._unzip: zlib._Decompress | None = None
        self._plain = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises BadPartError for broken gzip."""
        if self._plain:
            yield data
            return
        if self._unzip is None:
            data = self._start + data
            if len(data) < len(_GZIP) and _GZIP.startswith(data):
                self._start = data
                return
            self._start = b""
            if not data.startswith(_GZIP):
                self._plain = True
                yield data
                return
            self._unzip = _gunzip()
        yield from self._unpack(data)

    def end(self) -> bytes:
        """What was held back. Raises BadPartError when the gzip is cut short."""
        if self._unzip is None:
            return self._start
        if not self._unzip.eof:
            raise BadPartError("the gzip ends too early")
        return self._unzip.flush()

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        assert self._unzip is not None
        while data:
            try:
                yield self._unzip.decompress(data, _PIECE)
            except zlib.error as error:
                raise BadPartError(f"the gzip is broken ({error})") from error
            data = self._unzip.unconsumed_tail
            if self._unzip.eof and not data:
                data = self._unzip.unused_data.lstrip(b"\0")  # files may be padded
                if data:  # gzip files may be strung together
                    self._unzip = _gunzip()


def _gunzip() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)
