"""One fact, summed up by itself over one span of days: the part that is done before anything is put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import ibis.expr.types as ir  # type: ignore[import-untyped]

from afield.provisioning.datamodel import Aggregation, Column, ColumnType, DataModel, Measure
from afield.provisioning.query import Breakdown, Grain, Period, Query
from afield.provisioning.semantic.calendar import number_of
from afield.provisioning.semantic.needs import row_filters
from afield.provisioning.semantic.paths import Path, date_of, reached
from afield.provisioning.semantic.predicates import counted, row_predicate, within
from afield.provisioning.semantic.rows import Rows, as_date, day_of_value, rows_of, steps
from afield.provisioning.warehouse.base import Dialect

_UNITS = {Grain.DAY: "D", Grain.WEEK: "W", Grain.MONTH: "M", Grain.QUARTER: "Q", Grain.YEAR: "Y"}


@dataclass(frozen=True, slots=True)
class Span:
    """The days whose rows count, and what the names of what is computed of them begin with.

    `onto`: the period beside which these days are shown; their times are moved there.
    """

    period: Period | None
    prefix: str = ""
    onto: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summing:
    """What all sums of a query have in common."""

    query: Query
    model: DataModel
    dialect: Dialect
    today: date

    def sums(self, fact: str, measures: tuple[Measure, ...], span: Span, *, grouped: bool = True) -> ir.Table:
        """The measures of one fact by the query's breakdowns, or over all of them: one row for each that occurs."""
        paths = {one.dimension: self._path(fact, one.dimension) for one in self.query.breakdowns}
        filtered = {one.field: self._path(fact, one.field) for one in row_filters(self.query, self.model)}
        own = [Path(fact, (), column) for column in self._columns(fact, measures)]
        rows = rows_of(self.model, fact, [*paths.values(), *filtered.values(), *own], self.dialect)
        rows = rows.where(list(self._predicates(rows, fact, filtered, span)))
        keys = {one.dimension: self._key(rows, paths[one.dimension], one, span) for one in self.query.breakdowns}
        values = {span.prefix + one.name: _aggregate(rows, one, self.model) for one in measures}
        return rows.table.group_by(**keys).aggregate(**values) if grouped else rows.table.aggregate(**values)

    def _path(self, fact: str, dimension: str) -> Path:
        return reached(self.model, fact, self.model.dimension(dimension))

    def _columns(self, fact: str, measures: tuple[Measure, ...]) -> Iterator[Column]:
        table = self.model.table(fact)
        day = date_of(table)
        if day:
            yield day
        for one in measures:
            yield table.column(one.column or table.primary_key)
            if one.only:
                yield table.column(one.only.column)

    def _key(self, rows: Rows, path: Path, breakdown: Breakdown, span: Span) -> ir.Value:
        value = rows.value(path)
        if breakdown.grain is None:
            return value
        cut = day_of_value(value, path.column).truncate(_UNITS[breakdown.grain])
        return as_date(_moved(cut, breakdown.grain, span) if path.own_date else cut, self.dialect)

    def _predicates(self, rows: Rows, fact: str, filtered: dict[str, Path], span: Span) -> Iterator[ir.BooleanValue]:
        for one in row_filters(self.query, self.model):
            yield row_predicate(rows.value(filtered[one.field]), filtered[one.field].column, one)
        day = date_of(self.model.table(fact))
        if day:
            value = rows.value(Path(fact, (), day))
            tomorrow = self.today + timedelta(days=1)  # what is dated after today has not happened
            period = span.period
            yield within(
                value, day, period.start if period else None, min(period.end, tomorrow) if period else tomorrow
            )


def _moved(cut: ir.DateValue, grain: Grain, span: Span) -> ir.DateValue:
    """The same month (week, ...) of the other period: the third of one stands beside the third of the other."""
    if span.onto is None or span.period is None:
        return cut
    count = number_of(span.onto.start, grain) - number_of(span.period.start, grain)
    return cut + steps(count, grain) if count else cut


def _aggregate(rows: Rows, measure: Measure, model: DataModel) -> ir.Scalar:
    table = model.table(measure.fact)
    where = None
    if measure.only:
        where = counted(rows.value(Path(measure.fact, (), table.column(measure.only.column))), measure.only)
    column = table.column(measure.column or table.primary_key)
    value = rows.value(Path(measure.fact, (), column))
    match measure.aggregation:
        case Aggregation.SUM:
            return _number(value, column).sum(where=where)
        case Aggregation.AVERAGE:
            return _number(value, column).cast("float64").mean(where=where)
        case Aggregation.COUNT:
            return value.count(where=where) if measure.column else rows.table.count(where=where)
        case Aggregation.COUNT_DISTINCT:
            return value.nunique(where=where)
        case Aggregation.MINIMUM:
            return value.min(where=where)
        case _:
            return value.max(where=where)


def _number(value: ir.Column, column: Column) -> ir.NumericColumn:
    """Yes counts as 1. BigQuery makes a float of a boolean only by way of an integer."""
    return value.cast("int64") if column.type is ColumnType.BOOLEAN else value
