"""Each feature of a query against SQL written by hand for the same question."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
from semantic_plain import same
from semantic_world import ROWS, SHOP, TODAY, in_memory

from afield.provisioning.query import Grain, Query
from afield.provisioning.semantic.calendar import day_of, first_day, number_of
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.semantic.errors import QueryError
from afield.provisioning.warehouse.cells import plain


@pytest.fixture(scope="module")
def shop() -> Iterator[duckdb.DuckDBPyConnection]:
    with in_memory(SHOP, ROWS) as connection:
        connection.execute("CREATE VIEW o AS SELECT * FROM orders WHERE order_date <= DATE '2025-06-30'")
        connection.execute(
            "CREATE VIEW oc AS SELECT o.*, c.category_name AS category FROM o "
            "LEFT JOIN products AS p USING (product_id) LEFT JOIN categories AS c ON p.category_id = c.category_id"
        )
        connection.execute(
            "CREATE VIEW vc AS SELECT v.*, v.visited_at::DATE AS day, c.category_name AS category FROM visits AS v "
            "LEFT JOIN categories AS c USING (category_id)"
        )
        yield connection


def asked(*measures: str, **more: Any) -> Query:
    return Query.model_validate({"measures": measures, **more})


def by(*names: str) -> dict[str, Any]:
    """Breakdowns: `category`, or `order_date:month`."""
    pairs = [name.partition(":") for name in names]
    return {"breakdowns": [{"dimension": name, **({"grain": grain} if grain else {})} for name, _, grain in pairs]}


def where(field: str, operator: str, *values: object) -> dict[str, Any]:
    return {"filters": [{"field": field, "operator": operator, "values": values}]}


def span(start: str, end: str) -> dict[str, str]:
    return {"start": start, "end": end}


H1, OLD_H1 = span("2025-01-01", "2025-07-01"), span("2024-07-01", "2025-01-01")

CASES: dict[str, tuple[Query, str]] = {
    "sum": (asked("revenue"), "SELECT sum(amount) FROM o"),
    "count": (asked("orders_count"), "SELECT count(*) FROM o"),
    "distinct": (asked("customers"), "SELECT count(DISTINCT customer) FROM o"),
    "average": (asked("average_order"), "SELECT avg(amount) FROM o"),
    "extremes": (asked("smallest_order", "largest_order"), "SELECT min(amount), max(amount) FROM o"),
    "float": (asked("weight"), "SELECT sum(weight_kg) FROM o"),
    "boolean average": (asked("returned_share"), "SELECT avg(returned::INT) FROM o"),
    "conditional sum": (asked("web_revenue"), "SELECT sum(amount) FROM o WHERE channel IN ('Web', 'App')"),
    "conditional count": (asked("returns"), "SELECT count(*) FROM o WHERE returned"),
    "ratio": (asked("return_rate"), "SELECT count(*) FILTER (returned) / count(*) FROM o"),
    "ratio of two facts": (asked("orders_per_visit"), "SELECT (SELECT count(*) FROM o) / (SELECT count(*) FROM vc)"),
    "ratio over nothing": (
        asked("return_rate", "revenue", "average_order", **where("channel", "is", "App"),
              period=span("2020-01-01", "2021-01-01")),
        "SELECT NULL, 0, NULL",
    ),
    "own column": (
        asked("revenue", **by("channel")),
        "SELECT channel, sum(amount) FROM o GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST",
    ),
    "reference of a reference": (
        asked("revenue", "orders_count", **by("category")),
        "SELECT category, sum(amount), count(*) FROM oc GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST",
    ),
    "conditional by group": (
        asked("web_revenue", "returns", **by("category")),
        "SELECT category, coalesce(sum(amount) FILTER (channel IN ('Web', 'App')), 0), count(*) FILTER (returned) "
        "FROM oc GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST",
    ),
    "by day": (
        asked("orders_count", **by("order_date:day")),
        "SELECT order_date, count(*) FROM o GROUP BY 1 ORDER BY 1",
    ),
    "weeks begin on Monday": (
        asked("revenue", **by("order_date:week"), period=span("2024-12-30", "2025-01-13")),
        "VALUES (DATE '2024-12-30', 300.0), (DATE '2025-01-06', 120.0)",
    ),
    "by month": (
        asked("revenue", **by("order_date:month")),
        "SELECT make_date(year(order_date), month(order_date), 1), sum(amount) FROM o GROUP BY 1 ORDER BY 1",
    ),
    "by quarter": (
        asked("revenue", **by("order_date:quarter")),
        "SELECT make_date(year(order_date), 3 * quarter(order_date) - 2, 1), sum(amount) FROM o GROUP BY 1 ORDER BY 1",
    ),
    "by year": (
        asked("revenue", **by("order_date:year")),
        "SELECT make_date(year(order_date), 1, 1), sum(amount) FROM o GROUP BY 1 ORDER BY 1",
    ),
    "time stamps by their day": (
        asked("visits_count", **by("visit_date:month"), period=span("2025-01-01", "2025-05-01")),
        "VALUES (DATE '2025-01-01', 2), (DATE '2025-03-01', 1), (DATE '2025-04-01', 2)",
    ),
    "a time of another table": (
        asked("revenue", **by("launched:year")),
        "SELECT make_date(year(launched_on), 1, 1), sum(amount) FROM o LEFT JOIN products USING (product_id) "
        "GROUP BY 1 ORDER BY 1 NULLS LAST",
    ),
    "two facts": (
        asked("revenue", "visits_count", **by("category")),
        "SELECT coalesce(category, other), coalesce(r, 0), coalesce(n, 0) "
        "FROM (SELECT category, sum(amount) AS r FROM oc GROUP BY 1) AS a "
        "FULL JOIN (SELECT category AS other, count(*) AS n FROM vc GROUP BY 1) AS b "
        "ON category IS NOT DISTINCT FROM other "
        "ORDER BY 2 DESC, 1 NULLS LAST",
    ),
    "two facts by month": (
        asked("orders_count", "visits_count", **by("order_date:month"), period=span("2025-03-01", "2025-06-01")),
        "VALUES (DATE '2025-03-01', 0, 1), (DATE '2025-04-01', 3, 2), (DATE '2025-05-01', 1, 0)",
    ),
    "three facts": (
        asked("revenue", "pieces_left", **by("product")),
        "VALUES ('Boot', 320.0, 17), ('Sneaker', 300.0, 0), ('Satchel', 240.0, 5), (NULL, 7.5, 0), ('Mystery', 5.0, 0) "
        "ORDER BY 2 DESC, 1",
    ),
    "is": (
        asked("revenue", **where("channel", "is", "Web", "App")),
        "SELECT sum(amount) FROM o WHERE channel IN ('Web', 'App')",
    ),
    "is not keeps what has no value": (
        asked("orders_count", **where("channel", "is_not", "Web")),
        "SELECT count(*) FROM o WHERE channel IS DISTINCT FROM 'Web'",
    ),
    "is a boolean": (asked("revenue", **where("returned", "is", True)), "SELECT sum(amount) FROM o WHERE returned"),
    "at least": (asked("revenue", **where("quantity", "at_least", 2)), "SELECT sum(amount) FROM o WHERE quantity >= 2"),
    "below a decimal": (
        asked("orders_count", **where("list_price", "below", 80)),
        "SELECT count(*) FROM o JOIN products USING (product_id) WHERE list_price < 80",
    ),
    "on a day": (
        asked("visits_count", **where("visit_date", "is", "2024-12-31")),
        "SELECT count(*) FROM vc WHERE day = DATE '2024-12-31'",
    ),
    "a measure's value": (
        asked("revenue", **by("category"), **where("revenue", "above", 200)),
        "SELECT category, sum(amount) FROM oc GROUP BY 1 HAVING sum(amount) > 200 ORDER BY 2 DESC, 1",
    ),
    "a measure that is not shown": (
        asked("revenue", **by("category"), **where("visits_count", "at_least", 1)),
        "SELECT category, coalesce(sum(amount), 0) FROM (SELECT DISTINCT category FROM vc) AS v LEFT JOIN oc "
        "USING (category) GROUP BY 1 HAVING category IS NOT NULL UNION ALL "
        "SELECT NULL, sum(amount) FROM oc WHERE category IS NULL ORDER BY 2 DESC, 1",
    ),
    "period": (
        asked("revenue", period=span("2025-01-01", "2025-04-01")),
        "SELECT sum(amount) FROM o WHERE order_date >= '2025-01-01' AND order_date < '2025-04-01'",
    ),
    "nothing after today": (asked("revenue", period=span("2025-06-01", "2026-01-01")), "SELECT 60.0"),
    "top": (
        asked("revenue", **by("product"), order={"field": "revenue"}, limit=2),
        "VALUES ('Boot', 320.0), ('Sneaker', 300.0)",
    ),
    "bottom": (
        asked("revenue", **by("product"), order={"field": "revenue", "descending": False}, limit=2),
        "VALUES ('Mystery', 5.0), (NULL, 7.5)",
    ),
    "equals in the order of their names": (
        asked("returns", **by("product"), order={"field": "returns"}, limit=4),
        "VALUES ('Sneaker', 2), ('Boot', 0), ('Mystery', 0), ('Satchel', 0)",
    ),
    "ordered by what is not asked for": (
        asked("orders_count", **by("category"), order={"field": "revenue"}, limit=1),
        "VALUES ('Shoes', 6, 620.0)",
    ),
    "no value comes last": (
        asked("orders_count", **by("category"), order={"field": "category", "descending": True}),
        "SELECT category, count(*) FROM oc GROUP BY 1 ORDER BY 1 DESC NULLS LAST",
    ),
    "compare": (
        asked("revenue", period=H1, compare=OLD_H1),
        "SELECT 792.5, 80.0, (792.5 - 80.0) / 80.0",
    ),
    "compare by group": (
        asked("revenue", **by("category"), period=H1, compare=OLD_H1),
        "VALUES ('Shoes', 540.0, 80.0, 5.75), ('Bags', 240.0, 0.0, NULL), (NULL, 12.5, 0.0, NULL)",
    ),
    "compare by month, the third beside the third": (
        asked("visits_count", **by("visit_date:month"), period=span("2025-04-01", "2025-07-01"),
              compare=span("2024-12-01", "2025-03-01")),
        "VALUES (DATE '2025-04-01', 2, 1, 1.0), (DATE '2025-05-01', 0, 2, -1.0), (DATE '2025-06-01', 1, 0, NULL)",
    ),
    "share": (
        asked("revenue", **by("channel"), change="share"),
        "SELECT channel, sum(amount), sum(amount) / (SELECT sum(amount) FROM o) FROM o GROUP BY 1 ORDER BY 2 DESC, 1",
    ),
    "share of one, of all": (
        asked("revenue", **by("category"), change="share", **where("category", "is", "Bags")),
        "SELECT 'Bags', 240.0, 240.0 / (SELECT sum(amount) FROM o)",
    ),
    "share under a condition on something else": (
        asked("revenue", **by("category"), change="share", **where("channel", "is", "Store")),
        "VALUES ('Shoes', 340.0, 1.0)",
    ),
    "share of the top is of all": (
        asked("revenue", **by("category"), change="share", limit=1),
        "SELECT 'Shoes', 620.0, 620.0 / (SELECT sum(amount) FROM o)",
    ),
    "share of customers, who may be in two groups": (
        asked("customers", **by("channel"), change="share"),
        "VALUES ('App', 3, 0.6), ('Store', 3, 0.6), ('Web', 2, 0.4), (NULL, 1, 0.2)",
    ),
    "growth against the month before, also before the period": (
        asked("revenue", **by("order_date:month"), change="growth", period=H1),
        "VALUES (DATE '2025-01-01', 340.0, 3.25), (DATE '2025-02-01', 80.0, 80.0 / 340 - 1), "
        "(DATE '2025-04-01', 305.0, NULL), (DATE '2025-05-01', 7.5, 7.5 / 305 - 1), (DATE '2025-06-01', 60.0, 7.0)",
    ),
    "growth by group": (
        asked("revenue", **by("channel", "order_date:quarter"), change="growth", **where("channel", "is", "Store")),
        "VALUES ('Store', DATE '2024-10-01', 80.0, NULL), ('Store', DATE '2025-01-01', 80.0, 0.0), "
        "('Store', DATE '2025-04-01', 180.0, 1.25)",
    ),
    "running total": (
        asked("revenue", **by("order_date:quarter"), change="cumulative", period=H1),
        "VALUES (DATE '2025-01-01', 420.0, 420.0), (DATE '2025-04-01', 372.5, 792.5)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_query_gives_what_handwritten_sql_gives(name: str, shop: duckdb.DuckDBPyConnection) -> None:
    query, by_hand = CASES[name]
    sql = compile_sql(query, SHOP, "duckdb", TODAY)
    found = [tuple(plain(cell) for cell in row) for row in shop.execute(sql).fetchall()]
    expected = [tuple(plain(cell) for cell in row) for row in shop.execute(by_hand).fetchall()]
    assert same(found, expected), (found, expected, sql)


def test_a_division_by_nothing_is_no_number(shop: duckdb.DuckDBPyConnection) -> None:
    """Also before anything has looked at the rows: not NaN, not infinity."""
    nothing = asked("return_rate", "orders_per_visit", period=span("2020-01-01", "2021-01-01"))
    assert shop.execute(compile_sql(nothing, SHOP, "duckdb", TODAY)).fetchall() == [(None, None)]
    new = asked("visits_count", period=span("2025-01-01", "2025-02-01"), compare=span("2020-01-01", "2020-02-01"))
    assert shop.execute(compile_sql(new, SHOP, "duckdb", TODAY)).fetchall() == [(2, 0, None)]


def test_the_sql_reads_like_written_by_a_person() -> None:
    query = asked("revenue", **by("category", "order_date:month"), **where("channel", "is", "Web"))
    assert compile_sql(query, SHOP, "duckdb", TODAY) == READABLE


READABLE = """\
WITH "summed" AS (
  SELECT
    "categories"."category_name" AS "category",
    CAST(CAST(DATE_TRUNC('MONTH', "orders"."order_date") AS TIMESTAMP) AS DATE) AS "order_date",
    SUM("orders"."amount") AS "revenue"
  FROM "orders"
  LEFT OUTER JOIN "products"
    ON "orders"."product_id" = "products"."product_id"
  LEFT OUTER JOIN "categories"
    ON "products"."category_id" = "categories"."category_id"
  WHERE
    "orders"."channel" = 'Web' AND "orders"."order_date" < MAKE_DATE(2025, 7, 1)
  GROUP BY
    1,
    2
)
SELECT
  "summed"."category",
  "summed"."order_date",
  COALESCE("summed"."revenue", 0) AS "revenue"
