"""An answer in a few sentences: the figures that matter, and nothing the rows do not say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from afield.provisioning.chat import numbers, periods
from afield.provisioning.chat.saying import condition, listed, said
from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Change, Query
from afield.provisioning.semantic.answer import Answer, AnswerColumn, Kind, Role
from afield.provisioning.semantic.needs import ADDITIVE
from afield.provisioning.warehouse.base import Value

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and what it answers."""

    query: Query
    model: DataModel
    answer: Answer
    today: date

    def column(self, role: Role) -> int | None:
        """The place of the first measure's column of a role."""
        for place, one in enumerate(self.answer.columns):
            if one.role is role:
                return place
        return None

    @property
    def keys(self) -> list[int]:
        """The places of the breakdowns."""
        return [place for place, one in enumerate(self.answer.columns) if one.kind is not Kind.MEASURE]

    @property
    def measures(self) -> list[int]:
        """The places of the measures' own values."""
        return [place for place, one in enumerate(self.answer.columns) if one.role is Role.VALUE]

    def shown(self, row: Row, place: int) -> str:
        """One cell, as people read it."""
        return numbers.shown(row[place], self.answer.columns[place], self.model.currency)

    def name(self, row: Row) -> str:
        """What a row is about: `London, March 2026`."""
        return ", ".join(self.shown(row, place) for place in self.keys)


def sentences(query: Query, model: DataModel, answer: Answer, today: date) -> tuple[str, ...]:
    """What the answer says."""
    told = Told(query, model, answer, today)
    rows = [row for row in answer.rows if any(row[place] is not None for place in told.measures)]
    if not rows:
        return (f"There is nothing in the data for: {said(query, model)}.",)
    return (*_said(told, rows), *_remarks(told))


def _said(told: Told, rows: Sequence[Row]) -> Iterator[str]:
    if not told.keys:
        yield _single(told, rows[0])
    elif told.query.compare:
        yield from _compared(told, rows)
    elif any(told.answer.columns[place].kind is Kind.TIME for place in told.keys):
        yield from _over_time(told, rows)
    else:
        yield from _parts(told, rows)


def _single(told: Told, row: Row) -> str:
    facts = [
        f"{_label(told, place)} {_is(told, place)} {told.shown(row, place)}{_than_before(told, row, place)}"
        for place in told.measures
    ]
    where = _where(told)
    return f"{where}{facts[0] if where else _upper(facts[0])}{''.join(f'; {one}' for one in facts[1:])}."


def _is(told: Told, place: int) -> str:
    many = told.answer.columns[place].label.endswith("s") and not told.answer.columns[place].label.endswith("ss")
    if told.query.period is None or told.query.period.end > told.today:
        return "are" if many else "is"
    return "were" if many else "was"


def _label(told: Told, place: int) -> str:
    label = told.answer.columns[place].label
    return label if label.isupper() else label[:1].lower() + label[1:]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _where(told: Told) -> str:
    parts = [periods.said(told.query.period)] if told.query.period else []
    parts += [condition(one, told.model) for one in told.query.filters]
    return f"{_upper(' '.join(parts))}, " if parts else ""


def _than_before(told: Told, row: Row, place: int) -> str:
    """`, 12.0% more than in February 2026 ($1,234)`."""
    if told.query.compare is None:
        return ""
    before, change = row[place + 1], row[place + 2]
    when = periods.said(told.query.compare)
    if not isinstance(change, int | float):
        return f", against {told.shown(row, place + 1)} {when}"
    if abs(change) < 0.0005:
        return f", as much as {when}"
    more = "more" if change > 0 else "less"
    return f", {abs(change) * 100:.1f}% {more} than {when} ({told.shown(row, place + 1)})" if before is not None else ""


def _compared(told: Told, rows: Sequence[Row]) -> Iterator[str]:
    """Who gained most, who lost most."""
    place = told.column(Role.CHANGE)
    assert place is not None and told.query.compare
    begun = [row for row in rows if isinstance(row[place], int | float) and not _is_to_come(told, row)]
    known = sorted(begun, key=lambda row: -_amount(row[place]))
    when = periods.said(told.query.compare)
    label = told.answer.columns[told.measures[0]].label
    if not known:
        yield f"{label} cannot be compared with what it was {when}: there is nothing."
        return
    first, last = known[0], known[-1]
    yield (
        f"{label} against {periods.named(told.query.compare)}: {told.name(first)} changed by {told.shown(first, place)}"
        + (f", {told.name(last)} by {told.shown(last, place)}." if last is not first else ".")
    )
    up = sum(_amount(row[place]) > 0 for row in known)
    if len(known) > 2:
        yield f"{up} of {len(known)} are above what they were {when}."


