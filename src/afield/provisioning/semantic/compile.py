"""From a query to one SELECT, through ibis expressions. Pure.

Each fact is summed up by itself. The sums are put one below the other and gathered by their keys, which is a full outer
join that also brings rows without a key together, and that every dialect can do. Ratios, changes and conditions on
measures come after that, then order and limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis  # type: ignore[import-untyped]
import ibis.expr.types as ir  # type: ignore[import-untyped]

from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Change, Query
from afield.provisioning.semantic.answer import AnswerColumn, Role, columns_of
from afield.provisioning.semantic.changes import BEFORE, TOTAL, changed, growth_span, safe_ratio
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.needs import (
    COUNTING,
    all_measures,
    bases_of,
    facts_needed,
    measure_filters,
    shown_filters,
    time_breakdown,
)
from afield.provisioning.semantic.predicates import measure_predicate, row_predicate
from afield.provisioning.semantic.sums import Span, Summing
from afield.provisioning.semantic.tidy import tidy
from afield.provisioning.warehouse.base import Dialect


def compile_sql(query: Query, model: DataModel, dialect: Dialect, today: date) -> str:
    """The SELECT that answers a query, written for people to read; its columns are those of `columns_of`.

    Tables are named without a dataset. Rows dated after `today` do not count. Raises QueryError.
    """
    check(query, model)
    expression = expression_of(query, model, dialect, today)
    return tidy(str(ibis.to_sql(expression, dialect=dialect)), dialect, [table.name for table in model.tables])


def expression_of(query: Query, model: DataModel, dialect: Dialect, today: date) -> ir.Table:
    """The query as an expression. It has been checked."""
    summing = Summing(query=query, model=model, dialect=dialect, today=today)
    table = _with_ratios(_summed(summing), query, model)
    table = changed(table, query, model, dialect)
    predicates = _conditions(table, query, model)
    if predicates:
        table = table.filter(predicates)
    table = table.select(**{column.name: table[_made_as(column)] for column in columns_of(query, model)})
    table = table.order_by(_order(table, query)) if query.breakdowns else table
    return table.limit(query.limit) if query.limit else table


def _made_as(column: AnswerColumn) -> str:
    return BEFORE + column.source if column.role is Role.BEFORE else column.name


def _summed(summing: Summing) -> ir.Table:
    """All aggregates by all keys; beside them the totals, for shares."""
    query = summing.query
    spans = [Span(growth_span(query, summing.model))]
    if query.compare:
        spans.append(Span(query.compare, BEFORE, onto=query.period))
    keys = [one.dimension for one in query.breakdowns]
    table = _gathered(summing, spans, keys)
    if query.change is not Change.SHARE:
        return table
    return table.cross_join(_gathered(summing, [Span(query.period, TOTAL)], []))


def _gathered(summing: Summing, spans: Sequence[Span], keys: Sequence[str]) -> ir.Table:
    bases = bases_of(all_measures(summing.query, summing.model), summing.model)
    parts = [
        summing.sums(fact, tuple(one for one in bases if one.fact == fact), span, grouped=bool(keys))
        for span in spans
        for fact in facts_needed(summing.query, summing.model)
    ]
    counting = [one.name for one in bases if one.aggregation in COUNTING]
    return _filled(_together(parts, keys), [span.prefix + name for name in counting for span in spans])


def _together(parts: Sequence[ir.Table], keys: Sequence[str]) -> ir.Table:
    """One row for each key that occurs in any part. No two parts have a value in common, so the largest is the only."""
    if len(parts) == 1:
        return parts[0]
    types = {name: type_ for part in parts for name, type_ in part.schema().items() if name not in keys}
    padded = []
    for part in parts:
        missing = {name: ibis.null(type_) for name, type_ in types.items() if name not in part.columns}
        padded.append(part.mutate(**missing).select([*keys, *types]))
    stacked = ibis.union(*padded, distinct=False)
    values = {name: stacked[name].max() for name in types}
    return stacked.group_by(list(keys)).aggregate(**values) if keys else stacked.aggregate(**values)


def _filled(table: ir.Table, names: Sequence[str]) -> ir.Table:
    """Sums and counts over no rows are 0."""
    return table.mutate(**{name: table[name].fill_null(0) for name in names}) if names else table


def _with_ratios(table: ir.Table, query: Query, model: DataModel) -> ir.Table:
    prefixes = ["", BEFORE] if query.compare else [""]
    ratios = {
        prefix + one.name: safe_ratio(table[prefix + one.numerator], table[prefix + one.denominator])
        for one in all_measures(query, model)
        for prefix in prefixes
        if one.numerator and one.denominator
    }
    return table.mutate(**ratios) if ratios else table


def _conditions(table: ir.Table, query: Query, model: DataModel) -> list[ir.BooleanValue]:
    """On measures, on what is shown of shares, and away with the days that growth was only compared with."""
    found = [measure_predicate(table[one.field], one) for one in measure_filters(query, model)]
    for one in shown_filters(query, model):
        dimension = model.dimension(one.field)
        column = model.table(dimension.table).column(dimension.column)
        found.append(row_predicate(table[one.field], column, one))
    time = time_breakdown(query)
    if time and query.period and growth_span(query, model) != query.period:
        found.append(table[time.dimension] >= ibis.date(query.period.start))
    return found


def _order(table: ir.Table, query: Query) -> list[ir.Value]:
    """What was asked for; or by time, or the largest first. Equals by their breakdowns, so there is one order."""
    time = time_breakdown(query)
    first, descending = (time.dimension, False) if time else (query.measures[0], True)
    if query.order:
        first, descending = query.order.field, query.order.descending
    names = [one.dimension for one in query.breakdowns if one.dimension != first]
    leading = table[first].desc(nulls_first=False) if descending else table[first].asc(nulls_first=False)
    return [leading, *(table[name].asc(nulls_first=False) for name in names)]
