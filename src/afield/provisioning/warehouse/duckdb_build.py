"""A dataset as one DuckDB file: built apart, checked, closed, and only then given its name. It blocks: for threads."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import duckdb

from afield.provisioning.datamodel import DataModel, Table
from afield.provisioning.dataset import Dataset, TableFile
from afield.provisioning.warehouse.base import LoadError
from afield.provisioning.warehouse.files import (
    TYPES,
    check_rows,
    files_of,
    first_line,
    quoted,
    typed_select,
    zoned_columns,
)


def build(model: DataModel, dataset: Dataset, folder: Path, *, home: Path, name: str, memory: str) -> dict[str, int]:
    """Make `home/name.duckdb`; rows by table. LoadError, and then nothing has changed."""
    home.mkdir(parents=True, exist_ok=True)
    remove_unfinished(home, name)
    unfinished = home / f".{name}.{uuid4().hex}.tmp"
    try:
        rows = _fill(unfinished, model, dataset, folder, memory)
        unfinished.replace(file_of(home, name))
    finally:
        remove_unfinished(home, name)
    return rows


def file_of(home: Path, name: str) -> Path:
    """Where a dataset is."""
    return home / f"{name}.duckdb"


def remove_unfinished(home: Path, name: str) -> None:
    """What a build left that was killed."""
    for left in home.glob(f".{name}.*.tmp*"):
        left.unlink(missing_ok=True)


def _fill(file: Path, model: DataModel, dataset: Dataset, folder: Path, memory: str) -> dict[str, int]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(file) + ".d",
    }
    try:
        with duckdb.connect(str(file), config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            files = files_of(model, dataset, folder)
            rows = {table.name: _load(connection, table, expected, path) for table, expected, path in files}
            connection.execute("CHECKPOINT")
            return rows
    except duckdb.Error as error:
        raise LoadError(f"The data could not be loaded: {first_line(error)}", hint="Make it again.") from None


def _load(connection: duckdb.DuckDBPyConnection, table: Table, expected: TableFile, path: Path) -> int:
    name, key = quoted(table.name), quoted(table.primary_key)
    columns = ", ".join(f"{quoted(column.name)} {TYPES[column.type]}" for column in table.columns)
    connection.execute(f"CREATE TABLE {name} ({columns})")
    zoned = zoned_columns(connection, table, path)
    connection.execute(f"INSERT INTO {name} {typed_select(table, zoned)}", [str(path)])
    counted = connection.execute(f"SELECT count(*), count(DISTINCT {key}) FROM {name}").fetchone()  # noqa: S608
    rows, keys = counted or (0, 0)
    check_rows(table, expected, rows, keys)
    _describe(connection, table)
    return int(rows)


def _describe(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"COMMENT ON TABLE {quoted(table.name)} IS {_text(table.description)}")
    for column in table.columns:
        where = f"{quoted(table.name)}.{quoted(column.name)}"
        connection.execute(f"COMMENT ON COLUMN {where} IS {_text(column.description)}")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
