"""A query in plain words, so that people see what was understood; read again, the words mean the same query. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from afield.provisioning import asking
from afield.provisioning.chat import periods
from afield.provisioning.datamodel import DataModel, Format, Measure
from afield.provisioning.query import Breakdown, Change, Filter, Operator, Query
from afield.provisioning.semantic.answer import Role, column_name

_CHANGES = {
    Change.NONE: "{}",
    Change.SHARE: "Share of total {}",
    Change.GROWTH: "Growth of {}",
    Change.CUMULATIVE: "Running total of {}",
}
_OPERATORS = {
    Operator.AT_LEAST: "at least",
    Operator.AT_MOST: "at most",
    Operator.ABOVE: "more than",
    Operator.BELOW: "less than",
}

_NAMED = 5  # values of a filter that are listed


def said(query: Query, model: DataModel) -> str:
    """The whole query in one line: `Top 5 stores by revenue for sales channel Web in March 2026`."""
    ranked = _ranked(query, model)
    parts = [ranked or _subject(query, model), *(_by(query, model) if not ranked else ())]
    parts += [condition(one, model) for one in query.filters]
    if query.period:
        parts.append(periods.said(query.period))
    if query.compare:
        parts.append(f"compared with {periods.named(query.compare)}")
    line = " ".join(parts)
    return line if ranked else line + _order(query, model)


def understood(query: Query, model: DataModel) -> tuple[str, ...]:
    """The same, one thing after the other: what, by what, which rows, when, how ordered."""
    lines = [f"What: {_subject(query, model)}"]
    lines += [f"By: {listed([_breakdown(one, model) for one in query.breakdowns])}"] if query.breakdowns else []
    lines += [f"Only: {condition(one, model)}" for one in query.filters]
    lines.append(f"When: {periods.named(query.period) if query.period else 'all the time there is data for'}")
    lines += [f"Compared with: {periods.named(query.compare)}"] if query.compare else []
    order = _order(query, model).removeprefix(", ")
    return (*lines, f"Order: {order}") if order else tuple(lines)


def titled(query: Query, model: DataModel) -> str:
    """What a chart of it is called; the period stands below it."""
    return said(query.model_copy(update={"period": None, "compare": None}), model)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _subject(query: Query, model: DataModel) -> str:
    labels = [asking.low(model.measure(name).label) for name in query.measures]
    text = _CHANGES[query.change].format(listed(labels))
    return text[:1].upper() + text[1:]


def _by(query: Query, model: DataModel) -> Iterator[str]:
    if query.breakdowns:
        yield f"by {listed([_breakdown(one, model) for one in query.breakdowns])}"


def _breakdown(breakdown: Breakdown, model: DataModel) -> str:
    return breakdown.grain.value if breakdown.grain else asking.low(model.dimension(breakdown.dimension).label)


def _ranked(query: Query, model: DataModel) -> str:
    """`Top 5 stores by revenue`, where that says all."""
    simple = len(query.breakdowns) == 1 and len(query.measures) == 1 and query.change is Change.NONE and query.limit
    if not simple or query.order is None or query.order.field != query.measures[0]:
        return ""
    one = query.breakdowns[0]
    if model.dimension(one.dimension).label.endswith(" by"):
        return ""  # has no plural
    what = f"{one.grain.value}s" if one.grain else asking.plural(model.dimension(one.dimension).label)
    place = "Top" if query.order.descending else "Bottom"
    return f"{place} {query.limit} {what} by {asking.low(model.measure(query.measures[0]).label)}"


def condition(one: Filter, model: DataModel) -> str:
    """`for store London`, `excluding brand Alder`, `with more than 100 orders`."""
    measure = next((measure for measure in model.measures if measure.name == one.field), None)
    if measure:
        return f"with {_OPERATORS[one.operator]} {_number(one.values[0], measure)} {asking.low(measure.label)}"
    label = asking.low(model.dimension(one.field).label)
    values = [f"{value}" for value in one.values]
    if one.operator in _OPERATORS:
        return f"with {label} {_OPERATORS[one.operator]} {values[0]}"
    lead = "excluding" if one.operator is Operator.IS_NOT else "for"
    named = values if len(values) <= _NAMED else [*values[: _NAMED - 1], f"{len(values) - _NAMED + 1} more"]
    return f"{lead} {label} {listed(named)}"


def _number(value: object, measure: Measure) -> str:
    if isinstance(value, int | float):
        return f"{value * 100:g}%" if measure.format is Format.PERCENT else f"{value:,}"
    return str(value)


def _order(query: Query, model: DataModel) -> str:
    if query.order is None or not query.breakdowns:
        return f", top {query.limit}" if query.limit else ""
    by = _ordered_by(query, model)
    if query.limit:
        return f", {'top' if query.order.descending else 'bottom'} {query.limit}{by}"
    return f", {'highest' if query.order.descending else 'lowest'} first{by}"


def _ordered_by(query: Query, model: DataModel) -> str:
    assert query.order
    field = query.order.field
    if field == query.measures[0]:
        return ""
    for name in query.measures:
        if field == column_name(name, Role.CHANGE):
            return " by change"
        if field in {column_name(name, role) for role in Role}:
            return "" if name == query.measures[0] else f" by {asking.low(model.measure(name).label)}"
    names = {one.name: one.label for one in model.measures} | {one.name: one.label for one in model.dimensions}
    return f" by {asking.low(names.get(field, field))}"
