"""Checking made data against its model and manifest: DuckDB over the files, independent of how they were made.

Blocks: call it from a worker process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import Column, ColumnType, DataModel, Table, TableKind
from afield.provisioning.dataset import Anomaly, AnomalyKind, Dataset, TableFile
from afield.provisioning.digests import digest
from afield.provisioning.reach import ways_from
from afield.provisioning.recipe import Amount, Chance, Choice, Named, Whole

BASELINE = timedelta(weeks=4)  # on each side of an anomaly
SEEN = 0.4
"""The share of a planted deviation that has to be seen: chance blurs small numbers."""
_LATE_START = timedelta(days=35)
_MANY = 500  # rows from which on both answers to yes or no are to be expected
_COVERED = 0.1  # of a dimension's rows that a fact refers to


class CheckOutcome(Frozen):
    """One check. The demo is not complete when one that matters failed."""

    name: str
    passed: bool
    matters: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a dataset, as views of an own database in memory."""

    base: duckdb.DuckDBPyConnection
    model: DataModel
    dataset: Dataset

    def one(self, query: str, values: Sequence[object] = ()) -> tuple[int, ...]:
        """The one row of numbers a query gives."""
        row = self.base.execute(query, list(values)).fetchone()
        assert row is not None
        return tuple(int(value or 0) for value in row)

    def date(self, query: str) -> tuple[date, date]:
        """The one row of two days."""
        row = self.base.execute(query).fetchone()
        assert row is not None
        return row[0], row[1]


