"""Random queries over random data: the compiled SQL gives what plain Python gives, row by row. Nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from semantic_plain import evaluate, same
from semantic_world import SHOP, TODAY, Row, Rows, in_memory

from afield.provisioning.datamodel import Aggregation, Dimension, Measure
from afield.provisioning.query import Breakdown, Change, Filter, Grain, Operator, Order, Period, Query
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.semantic.errors import QueryError
from afield.provisioning.semantic.paths import dimensions_for
from afield.provisioning.warehouse.bigquery_schema import fields_of
from afield.provisioning.warehouse.cells import plain
from afield_sim.bigquery.loading import Load
from afield_sim.bigquery.loading import load as load_file
from afield_sim.bigquery.names import DatasetName
from afield_sim.bigquery.store import Store

pytestmark = pytest.mark.timeout(240)  # many queries, and a busy machine

FOUND = [Phase.explicit, Phase.reuse, Phase.generate]  # a failure is shown as it is: making it smaller takes minutes
DAYS = st.dates(date(2024, 11, 20), date(2025, 7, 5))
CENTS = st.integers(-500, 20_000).map(lambda cents: cents / 100)
MAYBE = st.none()


def table_of(*columns: st.SearchStrategy[object], least: int = 0) -> st.SearchStrategy[list[Row]]:
    """Rows with numbers from 1 as their keys."""
    rows = st.lists(st.tuples(*columns), min_size=least, max_size=12)
    return rows.map(lambda found: [(number, *row) for number, row in enumerate(found, 1)])


@st.composite
def worlds(draw: st.DrawFn) -> Rows:
    times = st.datetimes(datetime.fromisoformat("2024-11-20"), datetime.fromisoformat("2025-07-05")).map(
        lambda one: one.replace(microsecond=0)
    )
    keys = MAYBE | st.integers(1, 4)
    channels, devices = st.sampled_from(["Web", "Store", None]), st.sampled_from(["Phone", None])
    people, weights = st.sampled_from(["ann", "bob", None]), MAYBE | st.sampled_from([0.25, 1.5])
    yes_or_no = MAYBE | st.booleans()
    return {
        "categories": draw(table_of(st.sampled_from(["Shoes", "Bags", None]), least=1)),
        "products": draw(
            table_of(keys, st.sampled_from(["Boot", "Clog"]), CENTS, MAYBE | DAYS, least=1)
        ),
        "orders": draw(
            table_of(
                keys, DAYS, people, channels, st.integers(1, 3), MAYBE | CENTS, weights, yes_or_no
            )
        ),
        "visits": draw(
            table_of(keys, times, devices, st.integers(0, 5), yes_or_no)
        ),
        "stock": draw(table_of(st.integers(1, 4), st.integers(0, 9))),
    }  # fmt: skip


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(DAYS | st.sampled_from([date(2025, 1, 1), date(2025, 4, 1), date(2024, 12, 30)]))
    return Period(start=start, end=start + timedelta(days=draw(st.integers(1, 200))))


VALUES = {
    "category": st.sampled_from(["Shoes", "Bags"]),
    "product": st.sampled_from(["Boot", "Clog"]),
    "channel": st.sampled_from(["Web", "Store"]),
    "device": st.just("Phone"),
    "returned": st.booleans(),
    "bought": st.booleans(),
    "quantity": st.integers(1, 3),
    "list_price": CENTS,
    "order_date": DAYS.map(date.isoformat),
    "visit_date": DAYS.map(date.isoformat),
    "launched": DAYS.map(date.isoformat),
}
NAMES = {"category", "product", "channel", "device", "returned", "bought"}
DATED = [one for one in SHOP.measures if one.fact != "stock"]
ADDITIVE = [one for one in DATED if one.aggregation in {Aggregation.SUM, Aggregation.COUNT}]
GROWING = {Change.GROWTH, Change.CUMULATIVE}


@st.composite
def filters(draw: st.DrawFn, names: list[str]) -> Filter:
    field = draw(st.sampled_from([*names, "revenue", "orders_count"]))
    operator = draw(st.sampled_from([Operator.IS, Operator.IS_NOT] if field in NAMES else Operator))
    several = 2 if operator in {Operator.IS, Operator.IS_NOT} else 1
    values = draw(st.lists(VALUES.get(field, st.integers(0, 100)), min_size=1, max_size=several))
    return Filter(field=field, operator=operator, values=tuple(values))


@st.composite
def breakdowns(draw: st.DrawFn, dimensions: list[Dimension]) -> Breakdown:
    dimension = draw(st.sampled_from(dimensions))
    return Breakdown(dimension=dimension.name, grain=draw(st.sampled_from(Grain)) if dimension.time else None)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Most of them can be answered by the model."""
    change = draw(st.sampled_from(Change))
    pool = {Change.NONE: [*SHOP.measures], Change.GROWTH: DATED}.get(change, ADDITIVE)
    measures = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique_by=lambda one: one.name))
    dimensions = list(dimensions_for(SHOP, measures))
    times = [one for one in dimensions if one.time]
    others = dimensions if change not in GROWING else [one for one in dimensions if not one.time]
    keys = draw(st.lists(breakdowns(others), max_size=2, unique_by=lambda one: one.dimension))
    if change in GROWING:
        keys = draw(st.permutations([*keys[:1], draw(breakdowns(times))]))
    period = draw(MAYBE | periods()) if all(one in DATED for one in measures) else None
    return Query(
        measures=tuple(one.name for one in measures),
        breakdowns=tuple(keys),
        filters=tuple(draw(st.lists(filters([one.name for one in dimensions]), max_size=2))),
        period=period,
        compare=draw(MAYBE | periods()) if period and change is Change.NONE else None,
        change=change,
        order=draw(MAYBE | orders([*measures, *keys])),
        limit=draw(MAYBE | st.integers(1, 5)),
    )


