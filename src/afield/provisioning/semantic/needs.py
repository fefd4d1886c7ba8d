"""What a query needs of its model: measures shown and hidden, the aggregates they are made of, the facts. Pure.

Names are taken as known; `semantic.check` sees to that.
"""

from __future__ import annotations

from afield.provisioning.datamodel import Aggregation, DataModel, Measure
from afield.provisioning.query import Breakdown, Change, Filter, Query
from afield.provisioning.semantic.paths import facts_of

ADDITIVE = frozenset({Aggregation.SUM, Aggregation.COUNT})
COUNTING = ADDITIVE | {Aggregation.COUNT_DISTINCT}
"""Over no rows these are 0; the others are NULL."""


def is_measure(name: str, model: DataModel) -> bool:
    """A measure has this name, and no dimension."""
    return not _is_dimension(name, model) and any(one.name == name for one in model.measures)


def shown_measures(query: Query, model: DataModel) -> tuple[Measure, ...]:
    """The measures asked for, and the one they are ordered by."""
    ordered = (query.order.field,) if query.order and is_measure(query.order.field, model) else ()
    return tuple(model.measure(name) for name in dict.fromkeys((*query.measures, *ordered)))


def all_measures(query: Query, model: DataModel) -> tuple[Measure, ...]:
    """Those shown, then those that are only filtered by."""
    filtered = [one.field for one in measure_filters(query, model)]
    names = [one.name for one in shown_measures(query, model)]
    return tuple(model.measure(name) for name in dict.fromkeys((*names, *filtered)))


def parts_of(measure: Measure, model: DataModel) -> tuple[Measure, ...]:
    """What a measure is made of: itself, or the two parts of a ratio."""
    if measure.numerator and measure.denominator:
        return (model.measure(measure.numerator), model.measure(measure.denominator))
    return (measure,)


def bases_of(measures: tuple[Measure, ...], model: DataModel) -> tuple[Measure, ...]:
    """What has to be aggregated for them, each once."""
    return tuple({part.name: part for one in measures for part in parts_of(one, model)}.values())


def facts_needed(query: Query, model: DataModel) -> tuple[str, ...]:
    """The facts whose rows are read."""
    return tuple(dict.fromkeys(fact for one in all_measures(query, model) for fact in facts_of(model, one)))


def row_filters(query: Query, model: DataModel) -> tuple[Filter, ...]:
    """Conditions on rows, before anything is summed up."""
    return tuple(one for one in query.filters if not is_measure(one.field, model) and not _only_shows(one, query))


def shown_filters(query: Query, model: DataModel) -> tuple[Filter, ...]:
    """Of shares: conditions that choose which rows of the answer are shown, and leave the total whole."""
    return tuple(one for one in query.filters if not is_measure(one.field, model) and _only_shows(one, query))


def measure_filters(query: Query, model: DataModel) -> tuple[Filter, ...]:
    """Conditions on sums."""
    return tuple(one for one in query.filters if is_measure(one.field, model))


def time_breakdown(query: Query) -> Breakdown | None:
    """The first breakdown with a grain."""
    return next((one for one in query.breakdowns if one.grain), None)


def _only_shows(condition: Filter, query: Query) -> bool:
    keys = {one.dimension for one in query.breakdowns if not one.grain}
    return query.change is Change.SHARE and condition.field in keys


def _is_dimension(name: str, model: DataModel) -> bool:
    return any(one.name == name for one in model.dimensions)
