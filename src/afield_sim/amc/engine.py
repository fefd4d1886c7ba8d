"""The compute behind AMC: one DuckDB database in memory, closed to files and the network."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache

import duckdb

from . import sql
from .model import FAILED, REJECTED, Column, Execution, Parameter
from .privacy import Threshold
from .tables import SCHEMA, TABLES, create_tables

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
    "threads": "2",
    "temp_directory": "",
}
_DATA_TYPES = {
    "VARCHAR": "STRING", "BIGINT": "LONG", "HUGEINT": "LONG", "INTEGER": "INTEGER", "SMALLINT": "SHORT",
    "DOUBLE": "DOUBLE", "FLOAT": "FLOAT", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP",
}  # fmt: skip
_METRICS = frozenset({"LONG", "INTEGER", "SHORT", "DOUBLE", "FLOAT", "DECIMAL"})
_CHUNK = 2_000


class CannotRunError(Exception):
    """An execution that ends without a result: the status it ends with, and why."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Result:
    """Columns and CSV files (each with its own header) of a query."""

    columns: list[Column]
    files: list[bytes]


class Compute:
    """The database; `connect` gives a connection that one thread may use."""

    def __init__(self, seed: int, last_day: date) -> None:
        self._root = duckdb.connect(":memory:", config=_CLOSED)
        create_tables(self._root, seed, last_day)
        self._root.execute("SET lock_configuration = true")
        self.aggregates = frozenset(
            row[0]
            for row in self._root.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
            ).fetchall()
        )
        self.compile = lru_cache(maxsize=512)(self._compile)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own."""
        return self._root.cursor()

    def _compile(self, text: str, parameters: tuple[tuple[str, str], ...]) -> str | None:
        """Why a query cannot run, whatever its parameter values; None when it can."""
        with self.connect() as connection:
            try:
                node = sql.parse(connection, text)
                sql.parameters_used(node)
                typed = {name: (word, _sample(word)) for name, word in parameters}
                _open_window(connection, None)
                _bind(connection, sql.put_values(connection, node, typed))
            except (sql.InvalidSqlError, duckdb.Error) as error:
                return _first_line(error)
        return None


@lru_cache(maxsize=2)
def compute_for(seed: int, last_day: date) -> Compute:
    """The compute with that data; simulators of one process share it, as nothing ever changes it."""
    return Compute(seed, last_day)


def run_query(
    compute: Compute, connection: duckdb.DuckDBPyConnection, execution: Execution, minimum_users: int, rows: int
) -> Result:
    """Run an execution's SQL in its window, under the threshold; files of `rows` rows at most.

    Raises CannotRunError: REJECTED for what cannot be compiled, FAILED for what breaks while running.
    """
    try:
        node = _prepare(connection, execution)
        _open_window(connection, execution)
        safe = execution.disable_aggregation_controls or _threshold(compute, connection, node, minimum_users)
        text = sql.write(connection, node)
        columns = _columns(connection.execute(f"DESCRIBE {text}").fetchall())
    except (sql.InvalidSqlError, sql.MissingParameterError, duckdb.Error) as error:
        raise CannotRunError(REJECTED, _first_line(error)) from None
    try:
        limit = "" if safe else " LIMIT 0"
        connection.execute(f"SELECT * FROM ({text}){limit}")  # noqa: S608 - written from a checked tree
        return Result(columns, list(_files(connection, columns, execution.separator, rows)))
    except duckdb.Error as error:
        raise CannotRunError(FAILED, _first_line(error)) from None


def fixed_result(execution: Execution, *, empty: bool = False) -> Result:
    """The tiny result of an execution whose SQL is not run."""
    columns = [Column("workflow_execution_id", "STRING", "DIMENSION"), Column("rows", "LONG", "METRIC")]
    row = b"" if empty else f"{execution.id}{execution.separator}1\n".encode()
    return Result(columns, [f"workflow_execution_id{execution.separator}rows\n".encode() + row])


def header_only(result: Result) -> Result:
    """The result without its rows."""
    return replace(result, files=[result.files[0].split(b"\n", 1)[0] + b"\n"])


def split_evenly(result: Result, count: int) -> Result:
    """The result in exactly `count` files, each with the header."""
    header = result.files[0].split(b"\n", 1)[0] + b"\n"
    rows = [row for file in result.files for row in file.splitlines(keepends=True)[1:]]
    size = -(-len(rows) // count)
    parts = [rows[index * size : (index + 1) * size] for index in range(count)]
    return replace(result, files=[header + b"".join(part) for part in parts])


def _prepare(connection: duckdb.DuckDBPyConnection, execution: Execution) -> sql.Node:
    node = sql.parse(connection, execution.sql or "")
    used = sql.parameters_used(node)
    values = sql.choose_values(used, execution.parameters, execution.parameter_values)
    return sql.put_values(connection, node, values)


def _open_window(connection: duckdb.DuckDBPyConnection, execution: Execution | None) -> None:
    """Show the connection the tables, and of them only the rows inside the execution's window."""
    condition = "true" if execution is None else _window_condition(execution)
    for name in TABLES:
        connection.execute(
            f"CREATE TEMP VIEW {name} AS SELECT * FROM memory.{SCHEMA}.{name} WHERE {condition}"  # noqa: S608
        )


