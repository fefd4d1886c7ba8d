"""Tables in memory to Parquet files: exact decimals, row group by row group."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from afield.provisioning.datamodel import Column, ColumnType, Table
from afield.provisioning.dataset import TableFile
from afield.provisioning.digests import digest
from afield.provisioning.making.values import Floats, Made, Serial, Values, Words

DECIMAL = pa.decimal128(18, 2)


def write(table: Table, pieces: Iterable[Made], folder: Path) -> TableFile:
    """Write one table's file. It appears under its name only when it is whole."""
    path = folder / f"{table.name}.parquet"
    part = path.with_suffix(".part")
    rows = 0
    with pq.ParquetWriter(part, schema(table)) as writer:
        for piece in pieces:
            writer.write_table(frame(piece).to_arrow().cast(schema(table)))
            rows += piece.rows
    part.replace(path)
    return TableFile(table=table.name, file=path.name, rows=rows, digest=digest(path))


def frame(made: Made) -> pl.DataFrame:
    """A piece of a table as a data frame, its columns in the model's order."""
    return pl.DataFrame([_series(column, made.columns[column.name]) for column in made.table.columns])


def schema(table: Table) -> pa.Schema:
    """The types of a file's columns; nothing in it is ever missing."""
    types = {
        ColumnType.INTEGER: pa.int64(),
        ColumnType.DECIMAL: DECIMAL,
        ColumnType.FLOAT: pa.float64(),
        ColumnType.TEXT: pa.large_string(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.DATE: pa.date32(),
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([(column.name, types[column.type]) for column in table.columns])


def _series(column: Column, values: Values) -> pl.Series:
    if isinstance(values, Serial):
        return _serial(values).alias(column.name)
    if isinstance(values, Words):
        return pl.Series(column.name, values.values, dtype=pl.String).gather(values.codes)
    match column.type:
        case ColumnType.DECIMAL:
            return pl.Series(column.name, pl.from_arrow(decimals(values.astype(np.float64))))
        case ColumnType.DATE:
            return pl.Series(column.name, values.astype(np.int32)).cast(pl.Date)
        case ColumnType.TIMESTAMP:
            return pl.Series(column.name, values).cast(pl.Datetime("us", "UTC"))
    return pl.Series(column.name, values)


def _serial(values: Serial) -> pl.Series:
    numbers = pl.int_range(values.first, values.first + values.rows, eager=True)
    return pl.select(pl.lit(f"{values.prefix}-") + numbers.cast(pl.String).str.zfill(7)).to_series()


def decimals(values: Floats) -> pa.Array:
    """Numbers of two places as exact decimals, without a way over text: cents as 128-bit integers."""
    cents = np.rint(values * 100).astype(np.int64)
    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0] = cents
    words[:, 1] = cents >> 63  # the sign
    return pa.Array.from_buffers(DECIMAL, len(cents), [None, pa.py_buffer(words.tobytes())])
