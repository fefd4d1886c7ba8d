"""Datasets and tables of all projects, in one DuckDB in memory. It blocks: for threads. No HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sqlglot import exp

from . import errors
from .errors import BigQueryError
from .fields import Field, Json, field_of
from .names import DatasetName, TableName, quoted, resolve
from .rewrite import parse, rewrite

_ID = re.compile(r"\w{1,1024}")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")


@dataclass(slots=True)
class Table:
    """One table; `resource` is what its maker said of it."""

    fields: tuple[Field, ...]
    resource: Json
    created_at: float
    expires_at: float | None = None


@dataclass(slots=True)
class Dataset:
    """One dataset; `resource` is what its maker said of it."""

    resource: Json
    created_at: float
    tables: dict[str, Table] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer of a query."""

    fields: tuple[Field, ...]
    rows: list[tuple[object, ...]]


class Store:
    """Everything there is. Times are seconds since 1970."""

    def __init__(self) -> None:
        self.datasets: dict[DatasetName, Dataset] = {}
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def add_dataset(self, name: DatasetName, resource: Json, now: float) -> Dataset:
        """A new dataset; BigQueryError 400, 409."""
        _check_id("dataset", name.dataset)
        check_labels(resource)
        if name in self.datasets:
            raise errors.duplicate("Dataset", str(name))
        self._connection.execute(f"CREATE SCHEMA {quoted(name.schema)}")
        self.datasets[name] = Dataset(resource, now)
        return self.datasets[name]

    def dataset(self, name: DatasetName) -> Dataset:
        """One dataset; BigQueryError 404."""
        if name not in self.datasets:
            raise errors.not_found("Dataset", str(name))
        return self.datasets[name]

    def delete_dataset(self, name: DatasetName, *, contents: bool) -> None:
        """Remove a dataset; BigQueryError 400 when there are tables in it that are not to go."""
        if self.dataset(name).tables and not contents:
            raise errors.in_use(str(name))
        self._connection.execute(f"DROP SCHEMA {quoted(name.schema)} CASCADE")
        del self.datasets[name]

    def add_table(self, name: TableName, fields: tuple[Field, ...], resource: Json, now: float) -> Table:
        """A new, empty table; BigQueryError 400, 404, 409."""
        dataset = self.dataset(name.dataset)
        _check_id("table", name.table)
        if name.table in dataset.tables:
            raise errors.duplicate("Table", str(name))
        _check_partitions(fields, resource)
        columns = ", ".join(f"{quoted(one.name)} {one.duckdb}" for one in fields)
        self._connection.execute(f"CREATE TABLE {name.duckdb} ({columns or 'no_columns INTEGER'})")
        dataset.tables[name.table] = Table(fields, resource, now, _expiry(dataset, resource, now))
        return dataset.tables[name.table]

    def table(self, name: TableName) -> Table:
        """One table; BigQueryError 404."""
        dataset = self.dataset(name.dataset)
        if name.table not in dataset.tables:
            raise errors.not_found("Table", str(name))
        return dataset.tables[name.table]

    def delete_table(self, name: TableName) -> None:
        """Remove a table; BigQueryError 404."""
        self.table(name)
        self._connection.execute(f"DROP TABLE {name.duckdb}")
        del self.datasets[name.dataset].tables[name.table]

    def expire(self, now: float) -> None:
        """Remove the tables whose time is over."""
        for dataset, content in self.datasets.items():
            for table, one in list(content.tables.items()):
                if one.expires_at is not None and one.expires_at <= now:
                    self.delete_table(TableName(dataset, table))

    def count(self, name: TableName) -> int:
        """How many rows a table has."""
        self.table(name)
        return int(self._one(f"SELECT count(*) FROM {name.duckdb}"))  # noqa: S608 - quoted

    def size(self, name: TableName, columns: Sequence[Field] | None = None) -> int:
        """Bytes of a table, or of some of its columns, by the real service's widths."""
        chosen = self.table(name).fields if columns is None else columns
        rows = self.count(name)
        texts = [one for one in chosen if one.width is None]
        total = sum(rows * (one.width or 0) for one in chosen)
        for one in texts:
            length = f"SELECT coalesce(sum(2 + strlen({quoted(one.name)}::VARCHAR)), 0) FROM {name.duckdb}"  # noqa: S608
            total += int(self._one(length))
        return total

    def fill(self, name: TableName, select: str, file: Path, *, truncate: bool) -> int:
        """Add what a SELECT gives for a file (its parameter); how many rows. All or nothing; BigQueryError 400."""
        before = 0 if truncate else self.count(name)
        self._connection.execute("BEGIN")
        try:
            if truncate:
                self._connection.execute(f"DELETE FROM {name.duckdb}")  # noqa: S608 - quoted
            self._connection.execute(f"INSERT INTO {name.duckdb} {select}", [str(file)])
            self._connection.execute("COMMIT")
        except duckdb.Error as error:
            self._connection.execute("ROLLBACK")
            raise errors.invalid(f"Error while reading data, error message: {_first_line(error)}") from None
        return self.count(name) - before

    def describe(self, select: str, file: Path) -> dict[str, str]:
        """Columns and DuckDB's types of what a SELECT gives for a file; BigQueryError 400."""
        try:
            found = self._connection.execute(f"DESCRIBE {select}", [str(file)]).fetchall()
        except duckdb.Error as error:
            raise errors.invalid(f"Error while reading data, error message: {_first_line(error)}") from None
        return {str(row[0]): str(row[1]) for row in found}

    def prepare(self, sql: str, project: str, default: DatasetName | None) -> Prepared:
        """A query understood, its cost known, but not run; BigQueryError 400, 404."""
        query = parse(sql)
        used = resolve(query, project, default, self.table)
        size = sum(self.size(name, list(self._read(name, query))) for name in used)
        prepared = Prepared(rewrite(query), size, tuple(used))
        _, fields = self._described(prepared.sql)
        return Prepared(prepared.sql, size, tuple(used), fields)

    def run(self, prepared: Prepared) -> Rows:
        """The rows of a query; time stamps with a zone as microseconds. BigQueryError 400."""
        names, fields = self._described(prepared.sql)
        cells = [
            f"epoch_us({name})" if one.type == "TIMESTAMP" else name for name, one in zip(names, fields, strict=True)
        ]
        sql = f"SELECT {', '.join(cells)} FROM ({prepared.sql}) AS answer"  # noqa: S608 - names are quoted
        try:
            return Rows(fields, self._connection.execute(sql).fetchall())
        except duckdb.Error as error:
            raise errors.invalid_query(_first_line(error)) from None

    def _described(self, sql: str) -> tuple[list[str], tuple[Field, ...]]:
        try:
            found = self._connection.execute(f"DESCRIBE {sql}").fetchall()
        except duckdb.Error as error:
            raise errors.invalid_query(_first_line(error)) from None
        names = [str(row[0]) for row in found]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise errors.invalid_query(f"Duplicate column names in the result are not supported: {min(doubled)}")
        return [quoted(name) for name in names], tuple(field_of(str(row[0]), str(row[1])) for row in found)

    def _read(self, name: TableName, query: exp.Query) -> Iterator[Field]:
        """The columns of a table that a query names anywhere; all, if there is a star."""
        named = {column.name.lower() for column in query.find_all(exp.Column)}
        star = any(select.is_star for select in query.find_all(exp.Select))
        return (one for one in self.table(name).fields if star or one.name.lower() in named)

    def _one(self, sql: str) -> int:
        row = self._connection.execute(sql).fetchone()
        return row[0] if row else 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query in DuckDB's SQL, the bytes it reads, the tables it names, the fields of its answer."""

    sql: str
    size: int
    tables: tuple[TableName, ...]
    fields: tuple[Field, ...] = ()