def _window_condition(execution: Execution) -> str:
    window = execution.window
    if window.zoned or window.start is None or window.end is None:
        return "false"
    low, high = (datetime.fromtimestamp(edge, UTC).replace(tzinfo=None) for edge in (window.start, window.end))
    condition = f"event_dt_utc >= TIMESTAMP '{low}' AND event_dt_utc < TIMESTAMP '{high}'"
    wanted = [entry["id"] for entry in execution.advertisers or [] if str(entry["id"]).isdigit()]
    return f"{condition} AND advertiser_id IN ({', '.join(wanted)})" if wanted else condition


def _threshold(compute: Compute, connection: duckdb.DuckDBPyConnection, node: sql.Node, minimum_users: int) -> bool:
    if minimum_users <= 1:
        return True

    def guard(column: str) -> sql.Node:
        having: sql.Node = sql.parse_condition(connection, f"count(DISTINCT {column}) >= {minimum_users}")
        return having

    def binds(query: sql.Node) -> bool:
        try:
            _bind(connection, query)
        except duckdb.Error:
            return False
        return True

    return Threshold(node, compute.aggregates, guard, binds).apply()


def _bind(connection: duckdb.DuckDBPyConnection, node: sql.Node) -> None:
    connection.execute(f"EXPLAIN {sql.write(connection, node)}").fetchall()


def _columns(described: list[tuple[str, ...]]) -> list[Column]:
    return [_column(row[0], row[1]) for row in described]


def _column(name: str, type_word: str) -> Column:
    base, _, inside = type_word.partition("(")
    if base == "DECIMAL":
        precision, scale = (int(part) for part in inside.rstrip(")").split(","))
        return Column(name, "DECIMAL", "METRIC", precision, scale)
    data_type = _DATA_TYPES.get(base, base)
    is_metric = data_type in _METRICS and not name.endswith("_id")
    return Column(name, data_type, "METRIC" if is_metric else "DIMENSION")


def _files(connection: duckdb.DuckDBPyConnection, columns: list[Column], separator: str, rows: int) -> Iterator[bytes]:
    """The rows as CSV, at most five files: the last takes what is left."""
    buffer, count, done = _start(columns, separator), 0, 0
    while chunk := connection.fetchmany(min(_CHUNK, rows)):
        if count >= rows and done < 4:
            yield buffer.getvalue().encode()
            buffer, count, done = _start(columns, separator), 0, done + 1
        csv.writer(buffer, delimiter=separator, lineterminator="\n").writerows(chunk)
        count += len(chunk)
    yield buffer.getvalue().encode()


def _start(columns: list[Column], separator: str) -> io.StringIO:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\n").writerow([column.name for column in columns])
    return buffer


def _sample(type_word: str) -> object:
    words = {"DATE": "2025-01-01", "TIMESTAMP": "2025-01-01 00:00:00", "TIME": "00:00:00", "BOOLEAN": "true"}
    word = type_word.upper()
    if word.startswith("ARRAY"):
        return [_sample(word.removeprefix("ARRAY").strip("<>() "))]
    return words.get(word, "1")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def typed(parameters: list[Parameter]) -> tuple[tuple[str, str], ...]:
    """Names and type words, as `Compute.compile` takes them."""
    return tuple((parameter.name, parameter.data_type) for parameter in parameters)