@st.composite
def orders(draw: st.DrawFn, among: list[Measure | Breakdown]) -> Order:
    field = draw(st.sampled_from(among))
    name = field.dimension if isinstance(field, Breakdown) else field.name
    return Order(field=name, descending=draw(st.booleans()))


def answerable(query: Query) -> bool:
    try:
        check(query, SHOP)
    except QueryError:
        return False
    return True


def run(connection: duckdb.DuckDBPyConnection, query: Query) -> list[Row]:
    found = connection.execute(compile_sql(query, SHOP, "duckdb", TODAY)).fetchall()
    return [tuple(plain(cell) for cell in row) for row in found]


@given(rows=worlds(), asked=st.lists(queries().filter(answerable), min_size=4, max_size=4))
@settings(max_examples=14, deadline=None, phases=FOUND, suppress_health_check=list(HealthCheck))
def test_the_compiled_sql_computes_what_the_query_means(rows: Rows, asked: list[Query]) -> None:
    with in_memory(SHOP, rows) as connection:
        for query in asked:
            expected = evaluate(query, SHOP, rows, TODAY)
            assert same(run(connection, query), expected), (query, run(connection, query), expected)


@given(rows=worlds(), asked=st.lists(queries().filter(answerable), min_size=4, max_size=4))
@settings(max_examples=6, deadline=None, phases=FOUND, suppress_health_check=list(HealthCheck))
def test_the_same_plan_gives_the_same_in_a_simulated_bigquery(rows: Rows, asked: list[Query]) -> None:
    with store_of(rows) as store:
        for query in asked:
            prepared = store.prepare(compile_sql(query, SHOP, "bigquery", TODAY), HOME.project, HOME)
            found = [tuple(plain(cell) for cell in row) for row in store.run(prepared).rows]
            expected = evaluate(query, SHOP, rows, TODAY)
            assert same(found, expected), (query, found, expected)


HOME = DatasetName("some-project", "shop")


@contextmanager
def store_of(rows: Rows) -> Iterator[Store]:
    """The rows in the heart of the simulated BigQuery, without HTTP."""
    store = Store()
    store.add_dataset(HOME, {}, 0)
    for table in SHOP.tables:
        names = [column.name for column in table.columns]
        lines = b"\n".join(orjson.dumps(dict(zip(names, row, strict=True))) for row in rows[table.name])
        place = {"projectId": HOME.project, "datasetId": HOME.dataset, "tableId": table.name}
        schema = {"fields": [field.to_api_repr() for field in fields_of(table)]}
        load = {"destinationTable": place, "schema": schema, "sourceFormat": "NEWLINE_DELIMITED_JSON"}
        load_file(store, Load.read(load), lines, 0)
    try:
        yield store
    finally:
        store.close()
