"""What questions are taken for: queries, questions back, refusals; alone, and after others."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import pytest
from benchmarks.chat_questions import INDUSTRIES, TODAY, model_of
from hypothesis import given, settings
from hypothesis import strategies as st

from afield.provisioning.chat import periods
from afield.provisioning.chat.agent import known_of
from afield.provisioning.chat.lexicon import Kind
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Reading, Understood
from afield.provisioning.chat.saying import said
from afield.provisioning.chat.suggesting import can_answer, next_questions, starters
from afield.provisioning.chat.understand import Known, State, understand
from afield.provisioning.query import Breakdown, Change, Filter, Grain, Operator, Order, Period, Query
from afield.provisioning.reach import time_of
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.paths import dimensions_for

FRESH = State()


@cache
def known(industry: str) -> Known:
    return known_of(model_of(industry), {}, TODAY)


def ask(question: str, state: State = FRESH, industry: str = "retail") -> Reading:
    return understand(question, state, known(industry))


def meant(question: str, industry: str = "retail") -> str:
    reading = ask(question, industry=industry)
    assert isinstance(reading, Understood), reading
    return reading.wording


@pytest.mark.parametrize(
    ("question", "wording"),
    [
        ("What was our total revenue last month?", "Revenue in October 2026"),
        ("monthly revenue trend for Gold customers", "Revenue by month for loyalty tier Gold"),
        ("Top 5 shops by profit", "Top 5 stores by profit"),
        ("show me the 3 worst stores by profit in 2025", "Bottom 3 stores by profit in 2025"),
        ("which month had the highest revenue in 2025?", "Revenue by month in 2025, highest first"),
        ("number of returns per return reason, highest first", "Returns by return reason, highest first"),
        ("stores with at least 500 orders", "Orders by store with at least 500 orders"),
        ("revenue excluding Web and App", "Revenue excluding sales channel Web and App"),
        ("What percent of visits come from Search?", "Share of total visits by visit source for visit source Search"),
        ("What percentage of orders were cancelled?", "Cancellation rate"),
        ("revenue from cancelled orders", "Revenue for order status Cancelled"),
        ("returned orders by store", "Orders by store for order status Returned"),
        ("average revenue by store", "Average order value by store"),
        ("revenue per order", "Average order value"),
        ("how many customers bought last week", "Active customers between 9 November 2026 and 15 November 2026"),
        ("customers by segment", "Active customers by customer segment"),
        ("is revenue growing?", "Growth of revenue by month"),
        ("running total of orders by week this quarter", "Running total of orders by week in Q4 2026"),
        ("Orders in Q1 vs Q2 2026", "Orders in Q2 2026 compared with Q1 2026"),
        ("Orders in Q1 vs Q2 2025", "Orders in Q2 2025 compared with Q1 2025"),
        ("March 2026 revenue against the previous month", "Revenue in March 2026 compared with February 2026"),
        ("March 2026 revenue against last year", "Revenue in March 2026 compared with March 2025"),
        ("compare profit of store London and store Leeds", "Profit by store for store London and Leeds"),
        ("Sales channel Store revenue", "Revenue for sales channel Store"),
        ("revenue by store, sales channel", "Revenue by store and sales channel"),
        (
            "biggest drop in revenue by store this month",
            "Revenue by store between 1 November 2026 and 21 November 2026 compared with 1 October 2026 to 21 October "
            "2026, lowest first by change",
        ),
        ("the 3 stores with the most orders", "Top 3 stores by orders"),
        ("Which store has the worst profit?", "Profit by store, lowest first"),
        ("Which store has the worst cancellation rate?", "Cancellation rate by store, highest first"),
        ("profit by store where revenue is above 10k", "Profit by store with more than 10,000 revenue"),
        ("reveneu by catgory", "Revenue by category"),
    ],
)
def test_questions_are_understood(question: str, wording: str) -> None:
    assert meant(question) == wording


@pytest.mark.parametrize(
    ("question", "measures"),
    [
        ("best selling products", {"revenue", "units_sold"}),
        ("least profitable brands", {"profit", "profit_margin"}),
        ("What percentage of orders were cancelled by store?", {"cancelled_orders", "cancellation_rate"}),
    ],
)
def test_close_calls_are_asked_about(question: str, measures: set[str]) -> None:
    reading = ask(question)
    assert isinstance(reading, Ask)
    assert {name for option in reading.options for name in option.query.measures} == measures


def test_a_measure_that_fits_badly_is_only_proposed() -> None:
    reading = understand("approved loan value", FRESH, known("retail"))
    assert isinstance(reading, Outside)
    reading = ask("Which customer segment spends the most per order?")
    assert isinstance(reading, Ask)
    assert [option.wording for option in reading.options] == ["Average order value by customer segment, highest first"]


def test_without_a_measure_the_chat_asks_which() -> None:
    reading = ask("top categories in 2025")
    assert isinstance(reading, Ask)
    assert reading.options[0].wording == "Top 10 categories by revenue in 2025"


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("revenue by weather", "broken down by “weather”"),
        ("revenue for Germany", "no “Germany”"),
        ("revenue excluding Mars", "“Mars” cannot be left out"),
        ("How many employees do we have?", "known as “employees”"),
        ("how many stores do we have?", "cannot be counted"),
        ("average revenue by month", "average of revenue by month is not in the data"),
        ("visits by store", "says nothing about visits"),
        ("share of profit margin by store", ""),
        ("forecast revenue for next month", "does not forecast"),
        ("Which weekdays are busiest?", "no weekdays"),
        ("why did revenue drop in March", "not why"),
        ("Top 3 brands in each category by revenue", "within each"),
        ("top 5 revenue", "not clear what is to be ranked"),
        ("Where do our customers come from?", "“Where”"),
        ("revenue by month for that one", "said by its name"),
        ("orders over 100 euros", "not clear what is to be above 100"),
        ("share of revenue", "needs something to divide"),
        ("hello", "You can ask about"),
        ("revenue by store, category, brand and device", ""),
        ("select * from orders", "“select”"),
        ("'; DELETE FROM orders; --", ""),
        ("", "You can ask about"),
        ("?!", "You can ask about"),
    ],
)
def test_what_lies_outside_is_refused_with_what_can_be_asked(question: str, why: str) -> None:
    reading = ask(question)
    if question.startswith("share of profit margin"):
        assert isinstance(reading, Understood)  # a rate is not divided again
        assert reading.query.change is Change.NONE
        return
    assert isinstance(reading, Outside), reading
    assert why in reading.reason
    for option in reading.suggestions:
        check(option.query, known("retail").model)
    assert reading.suggestions


@pytest.mark.parametrize(
    "question", ["What is the weather in London?", "Tell me a joke about revenue", "revenue, dude"]
)
def test_words_that_nothing_explains_are_not_passed_over(question: str) -> None:
    assert isinstance(ask(question), Outside)


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_is_taken_for_something(text: str) -> None:
    reading = ask(text)
    if isinstance(reading, Understood):
        check(reading.query, known("retail").model)


WORDS = (
    "revenue",
    "by",
    "top",
    "5",
    "store",
    "and",
    "not",
    "Web",
    "more",
    "than",
    "100",
    "last",
    "month",
    "why",
    "share",
)


@given(st.lists(st.sampled_from((*WORDS, "of", "2025", "vs"))))
@settings(max_examples=80, deadline=None)
def test_any_mix_of_its_words_gives_a_query_that_can_be_answered_or_none(words: list[str]) -> None:
    reading = ask(" ".join(words))
    options = reading.options if isinstance(reading, Ask) else ()
    queries = [reading.query] if isinstance(reading, Understood) else [option.query for option in options]
    for query in queries:
        check(query, known("retail").model)


# ------------------------------------------------------------------------------------------------------- follow-ups


def talk(*questions: str, industry: str = "retail") -> Reading:
    """The last reading of a conversation."""
    state, reading = FRESH, None
    for question in questions:
        reading = understand(question, state, known(industry))
        if isinstance(reading, Understood):
            state = State(query=reading.query)
        elif isinstance(reading, Ask):
            state = State(query=state.query, offered=reading.options, asked=True)
        elif reading.fresh:
            state = FRESH
    assert reading
    return reading


@pytest.mark.parametrize(
    ("questions", "wording"),
    [
        (("Revenue by category", "and by store?"), "Revenue by store"),
        (("Revenue by category", "also by month"), "Revenue by category and month"),
        (
            ("revenue by month in 2025", "break that down by sales channel"),
            "Revenue by month and sales channel in 2025",
        ),
        (("Revenue by store", "what about profit?"), "Profit by store"),
        (("Revenue by store", "also show profit"), "Revenue and profit by store"),
        (("Revenue by store", "only Web"), "Revenue by store for sales channel Web"),
        (("Revenue by store for Web", "and App?"), "Revenue by store for sales channel App"),
        (("Revenue by store for Web", "excluding Web"), "Revenue by store excluding sales channel Web"),
        (("Revenue by store for Web", "without the filter"), "Revenue by store"),
        (("Revenue by store for Web", "for all sales channels"), "Revenue by store"),
        (("Revenue by store", "top 3 instead"), "Top 3 stores by revenue"),
        (("Top 3 stores by revenue", "and the worst?"), "Bottom 3 stores by revenue"),
        (("Top 3 stores by revenue", "by category"), "Top 3 categories by revenue"),
        (("Top 3 stores by revenue", "by month"), "Revenue by month"),
        (("Revenue by store last month", "what about last year?"), "Revenue by store in 2025"),
        (("Revenue by store in 2025", "compared to the year before"), "Revenue by store in 2025 compared with 2024"),
        (("Revenue in March 2026", "vs last year"), "Revenue in March 2026 compared with March 2025"),
        (("Revenue by store", "as a share"), "Share of total revenue by store"),
        (("Revenue by month", "as a running total"), "Running total of revenue by month"),
        (("Revenue by month for Web", "start over", "orders"), "Orders"),
        (("Revenue by month for Web", "Orders by store"), "Orders by store"),
        (("best selling products", "the second one"), "Top 10 products by units sold"),
        (("best selling products", "1"), "Top 10 products by revenue"),
        (("best selling products", "Top 10 products by units sold"), "Top 10 products by units sold"),
        (("best selling products", "profit"), "Top 10 products by profit"),
        (("top categories", "visits", "by device"), "Top 10 devices by visits"),
        (("Orders by month", "what about visits?"), "Visits by month"),
    ],
)
def test_follow_ups_go_on_from_what_was_asked(questions: tuple[str, ...], wording: str) -> None:
    reading = talk(*questions)
    assert isinstance(reading, Understood), reading
    assert reading.wording == wording


def test_a_time_becomes_that_of_the_new_measure() -> None:
    reading = talk("Orders by month", "what about visits?")
    assert isinstance(reading, Understood)
    assert reading.query.breakdowns == (Breakdown(dimension="visit_date", grain=Grain.MONTH),)


def test_a_refusal_leaves_the_conversation_where_it_was() -> None:
    reading = talk("Revenue by store", "what is the weather?", "only Web")
    assert isinstance(reading, Understood)
    assert reading.wording == "Revenue by store for sales channel Web"


# ------------------------------------------------------------------------------------------- said and read again


def _periods() -> list[Period | None]:
    whole = [periods.unit(TODAY, grain, -1) for grain in Grain]
    return [None, *whole, Period(start=TODAY - timedelta(40), end=TODAY - timedelta(3))]


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, Query]:
    """Any query that a model can answer."""
    industry = draw(st.sampled_from(INDUSTRIES))
    model = known(industry).model
    measures = draw(st.lists(st.sampled_from(model.measures), min_size=1, max_size=2, unique=True))
    dimensions = [one for one in dimensions_for(model, measures) if not one.time]
    chosen = draw(st.lists(st.sampled_from(dimensions), max_size=2, unique=True)) if dimensions else []
    by = [Breakdown(dimension=one.name) for one in chosen]
    grain = draw(st.sampled_from([None, *Grain]))
    by += [Breakdown(dimension=time_of(model, measures[0].fact).name, grain=grain)] if grain else []
    period = draw(st.sampled_from(_periods()))
    compare = periods.before(period) if period and draw(st.booleans()) else None
    query = Query(
        measures=tuple(one.name for one in measures),
        breakdowns=tuple(by),
        filters=tuple(_filters(draw, industry, [one.name for one in dimensions])),
        period=period,
        compare=compare,
        change=Change.NONE if compare else draw(st.sampled_from(Change)),
    )
    if by and query.change is Change.NONE and compare is None and draw(st.booleans()):
        order = Order(field=query.measures[0], descending=draw(st.booleans()))
        query = query.model_copy(update={"order": order, "limit": draw(st.sampled_from([None, 3, 10]))})
    return industry, query


def _filters(draw: st.DrawFn, industry: str, names: list[str]) -> list[Filter]:
    model, found = known(industry).model, []
    listed = [name for name in names if name in known(industry).sizes]
    for name in draw(st.lists(st.sampled_from(listed), max_size=2, unique=True)) if listed else []:
        dimension = model.dimension(name)
        values = model.table(dimension.table).column(dimension.column).values
        some = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))
        operator = draw(st.sampled_from([Operator.IS, Operator.IS_NOT]))
        found.append(Filter(field=name, operator=operator, values=tuple(some)))
    return found


def _plain(query: Query) -> tuple[object, ...]:
    """A query whose breakdowns and filters may stand in any order."""
    rest = query.model_dump(exclude={"breakdowns", "filters"})
    return (
        rest,
        {*query.breakdowns},
        {(one.field, one.operator, *sorted(map(str, one.values))) for one in query.filters},
    )


@given(queries())
@settings(max_examples=120, deadline=None)
def test_what_is_shown_as_understood_means_the_same_when_it_is_asked(pair: tuple[str, Query]) -> None:
    industry, query = pair
    if not can_answer(query, known(industry).model):
        return
    reading = ask(said(query, known(industry).model), industry=industry)
    assert isinstance(reading, Understood), (said(query, known(industry).model), reading)
    assert _plain(reading.query) == _plain(query), said(query, known(industry).model)


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_what_is_suggested_is_understood_as_what_it_is(industry: str) -> None:
    model = known(industry).model
    offers = list(starters(model, TODAY))
    offers += [more for one in offers for more in next_questions(one.query, model, TODAY)]
    assert len(offers) > 10
    for option in offers:
        reading = ask(option.wording, industry=industry)
        assert isinstance(reading, Understood), option.wording
        assert _plain(reading.query) == _plain(option.query)


# ------------------------------------------------------------------------------------------------------- likeness


class Dictionary:
    """Knows what a few words are like."""

    def __init__(self, **words: tuple[Kind, str]) -> None:
        self._words = words

    def near(self, phrase: str, kind: Kind) -> tuple[Meaning, ...]:
        return tuple(
            Meaning(found, name, 0.6) for word, (found, name) in self._words.items() if word in phrase and found is kind
        )


@pytest.mark.parametrize(
    ("question", "wording"),
    [("revenue by generation", "Revenue by customer segment"), ("footfall by device", "Visits by device")],
)
def test_words_that_are_like_a_name_lead_to_a_question_back(question: str, wording: str) -> None:
    alike = Dictionary(generation=(Kind.DIMENSION, "customer_segment"), footfall=(Kind.MEASURE, "visit_count"))
    reading = understand(question, FRESH, known_of(model_of("retail"), {}, TODAY, alike))
    assert isinstance(reading, Ask)
    assert [option.wording for option in reading.options] == [wording]


def test_words_like_nothing_are_refused_all_the_same() -> None:
    reading = understand("revenue by weather", FRESH, known_of(model_of("retail"), {}, TODAY, Dictionary()))
    assert isinstance(reading, Outside)


def test_an_offer_can_be_taken_up_in_its_own_words_without_being_read() -> None:
    query = Query(measures=("revenue",), period=Period(start=date(2026, 1, 1), end=date(2026, 1, 8)))
    state = State(offered=(Option(wording="The first week", query=query),))
    reading = ask("the first week", state)
    assert isinstance(reading, Understood)
    assert reading.query == query
