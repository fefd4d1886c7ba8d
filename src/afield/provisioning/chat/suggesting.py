"""Questions to ask instead or next: queries that the model can answer, in words that are understood again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice

from afield.provisioning.chat import periods
from afield.provisioning.chat.outcomes import Option
from afield.provisioning.chat.saying import said
from afield.provisioning.datamodel import ColumnType, DataModel, Dimension, Measure
from afield.provisioning.query import Breakdown, Change, Grain, Order, Period, Query
from afield.provisioning.reach import dimensions_of, facts, time_of
from afield.provisioning.recipe import Code, Named
from afield.provisioning.semantic.answer import Role, column_name
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.errors import QueryError

_FEW = 12  # values that fit one chart
_TOP = 5


def options(queries: Iterable[Query], model: DataModel, most: int = 4) -> tuple[Option, ...]:
    """The queries that can be answered, each in words; no two alike."""
    found: dict[str, Option] = {}
    for query in queries:
        if len(found) < most and can_answer(query, model):
            wording = said(query, model)
            found.setdefault(wording, Option(wording=wording, query=query))
    return tuple(found.values())


def can_answer(query: Query, model: DataModel) -> bool:
    """The model has all it takes."""
    try:
        check(query, model)
    except QueryError:
        return False
    return True


def starters(model: DataModel, today: date) -> tuple[Option, ...]:
    """What a person new to the data might ask: of each fact a little."""
    last = periods.unit(today, Grain.MONTH, -1)
    queries = []
    for fact in facts(model):
        measures = [one for one in model.measures if one.fact == fact]
        for measure in measures[:1]:
            queries += [_by(measure, one) for one in few(measure, model)[:1]]
            queries.append(_series(measure, model, None))
            queries.append(Query(measures=(measure.name,), period=last, compare=periods.before(last)))
    return options(_spread(queries, 3), model, 5)


def _spread(queries: list[Query], step: int) -> Iterator[Query]:
    """The first of each fact, then the second of each."""
    for start in range(step):
        yield from queries[start::step]


def next_questions(query: Query, model: DataModel, today: date) -> tuple[Option, ...]:
    """What may be asked after an answer: another breakdown, the course over time, a comparison."""
    found = [one for one in _next(query, model, today) if one != query]
    return options(found, model, 3)


def _next(query: Query, model: DataModel, today: date) -> Iterator[Query]:
    measure = model.measure(query.measures[0])
    bare = query.model_copy(
        update={"breakdowns": (), "order": None, "limit": None, "compare": None, "change": Change.NONE}
    )
    bare = bare.model_copy(update={"filters": tuple(one for one in query.filters if one.field not in query.measures)})
    used = {one.dimension for one in query.breakdowns} | {one.field for one in query.filters}
    others = [one for one in few(measure, model) if one.name not in used]
    for one in others[:1]:
        yield bare.model_copy(update={"breakdowns": (Breakdown(dimension=one.name),)})
    if not any(one.grain for one in query.breakdowns):
        grain = periods.fitting_grain(query.period)
        yield bare.model_copy(
            update={"breakdowns": (Breakdown(dimension=time_of(model, measure.fact).name, grain=grain),)}
        )
    if query.compare is None:
        period = periods.so_far(query.period, today) if query.period else periods.unit(today, Grain.MONTH, -1)
        yield bare.model_copy(update={"period": period, "compare": periods.same_days_before(period, today)})
    for one in others[1:3]:
        yield bare.model_copy(update={"breakdowns": (Breakdown(dimension=one.name),)})


def reasons(measure: Measure, period: Period | None, fallen: bool, model: DataModel, today: date) -> tuple[Option, ...]:
    """What the data can show of a change, where its cause was asked for: where it happened, and when."""
    period = period or periods.unit(today, Grain.MONTH, -1)
    order = Order(field=column_name(measure.name, Role.CHANGE), descending=not fallen)
    compared = Query(
        measures=(measure.name,), period=period, compare=periods.same_days_before(period, today), order=order
    )
    by = [
        compared.model_copy(update={"breakdowns": (Breakdown(dimension=one.name),)}) for one in few(measure, model)[:3]
    ]
    around = Period(start=periods.before(periods.before(period)).start, end=period.end)
    return options([*by, _series(measure, model, around)], model)


def with_dimensions(names: Iterable[str], query: Query, model: DataModel) -> tuple[Option, ...]:
    """The query by other dimensions."""
    known = {one.name: one for one in model.dimensions if not one.time}
    wanted = [known[name] for name in names if name in known]
    small = sorted(wanted, key=lambda one: not is_few(one, model))
    plain = query.model_copy(
        update={"breakdowns": (), "filters": (), "order": None, "limit": None, "change": Change.NONE}
    )
    return options((plain.model_copy(update={"breakdowns": (Breakdown(dimension=one.name),)}) for one in small), model)


def few(measure: Measure, model: DataModel) -> list[Dimension]:
    """What a measure can be broken down by with few values, names first."""
    found = [one for one in dimensions_of(model, measure.fact) if is_few(one, model)]
    return sorted(found, key=lambda one: one.table == measure.fact)


def is_few(dimension: Dimension, model: DataModel) -> bool:
    """It has only some values."""
    column = model.table(dimension.table).column(dimension.column)
    if column.type is not ColumnType.TEXT or isinstance(column.recipe, Code):
        return False
    several = isinstance(column.recipe, Named) and bool(column.recipe.variants)
    return 2 <= len(column.values) <= _FEW and not several


def tops(measure: Measure, model: DataModel) -> Iterator[Query]:
    """Rankings by what has many values."""
    for one in dimensions_of(model, measure.fact):
        if not one.time and not is_few(one, model):
            by = (Breakdown(dimension=one.name),)
            yield Query(measures=(measure.name,), breakdowns=by, order=Order(field=measure.name), limit=_TOP)


def some_measures(model: DataModel, most: int = 6) -> tuple[Measure, ...]:
    """The first measure of each fact, then the second of each, and so on."""
    groups = [[one for one in model.measures if one.fact == fact] for fact in facts(model)]
    longest = max(map(len, groups), default=0)
    turns = (group[place] for place in range(longest) for group in groups if place < len(group))
    return tuple(islice(turns, most))


def _by(measure: Measure, dimension: Dimension) -> Query:
    return Query(measures=(measure.name,), breakdowns=(Breakdown(dimension=dimension.name),))


def _series(measure: Measure, model: DataModel, period: Period | None) -> Query:
    time = Breakdown(dimension=time_of(model, measure.fact).name, grain=periods.fitting_grain(period))
    return Query(measures=(measure.name,), breakdowns=(time,), period=period)
