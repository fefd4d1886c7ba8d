"""A dataset's Parquet files, read as the model says: the SELECT that gives each column its type, by DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb

from afield.provisioning.datamodel import Column, ColumnType, DataModel, Table
from afield.provisioning.dataset import Dataset, TableFile
from afield.provisioning.warehouse.base import LoadError

TYPES = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DECIMAL: "DECIMAL(18, 2)",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.TEXT: "VARCHAR",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
_AGAIN = "Make the data again from its model."


def typed_select(table: Table, zoned: frozenset[str], *, stamp: str = "TIMESTAMP") -> str:
    """The rows of a Parquet file (a parameter) with the model's columns and types. `zoned`: those with a time zone."""
    columns = [_typed(column, column.name in zoned, stamp) for column in table.columns]
    return f"SELECT {', '.join(columns)} FROM read_parquet(?)"  # noqa: S608 - names are of the model, and quoted


def zoned_columns(connection: duckdb.DuckDBPyConnection, table: Table, file: Path) -> frozenset[str]:
    """The file's columns that are time stamps with a zone. LoadError: the file does not have the table's columns."""
    try:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    except duckdb.Error as error:
        raise LoadError(f"The file of {table.name} cannot be read: {first_line(error)}", hint=_AGAIN) from None
    found = {str(row[0]): str(row[1]) for row in described}
    missing = [column.name for column in table.columns if column.name not in found]
    if missing:
        raise LoadError(f"The file of {table.name} lacks {', '.join(missing)}.", hint=_AGAIN)
    return frozenset(name for name, kind in found.items() if kind == "TIMESTAMP WITH TIME ZONE")


def files_of(model: DataModel, dataset: Dataset, folder: Path) -> list[tuple[Table, TableFile, Path]]:
    """Each table with its file. LoadError: a table has none, or it is not there."""
    files = {one.table: one for one in dataset.files}
    for table in model.tables:
        if table.name not in files:
            raise LoadError(f"There is no file for table {table.name}.", hint=_AGAIN)
        if not (folder / files[table.name].file).is_file():
            raise LoadError(f"The file of {table.name} is not there: {files[table.name].file}.", hint=_AGAIN)
    return [(table, files[table.name], folder / files[table.name].file) for table in model.tables]


def check_rows(table: Table, expected: TableFile, rows: int, keys: int) -> None:
    """LoadError: rows are missing, or the primary key does not tell them apart. `keys`: how many different ones."""
    if rows != expected.rows:
        raise LoadError(f"{table.name} has {rows:,} rows and should have {expected.rows:,}.", hint=_AGAIN)
    if keys != rows:
        raise LoadError(
            f"The primary key {table.primary_key} of {table.name} is missing or doubled in {rows - keys:,} rows.",
            hint=_AGAIN,
        )


def first_line(error: BaseException) -> str:
    """The beginning of a library's message."""
    return str(error).partition("\n")[0][:300]


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _typed(column: Column, has_zone: bool, stamp: str) -> str:
    name = quoted(column.name)
    if column.type is not ColumnType.TIMESTAMP:
        return f"CAST({name} AS {TYPES[column.type]}) AS {name}"
    plain = f"{name} AT TIME ZONE 'UTC'" if has_zone else f"CAST({name} AS TIMESTAMP)"
    return f"{plain} AS {name}" if stamp == "TIMESTAMP" else f"({plain}) AT TIME ZONE 'UTC' AS {name}"
