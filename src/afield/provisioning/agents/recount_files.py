"""Sums over the generated files, with Polars: nothing here knows the SQL that the chat runs. Blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

import polars as pl

from afield.provisioning.datamodel import Aggregation, Column, ColumnType, DataModel, Dimension, Measure, Reference
from afield.provisioning.dataset import Dataset
from afield.provisioning.query import Breakdown, Filter, Grain, Operator

Cell: TypeAlias = str | int | float | bool | date | None
Key: TypeAlias = tuple[Cell, ...]

_CUTS = {Grain.DAY: "1d", Grain.WEEK: "1w", Grain.MONTH: "1mo", Grain.QUARTER: "1q", Grain.YEAR: "1y"}
_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """From `start` (None: from the first) up to, not including, `end`."""

    start: date | None
    end: date


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a dataset."""

    model: DataModel
    dataset: Dataset
    folder: Path

    def sums(
        self, fact: str, measures: Sequence[Measure], by: Sequence[Breakdown], filters: Sequence[Filter], days: Days
    ) -> dict[Key, dict[str, Cell]]:
        """The measures of one fact for each key that occurs; without breakdowns, for the empty key."""
        dimensions = [self.model.dimension(one.dimension) for one in by]
        filtered = [self.model.dimension(one.field) for one in filters]
        places = {one.name: self._place(fact, one) for one in (*dimensions, *filtered)}
        frame = self._joined(fact, (way for way, _ in places.values())).filter(*self._within(fact, days))
        for one in filters:
            way, column = places[one.field]
            frame = frame.filter(_holds(_value(way, column), column, one))
        keys = [_cut(_value(*places[one.dimension]), one).alias(f"key{n}") for n, one in enumerate(by)]
        values = [self._aggregate(one).alias(one.name) for one in measures]
        summed = frame.group_by(keys).agg(values) if keys else frame.select(values)
        rows = summed.collect(engine="streaming").iter_rows(named=True)
        return {
            tuple(row[f"key{n}"] for n in range(len(keys))): {m.name: row[m.name] for m in measures} for row in rows
        }

    def own_date(self, fact: str, dimension: Dimension) -> bool:
        """Whether the dimension says when a row of the fact happened."""
        way, column = self._place(fact, dimension)
        return not way and column.name == self.model.table(fact).date_column

    def _place(self, fact: str, dimension: Dimension) -> tuple[tuple[Reference, ...], Column]:
        """The references that lead to a dimension, the fewest, and its column. When some fact happened is understood of
        every fact by its own day."""
        ways = dict(self._ways(fact))
        if dimension.table in ways:
            return ways[dimension.table], self.model.table(dimension.table).column(dimension.column)
        day = self.model.table(fact).date_column
        assert dimension.time, f"{fact} cannot be broken down by {dimension.name}"
        assert day is not None, f"{fact} has no day"
        return (), self.model.table(fact).column(day)

    def _ways(self, fact: str) -> Iterator[tuple[str, tuple[Reference, ...]]]:
        seen = {fact}
        edge: list[tuple[str, tuple[Reference, ...]]] = [(fact, ())]
        while edge:
            here, way = edge.pop(0)
            yield here, way
            for reference in self.model.table(here).references:
                if reference.table not in seen:
                    seen.add(reference.table)
                    edge.append((reference.table, (*way, reference)))

    def _scan(self, table: str, prefix: str) -> pl.LazyFrame:
        file = next(one.file for one in self.dataset.files if one.table == table)
        frame = pl.scan_parquet(self.folder / file)
        return frame.select(pl.all().name.prefix(prefix))

    def _joined(self, fact: str, ways: Iterable[tuple[Reference, ...]]) -> pl.LazyFrame:
        frame, there = self._scan(fact, "/"), {""}
        for way in ways:
            here = ""
            for reference in way:
                onwards = f"{here}/{reference.column}"
                if onwards not in there:
                    there.add(onwards)
                    key = self.model.table(reference.table).primary_key
                    other = self._scan(reference.table, f"{onwards}/")
                    frame = frame.join(
                        other, left_on=f"{here}/{reference.column}", right_on=f"{onwards}/{key}", how="left"
                    )
                here = onwards
        return frame

    def _within(self, fact: str, days: Days) -> Iterator[pl.Expr]:
        column = self.model.table(fact).date_column
        if column is not None:
            day = pl.col(f"/{column}").cast(pl.Date)
            yield day < days.end
            if days.start is not None:
                yield day >= days.start

    def _aggregate(self, measure: Measure) -> pl.Expr:
        column = pl.col(f"/{measure.column or self.model.table(measure.fact).primary_key}")
        counts = pl.lit(value=True)
        if measure.only is not None:
            counts = pl.col(f"/{measure.only.column}").is_in(list(measure.only.values))
        if measure.aggregation is Aggregation.COUNT and measure.column is None:
            return counts.cast(pl.Int64).sum() if measure.only else pl.len()
        found = column.filter(counts) if measure.only else column
        return _aggregated(found, measure.aggregation)


def _aggregated(value: pl.Expr, how: Aggregation | None) -> pl.Expr:
    match how:
        case Aggregation.SUM:
            return value.cast(pl.Float64).sum()
        case Aggregation.AVERAGE:
            return value.cast(pl.Float64).mean()
        case Aggregation.COUNT_DISTINCT:
            return value.drop_nulls().n_unique()
        case Aggregation.MINIMUM:
            return value.cast(pl.Float64).min()
        case Aggregation.MAXIMUM:
            return value.cast(pl.Float64).max()
    return value.count()


def _value(way: tuple[Reference, ...], column: Column) -> pl.Expr:
    path = "".join(f"/{reference.column}" for reference in way)
    return pl.col(f"{path}/{column.name}")


def _cut(value: pl.Expr, breakdown: Breakdown) -> pl.Expr:
    return value.cast(pl.Date).dt.truncate(_CUTS[breakdown.grain]) if breakdown.grain else value


def _holds(value: pl.Expr, column: Column, condition: Filter) -> pl.Expr:
    others: list[Cell] = list(condition.values)
    if column.type in _TIMES:
        value, others = value.cast(pl.Date), [date.fromisoformat(str(one)) for one in others]
    elif column.type is ColumnType.DECIMAL:
        value, others = value.cast(pl.Float64), [float(one) for one in condition.values]
    match condition.operator:
        case Operator.IS:
            return value.is_in(others)
        case Operator.IS_NOT:
            return ~value.is_in(others) | value.is_null()
        case Operator.AT_LEAST:
            return value >= others[0]
        case Operator.AT_MOST:
            return value <= others[0]
        case Operator.ABOVE:
            return value > others[0]
    return value < others[0]
