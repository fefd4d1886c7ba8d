"""Golden questions: made from the data model together with the plans that are their meaning, so that they can be run.

Pure, and the same model and manifest give the same questions. docs/provisioning-data.md lists the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from afield.provisioning import asking
from afield.provisioning.brief import Brief
from afield.provisioning.datamodel import Aggregation, DataModel, Dimension, Measure
from afield.provisioning.dataset import Anomaly, Dataset
from afield.provisioning.industries.focus import hits, wishes
from afield.provisioning.industries.library import industries
from afield.provisioning.query import Breakdown, Change, Filter, GoldenQuestion, Grain, Operator, Order, Period, Query
from afield.provisioning.reach import asked, dimensions_of, time_of
from afield.provisioning.stock import Stock

FEWEST, MOST = 12, 25
_AROUND = timedelta(weeks=4)
_CORE = frozenset({"total", "top-n", "series", "filter", "ratio", "breakdown", "comparison", "anomaly"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A question before it has its number."""

    about: str
    text: str
    query: Query


def golden_questions(model: DataModel, dataset: Dataset, brief: Brief) -> tuple[GoldenQuestion, ...]:
    """Twelve to twenty-five questions, of every kind that the model allows. The focus of the brief comes first."""
    stock = Stock(model, dataset)
    makers: tuple[Callable[[Stock], Iterator[Asked]], ...] = (
        _totals, _tops, _series, _comparisons, _ratios, _filters, _shares, _growth, _together, _averages, _above,
        _running, _people, _breakdowns,
    )  # fmt: skip
    first = [*_wished(stock, brief), *_anomalies(stock), *_of_industry(stock)]
    rounds = [list(maker(stock)) for maker in makers]
    chosen = _different([*first, *_in_turn(rounds)])[:MOST]
    return tuple(
        GoldenQuestion(id=f"q{n:02}", text=one.text, query=one.query, about=one.about, matters=one.about in _CORE)
        for n, one in enumerate(chosen, 1)
    )


def _in_turn(rounds: list[list[Asked]]) -> Iterator[Asked]:
    """One of each kind, then another of each, and so on; not every kind begins with the same measure."""
    turned = [found[n % 3 :] + found[: n % 3] if len(found) > 3 else found for n, found in enumerate(rounds)]
    for place in range(max(map(len, turned), default=0)):
        yield from (found[place] for found in turned if place < len(found))


def _different(asked: Iterable[Asked]) -> list[Asked]:
    """No two with one text or one plan."""
    texts: set[str] = set()
    plans: set[str] = set()
    found = []
    for one in asked:
        text, plan = one.text.lower(), one.query.model_dump_json()
        if text not in texts and plan not in plans:
            found.append(one)
        texts.add(text)
        plans.add(plan)
    return found


# ------------------------------------------------------------------------------------------- the brief, the industry


def _wished(stock: Stock, brief: Brief) -> Iterator[Asked]:
    """The focus in the brief's own words, where the model has it."""
    for hit in hits(stock.model, wishes(brief)):
        phrase = asking.low(hit.phrase)
        if isinstance(hit.meant, Measure):
            yield from _by(stock, hit.meant, phrase)
        elif hit.meant and not hit.meant.time:
            measure = next(iter(stock.measures_by(hit.meant)), None)
            if measure:
                yield _each(measure, hit.meant, f"{measure.label} by {phrase}")


def _by(stock: Stock, measure: Measure, phrase: str) -> Iterator[Asked]:
    for dimension in stock.few(measure)[:1]:
        yield _each(measure, dimension, f"Show {phrase} by {asking.low(dimension.label)}")


def _each(measure: Measure, dimension: Dimension, text: str, about: str = "breakdown") -> Asked:
    return Asked(about, text, Query(measures=(measure.name,), breakdowns=(Breakdown(dimension=dimension.name),)))


def _of_industry(stock: Stock) -> Iterator[Asked]:
    """What people of this industry ask; as far as the model has it."""
    names = {one.name for one in asked(stock.model)}
    for form in industries():
        for spec in form.questions if form.name == stock.model.industry else ():
            if {spec.measure, spec.by} <= names:
                about = {"each": "breakdown"}.get(spec.kind, "ranking")
                order = None if spec.kind == "each" else Order(field=spec.measure, descending=spec.kind == "best")
                by = (Breakdown(dimension=spec.by),)
                yield Asked(
                    about, spec.text, Query(measures=(spec.measure,), breakdowns=by, order=order, limit=spec.top)
                )


def _anomalies(stock: Stock) -> Iterator[Asked]:
    """Weeks around a planted anomaly: the one that stands out is in it."""
    for anomaly in stock.dataset.anomalies:
        counted = stock.count_of(anomaly.fact)
        if counted:
            yield _weeks(stock, anomaly, counted)


