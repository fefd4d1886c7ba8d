"""Collecting a stream up to a cap, in pieces that never end in the middle of a UTF-8 character. Pure."""

from __future__ import annotations


class Collector:
    """One stream's bytes. What does not fit is dropped and `overflowed` is set. Without a cap pieces are passed on and
    none is kept.
    """

    def __init__(self, cap: int | None) -> None:
        self._cap = cap
        self._kept = bytearray()
        self._held = b""
        self.overflowed = False

    def feed(self, data: bytes) -> bytes:
        """Take more; the piece that can be passed on: whole characters, as far as there are such."""
        if self.overflowed:
            return b""
        if self._cap is not None:
            room = self._cap - len(self._kept) - len(self._held)
            self.overflowed = len(data) > room
            data = data[:room]
        data = self._held + data
        whole = whole_characters(data)
        self._held = b"" if self.overflowed else data[whole:]
        return self._keep(data[:whole])

    def _keep(self, piece: bytes) -> bytes:
        if self._cap is not None:
            self._kept += piece
        return piece

    def end(self) -> bytes:
        """No more will come: what was held back, an incomplete character."""
        rest, self._held = self._held, b""
        return self._keep(rest)

    @property
    def content(self) -> bytes:
        return bytes(self._kept)


def whole_characters(data: bytes) -> int:
    """How many bytes come before an unfinished UTF-8 character at the end. What is not UTF-8 at all counts as whole."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            return len(data) - back if _length(byte) > back else len(data)
    return len(data)


def _length(first: int) -> int:
    """How long a character is that starts so; 1 for what starts none."""
    if first >= 0xF8:
        return 1
    return 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC2 else 1
