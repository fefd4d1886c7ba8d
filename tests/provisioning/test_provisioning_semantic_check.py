"""Queries that cannot be answered are refused before any SQL, and the sentence says what can be asked instead."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from semantic_world import SHOP, measure

from afield.provisioning.datamodel import Aggregation
from afield.provisioning.query import Query
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.errors import QueryError
from afield.provisioning.semantic.paths import dimensions_for, measures_for, path_to, reached

YEAR = {"start": date(2025, 1, 1), "end": date(2026, 1, 1)}
MONTHS = [{"dimension": "order_date", "grain": "month"}]
CATEGORY = [{"dimension": "category"}]


def asked(*measures: str, **more: Any) -> Query:
    return Query.model_validate({"measures": measures, **more})


def where(field: str, *values: object, operator: str = "is") -> dict[str, Any]:
    return {"filters": [{"field": field, "operator": operator, "values": values}]}


REFUSED: list[tuple[Query, str]] = [
    (asked("nope"), "no measure nope.*There are: revenue"),
    (asked("revenue", breakdowns=[{"dimension": "nope"}]), "no dimension nope"),
    (asked("revenue", **where("nope", 1)), "no measure or dimension nope"),
    (asked("revenue", breakdowns=[{"dimension": "device"}]), "Device says nothing about orders.*category, product"),
    (asked("revenue", **where("device", "Phone")), "Device says nothing about orders"),
    (asked("revenue", "visits_count", breakdowns=[{"dimension": "channel"}]), "together be broken down by: category"),
    (asked("pieces_left", breakdowns=MONTHS), "Order date says nothing about stock"),
    (asked("revenue", breakdowns=[{"dimension": "order_date"}]), "is a time.*by day, week"),
    (asked("revenue", breakdowns=[{"dimension": "category", "grain": "month"}]), "is not a time"),
    (asked("revenue", breakdowns=[*CATEGORY, *CATEGORY]), "category is asked for twice"),
    (asked("revenue", "revenue"), "revenue is asked for twice"),
    (asked("revenue", **where("category", 5)), "is a text"),
    (asked("revenue", **where("category", "Shirts")), "never is Shirts.*Shoes, Bags, Gifts"),
    (asked("revenue", **where("category", "Bags", operator="above")), "have no size"),
    (asked("revenue", **where("returned", "yes")), "true or false"),
    (asked("revenue", **where("quantity", "three")), "is a number"),
    (asked("revenue", **where("quantity", True)), "is a number"),
    (asked("revenue", **where("quantity", 1, 2, operator="at_least")), "2 values at once"),
    (asked("revenue", **where("order_date", "last year")), "a day such as"),
    (asked("revenue", **where("order_date", "20250131")), "a day such as"),
    (asked("revenue", **where("orders_count", "many", operator="above")), "is a number"),
    (asked("revenue", period={"start": date(2025, 2, 1), "end": date(2025, 2, 1)}), "no day in it"),
    (asked("revenue", compare=YEAR), "none to compare"),
    (asked("pieces_left", period=YEAR), "Nothing says when a row of stock happened"),
    (asked("revenue", change="share"), "needs something to divide"),
    (asked("revenue", change="growth"), "exactly one breakdown by time; here are 0"),
    (asked("revenue", change="growth", breakdowns=CATEGORY), "exactly one breakdown by time; here are 0"),
    (asked("revenue", change="cumulative", breakdowns=[*MONTHS, {"dimension": "launched", "grain": "year"}]), "are 2"),
    (asked("return_rate", change="share", breakdowns=CATEGORY), "does not add up"),
    (asked("average_order", change="share", breakdowns=CATEGORY), "does not add up"),
    (asked("customers", change="cumulative", breakdowns=MONTHS), "does not add up"),
    (asked("revenue", change="growth", breakdowns=MONTHS, period=YEAR, compare=YEAR), "cannot be had at once"),
    (asked("revenue", order={"field": "category"}), "cannot be ordered by category.*revenue"),
    (asked("revenue", order={"field": "revenue_growth"}), "cannot be ordered by revenue_growth"),
]


@pytest.mark.parametrize(("query", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_a_query_that_cannot_be_answered_is_refused_in_a_sentence(query: Query, said: str) -> None:
    with pytest.raises(QueryError, match=said) as refused:
        check(query, SHOP)
    assert refused.value.message.endswith(".")


GOOD: list[Query] = [
    asked("revenue"),
    asked("revenue", "visits_count", "orders_per_visit", breakdowns=[*CATEGORY, *MONTHS], period=YEAR, compare=YEAR),
    asked("customers", change="share", breakdowns=CATEGORY),
    asked("return_rate", change="growth", breakdowns=MONTHS, order={"field": "return_rate_growth"}),
    asked(
        "revenue", breakdowns=CATEGORY, order={"field": "orders_count"}, **where("visits_count", 3, operator="above")
    ),
]


@pytest.mark.parametrize("query", GOOD)
def test_a_query_that_can_be_answered_passes(query: Query) -> None:
    check(query, SHOP)


def test_names_that_could_stand_there_come_with_the_error() -> None:
    with pytest.raises(QueryError) as refused:
        check(asked("revenue", "visits_count", breakdowns=[{"dimension": "channel"}]), SHOP)
    assert refused.value.options == ("category", "order_date", "visit_date")


def test_what_a_broken_model_would_get_wrong_is_refused() -> None:
    wrong = (
        measure("sum_of_text", "orders", Aggregation.SUM, "channel"),
        measure("nothing", "orders", Aggregation.SUM),
    )
    model = SHOP.model_copy(update={"measures": (*SHOP.measures, *wrong)})
    with pytest.raises(QueryError, match="is of type text"):
        check(asked("sum_of_text"), model)
    with pytest.raises(QueryError, match="has no column"):
        check(asked("nothing"), model)


def test_a_dimension_is_reached_along_references() -> None:
    path = reached(SHOP, "orders", SHOP.dimension("category"))
    assert [one.table for one in path.references] == ["products", "categories"]
    assert path.table == "categories"
    assert not path.own_date
    assert reached(SHOP, "orders", SHOP.dimension("channel")).references == ()
    assert path_to(SHOP, "visits", SHOP.dimension("product")) is None


def test_when_a_fact_happened_is_asked_of_other_facts_too() -> None:
    path = reached(SHOP, "visits", SHOP.dimension("order_date"))
    assert (path.column.name, path.own_date) == ("visited_at", True)
    assert path_to(SHOP, "stock", SHOP.dimension("order_date")) is None
    assert path_to(SHOP, "visits", SHOP.dimension("launched")) is None


def test_what_goes_with_what_can_be_listed() -> None:
    both = dimensions_for(SHOP, [SHOP.measure("revenue"), SHOP.measure("visits_count")])
    assert [one.name for one in both] == ["category", "order_date", "visit_date"]
    assert [one.name for one in dimensions_for(SHOP, [SHOP.measure("orders_per_visit")])] == [one.name for one in both]
    by_device = {one.name for one in measures_for(SHOP, SHOP.dimension("device"))}
    assert by_device == {"visits_count", "pages_seen", "purchases", "conversion"}