def _weeks(stock: Stock, anomaly: Anomaly, counted: Measure) -> Asked:
    start, end = anomaly.start - _AROUND, min(anomaly.end + _AROUND, stock.dataset.today + timedelta(days=1))
    period = Period(start=start, end=end)
    text = f"{counted.label} by week"
    filters: tuple[Filter, ...] = ()
    if anomaly.dimension and anomaly.value:
        label = stock.model.dimension(anomaly.dimension).label
        text += f" for {asking.low(label)} {anomaly.value}"
        filters = (Filter(field=anomaly.dimension, values=(anomaly.value,)),)
    by = Breakdown(dimension=time_of(stock.model, anomaly.fact).name, grain=Grain.WEEK)
    query = Query(measures=(counted.name,), breakdowns=(by,), filters=filters, period=period)
    return Asked("anomaly", f"{text} {asking.between(period)}", query)


# ------------------------------------------------------------------------------------------- one measure


def _totals(stock: Stock) -> Iterator[Asked]:
    whole, last = asking.year(stock.last_year), stock.last_month
    for measure in stock.sums:
        query = Query(measures=(measure.name,), period=whole)
        yield Asked("total", f"{_how_much(measure)} in {stock.last_year}?", query)
    for measure in stock.sums[:1]:
        query = Query(measures=(measure.name,), period=last)
        yield Asked("total", f"{_how_much(measure)} in {asking.named_month(last)}?", query)


def _how_much(measure: Measure) -> str:
    label = asking.low(measure.label)
    if measure.aggregation is Aggregation.COUNT:
        return f"How many {label} were there"
    return f"What was the {label}" if label.startswith(("average", "total")) else f"What was the total {label}"


def _averages(stock: Stock) -> Iterator[Asked]:
    for measure, dimension in _varied(stock, stock.of(Aggregation.AVERAGE)):
        if dimension:
            label = asking.low(measure.label)
            yield _each(measure, dimension, f"What is the {label} by {asking.low(dimension.label)}?", "average")


def _people(stock: Stock) -> Iterator[Asked]:
    quarter = stock.last_quarter
    for measure in stock.of(Aggregation.COUNT_DISTINCT):
        text = f"How many {asking.low(measure.label)} were there in {asking.named_quarter(quarter)}?"
        yield Asked("distinct", text, Query(measures=(measure.name,), period=quarter))


def _ratios(stock: Stock) -> Iterator[Asked]:
    ratios = [one for one in stock.model.measures if one.aggregation is None]
    for measure, dimension in _varied(stock, ratios):
        if dimension:
            text = f"What is the {asking.low(measure.label)} by {asking.low(dimension.label)}?"
            yield _each(measure, dimension, text, "ratio")


def _varied(stock: Stock, measures: list[Measure]) -> Iterator[tuple[Measure, Dimension | None]]:
    """Each measure with one of its dimensions, not always the first."""
    for place, measure in enumerate(measures):
        few = stock.few(measure)
        yield measure, few[place % len(few)] if few else None


def _breakdowns(stock: Stock) -> Iterator[Asked]:
    for measure in stock.sums:
        for dimension in stock.few(measure)[1:3]:
            yield _each(measure, dimension, f"Show {asking.low(measure.label)} by {asking.low(dimension.label)}")


