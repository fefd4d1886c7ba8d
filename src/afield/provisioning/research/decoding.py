"""From bytes to text: unpacking that cannot explode, and encodings that are not what they are said to be. Pure."""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass

_PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
ACCEPTED = "gzip, deflate"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_HEAD = 4096
# Encodings whose bytes are also valid UTF-8 although they mean something else: what is declared decides.
_ESCAPING = ("utf-16", "utf-32", "iso2022", "hz")
_LAST = "windows-1252"  # what browsers fall back to


class UnknownPackingError(ValueError):
    """A content encoding that was not asked for, or bytes that are not in it."""


class TooMuchError(ValueError):
    """More than was allowed."""


class Unpacker:
    """Takes pieces of a body as they come and unpacks at most `most` bytes in all."""

    def __init__(self, packing: str, most: int) -> None:
        self._most, self._size = most, 0
        self._pieces: list[bytes] = []
        name = packing.strip().lower()
        if name not in {"", "identity", *_PACKED}:
            raise UnknownPackingError(f"the page is packed as {name[:40]}, which was not asked for")
        self._inflate = zlib.decompressobj(_PACKED[name]) if name in _PACKED else None
        self._undecided = b"" if name == "deflate" else None

    def feed(self, piece: bytes) -> int:
        """How many bytes it gave. Raises TooMuchError before more than allowed is unpacked, UnknownPackingError for
        broken bytes."""
        plain = piece if self._inflate is None else self._unpacked(piece)
        self._size += len(plain)
        if self._size > self._most or (self._inflate is not None and self._inflate.unconsumed_tail):
            raise TooMuchError
        self._pieces.append(plain)
        return len(plain)

    def result(self) -> bytes:
        """All of it. Raises UnknownPackingError if the packed body ended too early."""
        if self._inflate is not None and self._pieces and not self._inflate.eof:
            raise UnknownPackingError("the packed page is not complete")
        return b"".join(self._pieces)

    def _unpacked(self, piece: bytes) -> bytes:
        if self._undecided is not None:
            piece = self._undecided + piece
            if len(piece) < 2:
                self._undecided = piece
                return b""
            self._undecided = None
            if not _zlib_header(piece):
                self._inflate = zlib.decompressobj(-15)
        assert self._inflate is not None
        try:
            return self._inflate.decompress(piece, self._most - self._size + 1)
        except zlib.error as error:
            raise UnknownPackingError("the packed page is broken") from error


def _zlib_header(body: bytes) -> bool:
    """Some servers leave it out of `deflate` (RFC 9110, section 8.4.1.2). Its two bytes divide by 31 (RFC 1950)."""
    return body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the encoding it was read in, and the declared one if that was wrong."""

    text: str
    encoding: str
    wrongly_declared: str = ""


def decode(body: bytes, declared: str | None) -> Decoded:
    """The text of a page. `declared` is the content type's charset; a `meta` element counts where there is none."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return Decoded(body.decode(name, "replace"), name)
    said = _known(declared) or _known_meta(body)
    for name in _candidates(said):
        try:
            text = body.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        ascii_only = text.isascii() and not said.startswith(_ESCAPING)
        return Decoded(text, name, said if said and name != said and not ascii_only else "")
    return Decoded(body.decode(_LAST, "replace"), _LAST, said if said != _LAST else "")


def _candidates(said: str) -> tuple[str, ...]:
    """UTF-8 first: text in another encoding is practically never valid UTF-8 by chance."""
    return (said, "utf-8") if said.startswith(_ESCAPING) else tuple(dict.fromkeys(("utf-8", said or _LAST)))


def _known_meta(body: bytes) -> str:
    found = _META.search(body[:_HEAD])
    name = _known(found[1].decode("ascii")) if found else ""
    return "utf-8" if name.startswith(("utf-16", "utf-32")) else name  # or the element could not have been read


def _known(name: str | None) -> str:
    """A charset's name as Python knows it; as browsers do, ISO-8859-1 and ASCII are read as windows-1252."""
    try:
        found = codecs.lookup((name or "").strip(" \"'").lower())
    except (LookupError, ValueError):
        return ""
    if not getattr(found, "_is_text_encoding", True):
        return ""
    return _LAST if found.name in {"iso8859-1", "ascii", "cp1252"} else found.name
