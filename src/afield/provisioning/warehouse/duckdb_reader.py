"""Reading a dataset's DuckDB file behind fences: no writing, no files, no settings, so much memory. It blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import duckdb

from afield.provisioning.warehouse.base import DatasetMissingError

Connection = duckdb.DuckDBPyConnection
_OFF = (
    "enable_external_access",
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "python_enable_replacements",  # a variable of ours is no table
)


@dataclass(slots=True)
class _Open:
    """A file held open: which one it is, and how many queries read it now."""

    connection: Connection
    tables: tuple[str, ...]
    identity: tuple[int, int]
    readers: int = 0


class DuckDBReaders:
    """Files held open for reading, as many as `kept`. A file that was replaced is opened anew once nobody reads it."""

    def __init__(self, *, memory: str, threads: int, kept: int) -> None:
        self._config: dict[str, str | bool | int | float | list[str]] = {
            **dict.fromkeys(_OFF, False),
            "lock_configuration": True,
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": "",
        }
        self._kept = kept
        self._open: dict[Path, _Open] = {}
        self._lock = Lock()

    @contextmanager
    def reading(self, file: Path) -> Iterator[tuple[Connection, tuple[str, ...]]]:
        """A connection of one's own to a file, and the names of its tables. DatasetMissingError."""
        with self._lock:
            entry = self._entry(file)
            entry.readers += 1
        try:
            with entry.connection.cursor() as cursor:
                yield cursor, entry.tables
        finally:
            with self._lock:
                entry.readers -= 1

    def forget(self, file: Path) -> None:
        """Let go of a file; who reads it may finish."""
        with self._lock:
            entry = self._open.pop(file, None)
            if entry:
                entry.connection.close()

    def close(self) -> None:
        """Let go of all."""
        for file in list(self._open):
            self.forget(file)

    def _entry(self, file: Path) -> _Open:
        identity = _identity(file)
        entry = self._open.pop(file, None)
        if entry and entry.identity != identity and not entry.readers:
            entry.connection.close()
            entry = None
        self._open[file] = entry or self._opened(file, identity)  # the last used is the last in the order
        self._shrink()
        return self._open[file]

    def _opened(self, file: Path, identity: tuple[int, int]) -> _Open:
        connection = duckdb.connect(str(file), read_only=True, config=self._config)
        names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()
        return _Open(connection, tuple(str(row[0]) for row in names), identity)

    def _shrink(self) -> None:
        idle = [file for file, entry in self._open.items() if not entry.readers][:-1]
        for file in idle[: max(0, len(self._open) - self._kept)]:
            self._open.pop(file).connection.close()


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        raise DatasetMissingError(
            f"There is no dataset {file.stem}.", hint="Provision it, or ask for another."
        ) from None
    return found.st_ino, found.st_mtime_ns
