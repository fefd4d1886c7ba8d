"""The files of one identifier, as callers see them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from afield_sandbox.adapter.errors import NotFoundError, TooLargeError
from afield_sandbox.errors import BadSubmissionError
from afield_sandbox.model import MIB, File

SHOWN: Final = "/mnt/data"
MOST_BYTES: Final = 64 * MIB
MOST_FILES: Final = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """A file."""

    name: str
    content: bytes
    modified_at: datetime


class Folder:
    """Files by name, bounded in number and bytes. `changes` are those that the session has not seen yet."""

    def __init__(self) -> None:
        self._files: dict[str, Stored] = {}
        self._put: set[str] = set()
        self._removed: set[str] = set()
        self.size = 0

    def __iter__(self) -> Iterator[Stored]:
        return iter(sorted(self._files.values(), key=lambda file: file.name))

    def __len__(self) -> int:
        return len(self._files)

    def get(self, name: str) -> Stored:
        """A file by its name. Raises NotFoundError."""
        try:
            return self._files[clean_name(name)]
        except (KeyError, BadSubmissionError):
            raise NotFoundError("There is no such file.", code="no_such_file", hint="See GET /files.") from None

    def upload(self, name: str, content: bytes, now: datetime) -> Stored:
        """A file from a caller. Raises TooLargeError when there is no room, BadSubmissionError for a bad name."""
        name = clean_name(name)
        if not self.fits(name, content):
            hint = f"At most {MOST_FILES} files and {MOST_BYTES} bytes in all."
            raise TooLargeError("There is no room for this file.", hint=hint)
        self._put.add(name)
        self._removed.discard(name)
        return self._set(name, content, now)

    def delete(self, name: str) -> None:
        """Remove a file. Raises NotFoundError."""
        found = self.get(name)
        self._drop(found.name)
        self._put.discard(found.name)
        self._removed.add(found.name)

    def learn(self, changed: dict[str, bytes], gone: list[str], now: datetime) -> None:
        """What an execution changed. What there is no room for is not kept."""
        for name in gone:
            self._drop(name)
        for name, content in changed.items():
            if self.fits(name, content):
                self._set(name, content, now)
            else:
                self._drop(name)

    def changes(self, *, all_: bool) -> tuple[dict[str, bytes], list[str]]:
        """What to write and what to remove in the session; for a new session that is everything."""
        names = self._files.keys() if all_ else self._put
        put = {name: self._files[name].content for name in names}
        removed = sorted(self._removed)
        self._put, self._removed = set(), set()
        return put, removed

    def fits(self, name: str, content: bytes) -> bool:
        """Whether there is room."""
        old = self._files.get(name)
        size = self.size + len(content) - (len(old.content) if old else 0)
        return size <= MOST_BYTES and (old is not None or len(self._files) < MOST_FILES)

    def _set(self, name: str, content: bytes, now: datetime) -> Stored:
        self._drop(name)
        self._files[name] = Stored(name, content, now)
        self.size += len(content)
        return self._files[name]

    def _drop(self, name: str) -> None:
        old = self._files.pop(name, None)
        self.size -= len(old.content) if old else 0


def clean_name(name: str) -> str:
    """A name below the folder: `/mnt/data/a.txt` is `a.txt`. Raises BadSubmissionError for one that leads elsewhere."""
    name = name.removeprefix(f"{SHOWN}/")
    File(name, b"")
    return str(PurePosixPath(name))
