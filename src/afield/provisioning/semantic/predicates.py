"""Filters as expressions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis  # type: ignore[import-untyped]
import ibis.expr.types as ir  # type: ignore[import-untyped]

from afield.provisioning.datamodel import Column, ColumnType, Condition
from afield.provisioning.query import Filter, Operator
from afield.provisioning.semantic.rows import day_of_value

_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


def row_predicate(value: ir.Column, column: Column, condition: Filter) -> ir.BooleanValue:
    """A condition on a dimension's column. What has no value is not any of the values."""
    if column.type in _TIMES:
        days = [ibis.date(date.fromisoformat(str(one))) for one in condition.values]
        return _compared(day_of_value(value, column), condition.operator, days)
    exact = value.cast("float64") if column.type is ColumnType.DECIMAL else value
    return _compared(exact, condition.operator, condition.values)


def measure_predicate(value: ir.Column, condition: Filter) -> ir.BooleanValue:
    """A condition on a measure's value."""
    return _compared(value.cast("float64"), condition.operator, condition.values)


def counted(value: ir.Column, condition: Condition) -> ir.BooleanValue:
    """The rows that count for a measure."""
    return _is_one_of(value, condition.values)


def within(value: ir.Column, column: Column, start: date | None, end: date) -> ir.BooleanValue:
    """The rows from a day on, if there is one, up to another, not including it."""
    day = day_of_value(value, column)
    before_end = day < ibis.date(end)
    return (day >= ibis.date(start)) & before_end if start else before_end


def _compared(value: ir.Value, operator: Operator, others: Sequence[object]) -> ir.BooleanValue:
    match operator:
        case Operator.IS:
            return _is_one_of(value, others)
        case Operator.IS_NOT:
            return ~_is_one_of(value, others) | value.isnull()
        case Operator.AT_LEAST:
            return value >= others[0]
        case Operator.AT_MOST:
            return value <= others[0]
        case Operator.ABOVE:
            return value > others[0]
        case Operator.BELOW:
            return value < others[0]


def _is_one_of(value: ir.Value, others: Sequence[object]) -> ir.BooleanValue:
    return value == others[0] if len(others) == 1 else value.isin(others)
