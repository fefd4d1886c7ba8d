"""What survives a restart: an append-only file of puts and deletes, one JSON object a line.

A line is handed to the operating system before the change is answered, so killing the process
loses nothing that was answered. A last line cut short by a crash is ignored when reading.
"""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson

Record = dict[str, Any]
Contents = dict[str, dict[str, Record]]


class Journal(Protocol):
    """A durable map of (kind, key) to a JSON object."""

    def load(self) -> Contents:
        """Everything kept, by kind and key, in the order it was first put."""

    def put(self, kind: str, key: str, value: object) -> None:
        """Keep `value`, anything orjson can write as an object, under (kind, key)."""

    def delete(self, kind: str, key: str) -> None:
        """Forget (kind, key)."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Let go of the file."""


class NoJournal:
    """Keeps nothing: for a simulator that lives in memory only."""

    def load(self) -> Contents:
        """Nothing."""
        return {}

    def put(self, kind: str, key: str, value: object) -> None:
        """Do nothing."""

    def delete(self, kind: str, key: str) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FileJournal:
    """A journal in one file of `folder`, which it locks against a second simulator.

    Raises BlockingIOError when another live simulator holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "journal.jsonl"
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file = self._open()

    def load(self) -> Contents:
        """Read the file, then rewrite it without what is outdated."""
        contents = _replay(self._path.read_bytes())
        self._rewrite(contents)
        return contents

    def put(self, kind: str, key: str, value: object) -> None:
        """Append one put."""
        self._append(_line(kind, key, value))

    def delete(self, kind: str, key: str) -> None:
        """Append one delete."""
        self._append(orjson.dumps({"k": kind, "i": key}) + b"\n")

    def clear(self) -> None:
        """Start over with an empty file."""
        self._rewrite({})

    def close(self) -> None:
        """Close the file and unlock the folder."""
        os.close(self._file)
        os.close(self._lock)

    def _open(self) -> int:
        return os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def _append(self, line: bytes) -> None:
        written = os.write(self._file, line)
        while written < len(line):
            written += os.write(self._file, line[written:])

    def _rewrite(self, contents: Contents) -> None:
        fresh = self._path.with_suffix(".new")
        lines = [_line(kind, key, value) for kind, items in contents.items() for key, value in items.items()]
        fresh.write_bytes(b"".join(lines))
        os.close(self._file)
        fresh.replace(self._path)
        self._file = self._open()


def _line(kind: str, key: str, value: object) -> bytes:
    return orjson.dumps({"k": kind, "i": key, "v": value}) + b"\n"


def _replay(data: bytes) -> Contents:
    contents: Contents = {}
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        _apply(contents, orjson.loads(line))
    return contents


def _apply(contents: Contents, entry: Mapping[str, Any]) -> None:
    items = contents.setdefault(entry["k"], {})
    if "v" in entry:
        items[entry["i"]] = entry["v"]
    else:
        items.pop(entry["i"], None)
