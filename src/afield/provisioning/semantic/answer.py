"""What comes back: columns that know what they are, and rows of plain values. Pure."""

from __future__ import annotations

from enum import StrEnum

from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import DataModel, Format, Measure, Name
from afield.provisioning.query import Breakdown, Change, Grain, Query
from afield.provisioning.semantic.needs import shown_measures
from afield.provisioning.warehouse.base import Value


class Kind(StrEnum):
    """What a column holds."""

    TIME = "time"
    DIMENSION = "dimension"
    MEASURE = "measure"


class Role(StrEnum):
    """Of a measure's column: its value, or what was made of it."""

    VALUE = "value"
    BEFORE = "before"  # in the period it is compared with
    CHANGE = "change"  # from there to here, as a share of what was before
    SHARE = "share"
    GROWTH = "growth"
    CUMULATIVE = "cumulative"


class AnswerColumn(Frozen):
    """One column. `source` is the measure's or dimension's name; `name` that of the column."""

    name: str
    label: str
    kind: Kind
    source: Name
    role: Role | None = None  # of measures
    grain: Grain | None = None  # of times: each value is the first day of one
    format: Format | None = None  # of measures


class Answer(Frozen):
    """The rows in the order asked for. `truncated`: there were more than were fetched."""

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    sql: str
    truncated: bool = False


_ADDED = {Change.SHARE: Role.SHARE, Change.GROWTH: Role.GROWTH, Change.CUMULATIVE: Role.CUMULATIVE}
_LABELS = {
    Role.VALUE: "{}",
    Role.BEFORE: "{} before",
    Role.CHANGE: "Change of {}",
    Role.SHARE: "Share of {}",
    Role.GROWTH: "Growth of {}",
    Role.CUMULATIVE: "{} so far",
}
_RATIOS = frozenset({Role.CHANGE, Role.SHARE, Role.GROWTH})


def columns_of(query: Query, model: DataModel) -> tuple[AnswerColumn, ...]:
    """The columns of the query's answer, in order: breakdowns, then each measure with what is made of it."""
    keys = [_key(breakdown, model) for breakdown in query.breakdowns]
    return (*keys, *(_value(one, role) for one in shown_measures(query, model) for role in roles_of(query)))


def roles_of(query: Query) -> tuple[Role, ...]:
    """What is shown of each measure."""
    if query.compare:
        return (Role.VALUE, Role.BEFORE, Role.CHANGE)
    return (Role.VALUE, _ADDED[query.change]) if query.change in _ADDED else (Role.VALUE,)


def column_name(measure: str, role: Role) -> str:
    """What the column of a measure is called in SQL and in the answer: `revenue`, `revenue_before`, ..."""
    return measure if role is Role.VALUE else f"{measure}_{role.value}"


def _key(breakdown: Breakdown, model: DataModel) -> AnswerColumn:
    dimension = model.dimension(breakdown.dimension)
    grain = breakdown.grain
    label = f"{dimension.label} ({grain.value})" if grain else dimension.label
    kind = Kind.TIME if grain else Kind.DIMENSION
    return AnswerColumn(name=dimension.name, label=label, kind=kind, source=dimension.name, grain=grain)


def _value(measure: Measure, role: Role) -> AnswerColumn:
    return AnswerColumn(
        name=column_name(measure.name, role),
        label=_LABELS[role].format(measure.label),
        kind=Kind.MEASURE,
        source=measure.name,
        role=role,
        format=Format.PERCENT if role in _RATIOS else measure.format,
    )
