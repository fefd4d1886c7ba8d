"""What is computed on top of sums: changes between periods, shares, growth, running totals."""

from __future__ import annotations

from collections.abc import Callable

import ibis  # type: ignore[import-untyped]
import ibis.expr.types as ir  # type: ignore[import-untyped]

from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Breakdown, Change, Period, Query
from afield.provisioning.semantic.answer import Role, column_name
from afield.provisioning.semantic.calendar import day_of, first_day, number_of
from afield.provisioning.semantic.needs import facts_needed, shown_measures, time_breakdown
from afield.provisioning.semantic.paths import reached
from afield.provisioning.semantic.rows import as_date, steps
from afield.provisioning.warehouse.base import Dialect

BEFORE, TOTAL, PREVIOUS = "_before_", "_total_", "_previous_"
"""Before the names of columns that are made on the way; no name of a model begins so."""


def safe_ratio(above: ir.Value, below: ir.Value) -> ir.FloatingValue:
    """A fraction as a float; NULL when it is divided by 0."""
    return above.cast("float64") / below.cast("float64").nullif(0)


def relative(now: ir.Value, before: ir.Value) -> ir.FloatingValue:
    """By what part `now` is more than `before`; below 0 it is less, also when `before` itself is below 0."""
    now, before = now.cast("float64"), before.cast("float64")
    return (now - before) / before.abs().nullif(0)


def growth_span(query: Query, model: DataModel) -> Period | None:
    """The days to be read: of growth also the month (week, ...) before the period, so that the first one has a before.

    Only if the period begins with a whole one, and the breakdown is by when the facts happened.
    """
    time = time_breakdown(query)
    if query.change is not Change.GROWTH or query.period is None or time is None or time.grain is None:
        return query.period
    dimension = model.dimension(time.dimension)
    own = all(reached(model, fact, dimension).own_date for fact in facts_needed(query, model))
    start = query.period.start
    if not own or first_day(start, time.grain) != start:
        return query.period
    return Period(start=day_of(number_of(start, time.grain) - 1, time.grain), end=query.period.end)


def changed(table: ir.Table, query: Query, model: DataModel, dialect: Dialect) -> ir.Table:
    """The table with one more column for each measure shown, or none."""
    names = [one.name for one in shown_measures(query, model)]
    if query.compare:
        return _add(table, names, Role.CHANGE, lambda name: relative(table[name], table[BEFORE + name]))
    time = time_breakdown(query)
    match query.change:
        case Change.SHARE:
            return _add(table, names, Role.SHARE, lambda name: safe_ratio(table[name], table[TOTAL + name]))
        case Change.CUMULATIVE if time:
            window = ibis.cumulative_window(group_by=_others(query, time), order_by=_in_time(table, time))
            return _add(table, names, Role.CUMULATIVE, lambda name: table[name].sum().over(window))
        case Change.GROWTH if time:
            return _grown(table, names, query, time, dialect)
    return table


def _add(table: ir.Table, names: list[str], role: Role, value: Callable[[str], ir.Value]) -> ir.Table:
    return table.mutate(**{column_name(name, role): value(name) for name in names})


def _grown(table: ir.Table, names: list[str], query: Query, time: Breakdown, dialect: Dialect) -> ir.Table:
    """Against the row before, if that is of the month (week, ...) before, and not of an earlier one."""
    assert time.grain
    window = ibis.window(group_by=_others(query, time), order_by=_in_time(table, time))
    lagged = {PREVIOUS + name: table[name].lag().over(window) for name in (time.dimension, *names)}
    table = table.mutate(**lagged)
    expected = as_date(table[PREVIOUS + time.dimension] + steps(1, time.grain), dialect)
    adjacent = table[time.dimension] == expected

    def growth(name: str) -> ir.Value:
        return ibis.ifelse(adjacent, relative(table[name], table[PREVIOUS + name]), ibis.null("float64"))

    return _add(table, names, Role.GROWTH, growth)


def _others(query: Query, time: Breakdown) -> list[str]:
    return [one.dimension for one in query.breakdowns if one is not time]


def _in_time(table: ir.Table, time: Breakdown) -> ir.Value:
    """Rows without a time come last: by themselves, DuckDB and BigQuery do not agree where."""
    return table[time.dimension].asc(nulls_first=False)