FROM "summed"
ORDER BY
  "summed"."order_date" ASC,
  "summed"."category" ASC"""


def test_bigquery_is_told_what_duckdb_takes_for_granted() -> None:
    query = asked("revenue", "return_rate", **by("order_date:week"), period=H1, compare=OLD_H1)
    sql = compile_sql(query, SHOP, "bigquery", TODAY)
    assert "DATE_TRUNC(`orders`.`order_date`, WEEK(MONDAY))" in sql
    assert "INTERVAL 26 WEEK" in sql
    assert "NULLS LAST" in sql
    assert "ieee_divide" in sql
    assert "NULLIF" in sql


def test_a_time_stamp_is_cut_as_a_day_in_both() -> None:
    query = asked("visits_count", **by("visit_date:month"))
    assert "DATE_TRUNC(DATE(`visits`.`visited_at`), MONTH)" in compile_sql(query, SHOP, "bigquery", TODAY)
    assert """DATE_TRUNC('MONTH', CAST("visits"."visited_at" AS DATE))""" in compile_sql(query, SHOP, "duckdb", TODAY)


def test_a_query_that_cannot_be_answered_is_not_compiled() -> None:
    with pytest.raises(QueryError):
        compile_sql(asked("revenue", **by("device")), SHOP, "duckdb", TODAY)


@pytest.mark.parametrize(
    ("grain", "first"),
    [(Grain.DAY, date(2025, 8, 20)), (Grain.WEEK, date(2025, 8, 18)), (Grain.MONTH, date(2025, 8, 1)),
     (Grain.QUARTER, date(2025, 7, 1)), (Grain.YEAR, date(2025, 1, 1))],
)  # fmt: skip
def test_days_are_cut_into_grains(grain: Grain, first: date) -> None:
    assert first_day(date(2025, 8, 20), grain) == first
    assert number_of(day_of(number_of(first, grain) + 1, grain), grain) == number_of(first, grain) + 1
    assert first_day(date(1969, 12, 31), Grain.WEEK) == date(1969, 12, 29)