def check_labels(resource: Json) -> None:
    """BigQueryError 400 for a label that the real service refuses."""
    labels = resource.get("labels")
    for key, value in labels.items() if isinstance(labels, dict) else ():
        for text in (key, value):
            if not _LABEL.fullmatch(str(text)):
                raise errors.invalid(
                    f"Label {str(text)!r} is not valid: lower-case letters, digits, _ and -, at most 63."
                )


def _check_id(kind: str, name: str) -> None:
    if not _ID.fullmatch(name):
        raise errors.invalid(f'Invalid {kind} ID "{name}". Only letters, digits and underscores are allowed.')


def _check_partitions(fields: tuple[Field, ...], resource: Json) -> None:
    asked = resource.get("timePartitioning")
    if not isinstance(asked, dict) or not asked.get("field"):
        return
    kinds = {one.name: one.type for one in fields}
    kind = kinds.get(str(asked["field"]))
    if kind not in {"DATE", "TIMESTAMP", "DATETIME"}:
        raise errors.invalid(f"The field specified for partitioning is not a date or time: {asked['field']}")


def _expiry(dataset: Dataset, resource: Json, now: float) -> float | None:
    """The table's own, or that of its dataset."""
    own, usual = resource.get("expirationTime"), dataset.resource.get("defaultTableExpirationMs")
    if own:
        return int(str(own)) / 1000
    return now + int(str(usual)) / 1000 if usual else None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]


__all__ = ["BigQueryError", "Dataset", "Prepared", "Rows", "Store", "Table"]
