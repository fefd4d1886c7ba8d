"""Whether a filter's values fit what it compares them with. Pure."""

from __future__ import annotations

from datetime import date

from afield.provisioning.datamodel import Column, ColumnType, DataModel, Dimension
from afield.provisioning.query import Filter, Operator, Query
from afield.provisioning.recipe import Named
from afield.provisioning.semantic.errors import QueryError, listed
from afield.provisioning.semantic.needs import is_measure

EQUAL = frozenset({Operator.IS, Operator.IS_NOT})
_NUMBERS = frozenset({ColumnType.DECIMAL, ColumnType.FLOAT, ColumnType.INTEGER})
_WORDS = {
    ColumnType.TEXT: "a text",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.DATE: "a day such as 2025-01-31",
    ColumnType.TIMESTAMP: "a day such as 2025-01-31",
}


def check_filters(query: Query, model: DataModel) -> None:
    """QueryError for a filter whose values do not fit."""
    for condition in query.filters:
        if is_measure(condition.field, model):
            _check_measure(condition, model.measure(condition.field).label)
        else:
            dimension = model.dimension(condition.field)
            _check_dimension(condition, dimension, model.table(dimension.table).column(dimension.column))


def _check_measure(condition: Filter, label: str) -> None:
    _check_one(condition, label)
    for value in condition.values:
        if not _fits(value, ColumnType.FLOAT):
            raise QueryError(f"{label} is a number; it cannot be compared with {value!r}.")


def _check_dimension(condition: Filter, dimension: Dimension, column: Column) -> None:
    _check_one(condition, dimension.label)
    if condition.operator not in EQUAL and column.type in {ColumnType.TEXT, ColumnType.BOOLEAN}:
        operator = condition.operator.value.replace("_", " ")
        raise QueryError(
            f"Values of {dimension.label} have no size, so none is {operator} another.",
            hint="Filter by whether it is a value, or is not.",
        )
    for value in condition.values:
        if not _fits(value, column.type):
            wanted = _WORDS.get(column.type, "a number")
            raise QueryError(f"{dimension.label} is {wanted}; it cannot be compared with {value!r}.")
        if _closed(column) and value not in column.values:
            raise QueryError(
                f"{dimension.label} never is {value}.",
                hint=f"It is one of: {listed(column.values)}.",
                options=column.values,
            )


def _check_one(condition: Filter, label: str) -> None:
    if condition.operator not in EQUAL and len(condition.values) != 1:
        raise QueryError(f"{label} is compared with {len(condition.values)} values at once.", hint="Name one.")


def _fits(value: str | float | bool, kind: ColumnType) -> bool:
    if kind is ColumnType.TEXT:
        return isinstance(value, str)
    if kind is ColumnType.BOOLEAN:
        return isinstance(value, bool)
    if kind in _NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) and _is_day(value)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def _closed(column: Column) -> bool:
    """All values are known. Of names there may be variants."""
    return column.type is ColumnType.TEXT and bool(column.values) and not isinstance(column.recipe, Named)