def _is_to_come(told: Told, row: Row) -> bool:
    days = [cell for cell in (row[place] for place in told.keys) if isinstance(cell, date)]
    return any(day > told.today for day in days)


def _over_time(told: Told, rows: Sequence[Row]) -> Iterator[str]:
    place = _leading_place(told)
    known = [row for row in rows if isinstance(row[place], int | float)]
    if not known:
        return
    column = told.answer.columns[place]
    high, low = max(known, key=lambda row: _amount(row[place])), min(known, key=lambda row: _amount(row[place]))
    if told.query.change is Change.CUMULATIVE and len(told.keys) == 1:
        yield f"{column.label} comes to {told.shown(known[-1], place)} by {told.name(known[-1])}."
        return
    yield f"{column.label} is highest in {told.name(high)} with {told.shown(high, place)}" + (
        f", and lowest in {told.name(low)} with {told.shown(low, place)}." if low is not high else "."
    )
    if len(told.keys) == 1 and told.query.order is None and len(known) > 1:
        first, last = (f"{told.shown(row, place)} in {told.name(row)}" for row in (known[0], known[-1]))
        yield f"It goes from {first} to {last}."


def _leading_place(told: Told) -> int:
    """The column that the answer is about: the share, the growth, or the value; the one it is ordered by, if any."""
    names = [one.name for one in told.answer.columns]
    if told.query.order and told.query.order.field in names and names.index(told.query.order.field) not in told.keys:
        return names.index(told.query.order.field)
    for role in (Role.SHARE, Role.GROWTH, Role.CUMULATIVE):
        place = told.column(role)
        if place is not None:
            return place
    return told.measures[0]


def _parts(told: Told, rows: Sequence[Row]) -> Iterator[str]:
    place = _leading_place(told)
    column = told.answer.columns[place]
    known = [row for row in rows if isinstance(row[place], int | float)]
    if not known:
        return
    if len(known) == 1:
        yield f"{told.name(known[0])}: {_label(told, place)} {told.shown(known[0], place)}."
        return
    low_first = told.query.order is not None and not told.query.order.descending
    ranked = sorted(known, key=lambda row: _amount(row[place]), reverse=not low_first)
    others = [f"{told.name(row)} ({told.shown(row, place)})" for row in ranked[1:3]]
    lead, first = "lowest" if low_first else "highest", ranked[0]
    yield f"{column.label} is {lead} for {told.name(first)} with {told.shown(first, place)}, then {listed(others)}."
    if len(ranked) > 3 and told.query.limit is None:
        last = f"Of {len(ranked)}, {told.name(ranked[-1])} is last with {told.shown(ranked[-1], place)}."
        yield last + _total(told, known, column)


def _total(told: Told, rows: Sequence[Row], column: AnswerColumn) -> str:
    """Together, where values add up and all of them are there."""
    measure = told.model.measure(column.source)
    whole = (
        column.role is Role.VALUE
        and measure.aggregation in ADDITIVE
        and not told.answer.truncated
        and not told.query.limit
    )
    if not whole or any(one.field == measure.name for one in told.query.filters):
        return ""
    place = told.answer.columns.index(column)
    total = sum(_amount(row[place]) for row in rows)
    assert column.format
    return f" Together it is {numbers.number(total, column.format, told.model.currency)}."


def _remarks(told: Told) -> Iterator[str]:
    """What one has to know to read the figures rightly."""
    period = told.query.period
    if period and period.start <= told.today < period.end - timedelta(days=1):
        whole = f"; it is compared with the whole of {periods.named(told.query.compare)}" if told.query.compare else ""
        yield f"The period is not over yet{whole}."
    if told.answer.truncated:
        yield f"Only the first {len(told.answer.rows)} rows are shown."


def _amount(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