def _tops(stock: Stock) -> Iterator[Asked]:
    seen: set[str] = set()
    for measure in stock.sums:
        for dimension in stock.names(measure)[:2]:
            count = min(5, max(2, stock.rows_of(dimension) // 2))
            what, by = asking.plural(dimension.label), asking.low(measure.label)
            order = Order(field=measure.name)
            breakdowns = (Breakdown(dimension=dimension.name),)
            query = Query(measures=(measure.name,), breakdowns=breakdowns, order=order, limit=count)
            text = (
                f"Which {count} {what} have the highest {by}?"
                if dimension.table in seen
                else f"Top {count} {what} by {by}"
            )
            seen.add(dimension.table)
            yield Asked("top-n", text, query)


def _series(stock: Stock) -> Iterator[Asked]:
    grains = ((Grain.MONTH, "month"), (Grain.QUARTER, "quarter"), (Grain.WEEK, "week"))
    for place, measure in enumerate(stock.sums):
        grain, word = grains[place % len(grains)]
        period = asking.year(stock.last_year)
        query = Query(measures=(measure.name,), breakdowns=(stock.time(measure, grain),), period=period)
        yield Asked("series", f"Show {asking.low(measure.label)} by {word} in {stock.last_year}", query)


def _growth(stock: Stock) -> Iterator[Asked]:
    """Month on month of the last whole year."""
    for measure in stock.sums:
        period = asking.year(stock.last_year)
        by = stock.time(measure, Grain.MONTH)
        query = Query(measures=(measure.name,), breakdowns=(by,), period=period, change=Change.GROWTH)
        yield Asked("growth", f"Monthly growth of {asking.low(measure.label)} in {stock.last_year}", query)


def _running(stock: Stock) -> Iterator[Asked]:
    for measure in stock.sums:
        by = stock.time(measure, Grain.MONTH)
        period = asking.year(stock.last_year)
        query = Query(measures=(measure.name,), breakdowns=(by,), period=period, change=Change.CUMULATIVE)
        yield Asked("running", f"Running total of {asking.low(measure.label)} by month in {stock.last_year}", query)


# ------------------------------------------------------------------------------------------- parts and wholes


def _shares(stock: Stock) -> Iterator[Asked]:
    for measure, dimension in _varied(stock, stock.sums):
        if dimension:
            text = f"What share of {asking.low(measure.label)} comes from each {asking.low(dimension.label)}?"
            by = (Breakdown(dimension=dimension.name),)
            yield Asked("share", text, Query(measures=(measure.name,), breakdowns=by, change=Change.SHARE))


def _comparisons(stock: Stock) -> Iterator[Asked]:
    last, before = stock.last_month, asking.month_before(stock.last_month)
    for measure in stock.sums:
        label, months = asking.low(measure.label), f"{asking.named_month(last)} with {asking.named_month(before)}"
        yield Asked("comparison", f"Compare {label} in {months}", _compared(measure, (), last, before))
        for dimension in stock.few(measure)[:1]:
            text = f"Compare {label} by {asking.low(dimension.label)} in {months}"
            by = (Breakdown(dimension=dimension.name),)
            yield Asked("comparison", text, _compared(measure, by, last, before))


def _compared(measure: Measure, by: tuple[Breakdown, ...], period: Period, before: Period) -> Query:
    return Query(measures=(measure.name,), breakdowns=by, period=period, compare=before)


def _filters(stock: Stock) -> Iterator[Asked]:
    for measure in stock.sums:
        label = asking.low(measure.label)
        pairs = stock.sure_values(measure)
        for dimension, value in pairs[:2]:
            condition = Filter(field=dimension.name, values=(value,))
            where = f"for {asking.low(dimension.label)} {value}"
            yield Asked(
                "filter", f"{_how_much(measure)} {where}?", Query(measures=(measure.name,), filters=(condition,))
            )
            others = [one for one in stock.few(measure) if one.name != dimension.name][:1]
            for other in others:
                by = (Breakdown(dimension=other.name),)
                text = f"Show {label} by {asking.low(other.label)} {where}"
                yield Asked("filter", text, Query(measures=(measure.name,), breakdowns=by, filters=(condition,)))


def _above(stock: Stock) -> Iterator[Asked]:
    """More than half of an even share: some have it, whoever they are."""
    for measure in stock.sums:
        if measure.aggregation is Aggregation.COUNT:
            for dimension in stock.names(measure)[:1]:
                bar = _round(stock.rows_in(measure.fact) // (2 * stock.rows_of(dimension)))
                text = f"Which {asking.plural(dimension.label)} have more than {bar} {asking.low(measure.label)}?"
                condition = Filter(field=measure.name, operator=Operator.ABOVE, values=(bar,))
                by = (Breakdown(dimension=dimension.name),)
                yield Asked("threshold", text, Query(measures=(measure.name,), breakdowns=by, filters=(condition,)))


def _together(stock: Stock) -> Iterator[Asked]:
    """Measures of two facts, by what both can be broken down by, and by month."""
    firsts = stock.firsts
    for one, other in pairwise(firsts):
        both = f"{asking.low(one.label)} and {asking.low(other.label)}"
        names = (one.name, other.name)
        period = asking.year(stock.last_year)
        by = (stock.time(one, Grain.MONTH),)
        text = f"Show {both} by month in {stock.last_year}"
        yield Asked("two facts", text, Query(measures=names, breakdowns=by, period=period))
        shared = {dimension.name for dimension in dimensions_of(stock.model, other.fact)}
        for dimension in [d for d in stock.few(one) if d.name in shared][:1]:
            by = (Breakdown(dimension=dimension.name),)
            yield Asked(
                "two facts", f"Show {both} by {asking.low(dimension.label)}", Query(measures=names, breakdowns=by)
            )


def _round(number: int) -> int:
    """Downwards, to a number people would say."""
    step = int("1" + "0" * (len(str(number)) - 2)) if number > 99 else 1
    return max(1, number // step * step)
