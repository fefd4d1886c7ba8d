"""Whether a model can answer a query at all, said in sentences before any SQL is written. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from afield.provisioning.datamodel import Aggregation, ColumnType, DataModel, Measure
from afield.provisioning.query import Change, Period, Query
from afield.provisioning.semantic.answer import columns_of
from afield.provisioning.semantic.check_filters import check_filters
from afield.provisioning.semantic.errors import QueryError, listed
from afield.provisioning.semantic.needs import (
    ADDITIVE,
    COUNTING,
    all_measures,
    bases_of,
    facts_needed,
    shown_measures,
)
from afield.provisioning.semantic.paths import dimensions_for, reached

_SUMMABLE = frozenset({ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT, ColumnType.BOOLEAN})
_NUMBERS = _SUMMABLE - {ColumnType.BOOLEAN}
_WORDS = {Change.SHARE: "A share", Change.GROWTH: "Growth", Change.CUMULATIVE: "A running total"}


def check(query: Query, model: DataModel) -> None:
    """Nothing, if the model can answer the query; otherwise QueryError says why not, and what can be asked."""
    _check_names(query, model)
    for measure in bases_of(all_measures(query, model), model):
        _check_measure(measure, model)
    _check_breakdowns(query, model)
    check_filters(query, model)
    _check_reach(query, model)
    _check_periods(query, model)
    _check_change(query, model)
    _check_output(query, model)


def _check_names(query: Query, model: DataModel) -> None:
    _known("measure", query.measures, [one.name for one in model.measures])
    _known("dimension", [one.dimension for one in query.breakdowns], [one.name for one in model.dimensions])
    both = [*(one.name for one in model.measures), *(one.name for one in model.dimensions)]
    _known("measure or dimension", [one.field for one in query.filters], both)


def _known(kind: str, wanted: Sequence[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            options = tuple(there)
            raise QueryError(f"There is no {kind} {name}.", hint=f"There are: {listed(options)}.", options=options)


def _check_measure(measure: Measure, model: DataModel) -> None:
    """The model's own mistakes, before they become wrong numbers."""
    if measure.aggregation is None:
        raise QueryError(
            f"{measure.label} cannot be computed: it is neither an aggregation nor a ratio of two.",
            hint="Ask for another measure; this one is a fault of the data model.",
        )
    if measure.column is None and measure.aggregation is not Aggregation.COUNT:
        raise QueryError(f"{measure.label} has no column to compute {measure.aggregation.value} of.")
    if measure.column is None:
        return
    wanted = {
        Aggregation.SUM: _SUMMABLE,
        Aggregation.AVERAGE: _SUMMABLE,
        Aggregation.MINIMUM: _NUMBERS,
        Aggregation.MAXIMUM: _NUMBERS,
    }.get(measure.aggregation)
    found = model.table(measure.fact).column(measure.column).type
    if wanted and found not in wanted:
        raise QueryError(f"{measure.label} cannot be computed: {measure.column} is of type {found.value}.")


def _check_breakdowns(query: Query, model: DataModel) -> None:
    for breakdown in query.breakdowns:
        dimension = model.dimension(breakdown.dimension)
        if dimension.time and breakdown.grain is None:
            raise QueryError(f"{dimension.label} is a time.", hint="Say by day, week, month, quarter or year.")
        if breakdown.grain and not dimension.time:
            raise QueryError(f"{dimension.label} is not a time, so there is no {breakdown.grain.value} of it.")


def _check_reach(query: Query, model: DataModel) -> None:
    measures = all_measures(query, model)
    names = [one.dimension for one in query.breakdowns]
    names += [one.field for one in query.filters if one.field not in {measure.name for measure in measures}]
    for name in dict.fromkeys(names):
        for fact in facts_needed(query, model):
            _reach(query, model, fact, name)


def _reach(query: Query, model: DataModel, fact: str, name: str) -> None:
    try:
        reached(model, fact, model.dimension(name))
    except QueryError as error:
        if len(facts_needed(query, model)) == 1:
            raise
        measures = all_measures(query, model)
        options = tuple(one.name for one in dimensions_for(model, measures))
        together = " and ".join(one.label for one in measures)
        raise QueryError(
            error.message, hint=f"{together} can together be broken down by: {listed(options)}.", options=options
        ) from None


def _check_periods(query: Query, model: DataModel) -> None:
    if query.compare and not query.period:
        raise QueryError("There is a period to compare with, and none to compare.", hint="Name both.")
    for period in (query.period, query.compare):
        if period:
            _check_period(period, query, model)


def _check_period(period: Period, query: Query, model: DataModel) -> None:
    if period.start >= period.end:
        raise QueryError(
            f"The period from {period.start} to {period.end} has no day in it.", hint="The end is not part of it."
        )
    for fact in facts_needed(query, model):
        if model.table(fact).date_column is None:
            raise QueryError(f"Nothing says when a row of {fact} happened, so there is no period of it.")


def _check_change(query: Query, model: DataModel) -> None:
    if query.change is Change.NONE:
        return
    word = _WORDS[query.change]
    if query.compare:
        raise QueryError(f"{word} and a comparison of periods cannot be had at once.", hint="Ask for one of them.")
    times = sum(one.grain is not None for one in query.breakdowns)
    if query.change is Change.SHARE and not query.breakdowns:
        raise QueryError("A share needs something to divide the total by.", hint="Name a breakdown.")
    if query.change is not Change.SHARE and times != 1:
        raise QueryError(f"{word} needs exactly one breakdown by time; here are {times}.", hint="Say by month, say.")
    for measure in shown_measures(query, model):
        _check_sums_up(measure, query.change)


def _check_sums_up(measure: Measure, change: Change) -> None:
    """Averages, ratios and extremes of parts do not add up to that of the whole."""
    wanted = {Change.SHARE: COUNTING, Change.CUMULATIVE: ADDITIVE}.get(change)
    if wanted and measure.aggregation not in wanted:
        word = "a share of it" if change is Change.SHARE else "a running total of it"
        raise QueryError(
            f"{measure.label} does not add up over its parts, so {word} would be wrong.",
            hint="Sums and counts of rows can be asked for so.",
        )


def _check_output(query: Query, model: DataModel) -> None:
    names = [one.name for one in columns_of(query, model)]
    doubled = [name for name, count in Counter(names).items() if count > 1] + _repeated(query)
    if doubled:
        raise QueryError(f"{doubled[0]} is asked for twice.", hint="Ask for each once.")
    hidden = {one.name for one in (*all_measures(query, model), *bases_of(all_measures(query, model), model))}
    clash = hidden & ({*names} - {one.name for one in shown_measures(query, model)})
    if clash:
        raise QueryError(f"{min(clash)} would mean two things here.", hint="Ask for one of them at a time.")
    if query.order and query.order.field not in names:
        raise QueryError(
            f"The answer cannot be ordered by {query.order.field}: it is not in it.",
            hint=f"It can be ordered by any measure, or by: {listed(tuple(names))}.",
            options=tuple(names),
        )


def _repeated(query: Query) -> list[str]:
    return [name for name, count in Counter(query.measures).items() if count > 1]
