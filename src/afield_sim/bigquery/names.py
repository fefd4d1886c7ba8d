"""Tables by the names that queries call them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from .errors import invalid_query


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset of a project."""

    project: str
    dataset: str

    @property
    def schema(self) -> str:
        """Its schema in DuckDB."""
        return f"{self.project}.{self.dataset}"

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table of a dataset."""

    dataset: DatasetName
    table: str

    @property
    def duckdb(self) -> str:
        """In DuckDB's SQL."""
        return f"{quoted(self.dataset.schema)}.{quoted(self.table)}"

    def __str__(self) -> str:
        return f"{self.dataset}.{self.table}"


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def resolve(
    query: exp.Query, project: str, default: DatasetName | None, known: Callable[[TableName], object]
) -> dict[TableName, list[exp.Table]]:
    """Give every table of a query its name in DuckDB; which there are. `known` raises for one that is not there."""
    steps: set[int] = set()
    for scope in traverse_scope(query):
        steps |= {id(one) for one in scope.tables if not one.db and one.name in scope.cte_sources}
    found: dict[TableName, list[exp.Table]] = {}
    for table in list(query.find_all(exp.Table)):
        if id(table) not in steps:
            name = _full_name(table, project, default)
            known(name)
            found.setdefault(name, []).append(table)
            table.set(
                "alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name.table, quoted=True))
            )
            table.set("this", exp.to_identifier(name.table, quoted=True))
            table.set("db", exp.to_identifier(name.dataset.schema, quoted=True))
            table.set("catalog", None)
    return found


def _full_name(table: exp.Table, project: str, default: DatasetName | None) -> TableName:
    if not isinstance(table.this, exp.Identifier):
        raise invalid_query(f"Table-valued function not found: {table.this.sql(dialect='bigquery')[:80]}")
    if table.db:
        return TableName(DatasetName(table.catalog or project, table.db), table.name)
    if default is None:
        raise invalid_query(f'Table "{table.name}" must be qualified with a dataset (e.g. dataset.table).')
    return TableName(default, table.name)
