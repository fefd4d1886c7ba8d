"""The rows of one fact, with what is needed of the tables it refers to, as an expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ibis  # type: ignore[import-untyped]
import ibis.expr.types as ir  # type: ignore[import-untyped]

from afield.provisioning.datamodel import Column, ColumnType, DataModel, Reference
from afield.provisioning.query import Grain
from afield.provisioning.semantic.paths import Path
from afield.provisioning.warehouse.base import Dialect

_TYPES = {
    ColumnType.INTEGER: "int64",
    ColumnType.DECIMAL: "decimal(18, 2)",
    ColumnType.FLOAT: "float64",
    ColumnType.TEXT: "string",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DATE: "date",
}
_STAMPS: Mapping[Dialect, str] = {"duckdb": "timestamp", "bigquery": "timestamp('UTC')"}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a fact; each path's column has a name of its own."""

    table: ir.Table
    names: Mapping[tuple[str, str], str]  # (table, column) to the name here

    def value(self, path: Path) -> ir.Column:
        """The column at the end of a path."""
        return self.table[self.names[path.table, path.column.name]]

    def where(self, predicates: list[ir.BooleanValue]) -> Rows:
        """The rows for which all of these are true."""
        return Rows(self.table.filter(predicates), self.names) if predicates else self


def rows_of(model: DataModel, fact: str, paths: Iterable[Path], dialect: Dialect) -> Rows:
    """The fact's rows, each once, beside the columns that the paths lead to. A row that refers to nothing stays."""
    wanted = {(path.table, path.column.name): path for path in paths}
    tables = {fact: source(model, fact, dialect)}
    joined: ir.Table = tables[fact]
    for path in wanted.values():
        here = fact
        for reference in path.references:
            if reference.table not in tables:
                tables[reference.table] = source(model, reference.table, dialect)
                joined = joined.left_join(tables[reference.table], _match(model, tables, here, reference))
            here = reference.table
    names: dict[tuple[str, str], str] = {}
    for table, column in wanted:
        names[table, column] = _free(column if table == fact else f"{table}_{column}", names.values())
    columns = {name: tables[table][column] for (table, column), name in names.items()}
    return Rows(joined.select(**columns), names)


def source(model: DataModel, name: str, dialect: Dialect) -> ir.Table:
    """A table of the model, as the warehouse has it."""
    schema = {column.name: _type(column, dialect) for column in model.table(name).columns}
    return ibis.table(schema, name=name)


def as_date(value: ir.Value, dialect: Dialect) -> ir.DateValue:
    """A day. DuckDB makes time stamps of days when it cuts or moves them; this says that they stay days."""
    return value.cast("timestamp").cast("date") if dialect == "duckdb" else value


def steps(count: int, grain: Grain) -> ir.IntervalScalar:
    """So many days, weeks, months, ..."""
    return ibis.interval(**{f"{grain.value}s": count})


def day_of_value(value: ir.Value, column: Column) -> ir.DateValue:
    """The day of a date or of a time stamp (in UTC)."""
    return value.date() if column.type is ColumnType.TIMESTAMP else value


def _match(model: DataModel, tables: Mapping[str, ir.Table], here: str, reference: Reference) -> ir.BooleanValue:
    other = tables[reference.table]
    return tables[here][reference.column] == other[model.table(reference.table).primary_key]


def _type(column: Column, dialect: Dialect) -> str:
    return _STAMPS[dialect] if column.type is ColumnType.TIMESTAMP else _TYPES[column.type]


def _free(name: str, taken: Iterable[str]) -> str:
    used = set(taken)
    while name in used:
        name += "_"
    return name
