"""One query of a DuckDB file, which can be stopped from outside. It blocks: for threads."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import duckdb

from afield.provisioning.warehouse.base import Limits, QueryFailedError, QueryLimitError, Result
from afield.provisioning.warehouse.cells import plain
from afield.provisioning.warehouse.duckdb_reader import Connection, DuckDBReaders
from afield.provisioning.warehouse.files import first_line
from afield.provisioning.warehouse.guard import guarded

SMALLER = "Ask for less: a shorter period, fewer breakdowns."


class Asked:
    """A statement for a file. `answer` runs in one thread; `stop` may be called from another, also too early."""

    def __init__(self, readers: DuckDBReaders, file: Path, sql: str, limits: Limits) -> None:
        self._readers = readers
        self._file = file
        self._sql = sql
        self._limits = limits
        self._running: Connection | None = None
        self._lock = Lock()

    def answer(self) -> Result:
        """The rows. RefusedSqlError, QueryLimitError, QueryFailedError, DatasetMissingError."""
        with self._readers.reading(self._file) as (cursor, tables):
            sql = guarded(self._sql, tables, "duckdb").sql(dialect="duckdb", comments=False)
            self._hold(cursor)
            try:
                return self._fetch(cursor, sql)
            except duckdb.InterruptException:
                raise too_slow(self._limits) from None
            except duckdb.OutOfMemoryException:
                raise QueryLimitError("The query needs more memory than it may have.", hint=SMALLER) from None
            except duckdb.Error as error:
                message = f"The query could not be computed: {first_line(error)}"
                raise QueryFailedError(message, hint="Ask in another way.") from None
            finally:
                self._hold(None)

    def stop(self) -> None:
        """Interrupt what runs at this moment, if anything does."""
        with self._lock:
            if self._running:
                self._running.interrupt()

    def _fetch(self, cursor: Connection, sql: str) -> Result:
        cursor.execute(sql)
        columns = tuple(str(one[0]) for one in cursor.description or ())
        rows = cursor.fetchmany(self._limits.rows + 1)
        kept = tuple(tuple(plain(cell) for cell in row) for row in rows[: self._limits.rows])
        return Result(columns=columns, rows=kept, truncated=len(rows) > len(kept))

    def _hold(self, cursor: Connection | None) -> None:
        with self._lock:
            self._running = cursor


def too_slow(limits: Limits) -> QueryLimitError:
    """It took longer than it may."""
    return QueryLimitError(f"The query was stopped: it took longer than {limits.seconds:g} s.", hint=SMALLER)