def check_data(model: DataModel, dataset: Dataset, folder: Path) -> tuple[CheckOutcome, ...]:
    """All checks. Files that are missing or not what the manifest says are failures, and end the rest of the checks."""
    found = [_file(table, dataset, folder) for table in model.tables]
    if not all(outcome.passed for outcome in found):
        return tuple(found)
    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"}) as base:
        for file in dataset.files:
            path = str(folder / file.file).replace("'", "''")
            base.execute(f"CREATE VIEW {_quoted(file.table)} AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
        files = Files(base, model, dataset)
        found += [outcome for table in model.tables for outcome in _table(files, table)]
        found += [_anomaly(files, one) for one in dataset.anomalies]
    return tuple(found)


def _file(table: Table, dataset: Dataset, folder: Path) -> CheckOutcome:
    name = f"file of {table.name}"
    entry = next((file for file in dataset.files if file.table == table.name), None)
    if entry is None:
        return CheckOutcome(name=name, passed=False, detail="The manifest has none.")
    path = folder / entry.file
    if not path.is_file():
        return CheckOutcome(name=name, passed=False, detail=f"{entry.file} is not there.")
    same = digest(path) == entry.digest
    return CheckOutcome(name=name, passed=same, detail="" if same else f"{entry.file} is not the file that was made.")


def _table(files: Files, table: Table) -> Iterator[CheckOutcome]:
    entry = next(file for file in files.dataset.files if file.table == table.name)
    if columns := _other_columns(files, table):
        yield CheckOutcome(name=f"columns of {table.name}", passed=False, detail=columns)
        return
    yield _rows(files, table, entry)
    yield _key(files, table)
    yield _complete(files, table)
    yield from _references(files, table, entry)
    yield _outcome(f"values of {table.name}", [flaw for c in table.columns for flaw in _values(files, table, c, entry)])
    if table.kind is TableKind.FACT:
        yield _days(files, table)


def _outcome(name: str, flaws: Sequence[str]) -> CheckOutcome:
    return CheckOutcome(name=name, passed=not flaws, detail="; ".join(flaws))


def _other_columns(files: Files, table: Table) -> str:
    described = files.base.execute(f"DESCRIBE {_quoted(table.name)}").fetchall()
    there, wanted = [row[0] for row in described], [column.name for column in table.columns]
    return "" if there == wanted else f"The file has {', '.join(there)}; the model has {', '.join(wanted)}."


def _rows(files: Files, table: Table, entry: TableFile) -> CheckOutcome:
    (rows,) = files.one(f"SELECT count(*) FROM {_quoted(table.name)}")  # noqa: S608
    detail = f"{rows} rows" + ("" if rows == entry.rows else f", the manifest says {entry.rows}")
    return CheckOutcome(name=f"rows of {table.name}", passed=rows == entry.rows and rows > 0, detail=detail)


def _key(files: Files, table: Table) -> CheckOutcome:
    key = _quoted(table.primary_key)
    rows, different = files.one(f"SELECT count(*), count(DISTINCT {key}) FROM {_quoted(table.name)}")  # noqa: S608
    detail = f"{different} different keys in {rows} rows"
    return CheckOutcome(name=f"key of {table.name}", passed=rows == different, detail=detail)


def _complete(files: Files, table: Table) -> CheckOutcome:
    counts = ", ".join(f"count(*) - count({_quoted(column.name)})" for column in table.columns)
    missing = files.one(f"SELECT {counts} FROM {_quoted(table.name)}")  # noqa: S608
    flaws = [
        f"{count} rows have no {column.name}" for column, count in zip(table.columns, missing, strict=True) if count
    ]
    return _outcome(f"nothing missing in {table.name}", flaws)


def _references(files: Files, table: Table, entry: TableFile) -> Iterator[CheckOutcome]:
    for reference in table.references:
        here, there = f"f.{_quoted(reference.column)}", _quoted(reference.table)
        key = f"d.{_quoted(files.model.table(reference.table).primary_key)}"
        lost, used, size = files.one(
            f"SELECT count(*) FILTER (WHERE {key} IS NULL), count(DISTINCT {here}), (SELECT count(*) FROM {there})"  # noqa: S608
            f" FROM {_quoted(table.name)} f LEFT JOIN {there} d ON {here} = {key}"
        )
        name = f"{table.name}.{reference.column} in {reference.table}"
        detail = f"{lost} of {entry.rows} lead nowhere; {used} of {size} rows are referred to"
        enough = used >= min(size, entry.rows, max(2, int(_COVERED * size))) if entry.rows > 1 else True
        yield CheckOutcome(name=name, passed=lost == 0 and enough, detail=detail)


def _values(files: Files, table: Table, column: Column, entry: TableFile) -> Iterator[str]:
    name, place = _quoted(column.name), _quoted(table.name)
    if column.name == table.primary_key or column.name in {reference.column for reference in table.references}:
        return
    (different,) = files.one(f"SELECT count(DISTINCT {name}) FROM {place}")  # noqa: S608
    if different < _floor(column, entry.rows):
        yield f"{column.name} has only {different} different values"
    if isinstance(column.recipe, Choice | Named) and column.values:
        marks = ", ".join("?" for _ in column.values)
        query = f"SELECT count(*) FROM {place} WHERE {name} NOT IN ({marks})"  # noqa: S608
        (strange,) = files.one(query, column.values)
        if strange:
            yield f"{strange} rows have another {column.name} than the model's"
    low, high = _range(column)
    bounds = [f"{name} < {low}"] * (low is not None) + [f"{name} > {high}"] * (high is not None)
    if bounds:
        (out,) = files.one(f"SELECT count(*) FROM {place} WHERE {' OR '.join(bounds)}")  # noqa: S608
        if out:
            yield f"{out} rows have a {column.name} out of its range"
    if isinstance(column.recipe, Chance) and column.recipe.after:
        before = _quoted(column.recipe.after)
        (skipped,) = files.one(f"SELECT count(*) FROM {place} WHERE {name} AND NOT {before}")  # noqa: S608
        if skipped:
            yield f"{skipped} rows reached {column.name} without {column.recipe.after}"


def _floor(column: Column, rows: int) -> int:
    """How many different values there have to be."""
    if column.type is ColumnType.BOOLEAN:
        return 2 if rows >= _MANY and not (isinstance(column.recipe, Chance) and column.recipe.after) else 1
    if column.values:
        return min(2, len(column.values), rows)
    return min(2, rows)


def _range(column: Column) -> tuple[float | None, float | None]:
    if isinstance(column.recipe, Amount):
        return column.recipe.minimum, column.recipe.maximum
    if isinstance(column.recipe, Whole):
        return float(column.recipe.low), float(column.recipe.high)
    return None, None


def _days(files: Files, table: Table) -> CheckOutcome:
    """The newest row is of the day the data was made; the oldest at least a year older."""
    day = _quoted(table.date_column or "")
    oldest, newest = files.date(f"SELECT min({day}), max({day}) FROM {_quoted(table.name)}")  # noqa: S608
    today = files.dataset.today
    passed = newest == today and oldest <= today - timedelta(days=730) + _LATE_START
    return CheckOutcome(name=f"days of {table.name}", passed=passed, detail=f"from {oldest} to {newest}")


def _anomaly(files: Files, anomaly: Anomaly) -> CheckOutcome:
    """Seen in the number of rows, against the weeks before and after."""
    inside, around = _segment_counts(files, anomaly)
    where = f" where {anomaly.dimension} is {anomaly.value}" if anomaly.dimension else ""
    name = f"{anomaly.kind} of {anomaly.fact}{where} from {anomaly.start}"
    if not around:
        return CheckOutcome(name=name, passed=False, detail="There are no rows around it to compare with.")
    usual = around * _length(anomaly) / _around(anomaly, files.dataset.today)
    detail = f"{inside} rows where {usual:.0f} were usual; planted was {anomaly.factor:g} times"
    return CheckOutcome(name=name, passed=_visible(anomaly, inside / usual), detail=detail)


def _visible(anomaly: Anomaly, ratio: float) -> bool:
    if anomaly.kind is AnomalyKind.OUTAGE:
        return ratio == 0
    if anomaly.kind is AnomalyKind.SPIKE:
        return ratio >= 1 + SEEN * (anomaly.factor - 1)
    return ratio <= 1 - SEEN * (1 - anomaly.factor)


def _segment_counts(files: Files, anomaly: Anomaly) -> tuple[int, int]:
    """The segment's rows in the anomaly's days, and in the weeks around it."""
    fact = files.model.table(anomaly.fact)
    day = f"t0.{_quoted(fact.date_column or '')}"
    joins, condition, values = _where(files.model, anomaly)
    first, last = anomaly.start - BASELINE, anomaly.end + BASELINE
    inside, wide = files.one(
        f"SELECT count(*) FILTER (WHERE {day} >= ? AND {day} < ?), count(*)"  # noqa: S608
        f" FROM {_quoted(fact.name)} t0{joins} WHERE {day} >= ? AND {day} < ?{condition}",
        [anomaly.start, anomaly.end, first, last, *values],
    )
    return inside, wide - inside


def _where(model: DataModel, anomaly: Anomaly) -> tuple[str, str, list[str]]:
    if anomaly.dimension is None or anomaly.value is None:
        return "", "", []
    dimension = model.dimension(anomaly.dimension)
    way = ways_from(model, anomaly.fact)[dimension.table][0]
    joins = ""
    for number, step in enumerate(way):
        key = _quoted(model.table(step.table).primary_key)
        joins += f" JOIN {_quoted(step.table)} t{number + 1} ON t{number}.{_quoted(step.column)} = t{number + 1}.{key}"
    return joins, f" AND t{len(way)}.{_quoted(dimension.column)} = ?", [anomaly.value]


def _length(anomaly: Anomaly) -> int:
    return (anomaly.end - anomaly.start).days


def _around(anomaly: Anomaly, today: date) -> int:
    """The days of the baseline; those after today are none."""
    after = min(anomaly.end + BASELINE, today + timedelta(days=1)) - anomaly.end
    return BASELINE.days + max(0, after.days)


def _quoted(name: str) -> str:
    return f'"{name}"'
