"""Charts of made-up answers, and the rows beside them: empty cells stay, axes have types, best days are no line."""

from __future__ import annotations

import json
from datetime import date
from functools import cache

import pytest
from benchmarks.chat_questions import TODAY, model_of

from afield.provisioning.chat.charts import chart_of
from afield.provisioning.chat.messages import Data, Json, Message, Scribe
from afield.provisioning.chat.numbers import NOTHING
from afield.provisioning.chat.showing import result_of
from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Breakdown, Change, Grain, Order, Period, Query
from afield.provisioning.semantic.answer import Answer, columns_of
from afield.provisioning.warehouse.base import Value

STORE, CHANNEL = Breakdown(dimension="store_name"), Breakdown(dimension="sales_channel")
MONTH, DAY = (Breakdown(dimension="order_date", grain=grain) for grain in (Grain.MONTH, Grain.DAY))
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
Rows = tuple[tuple[Value, ...], ...]


@cache
def model() -> DataModel:
    return model_of("retail")


def answer(query: Query, rows: Rows) -> Answer:
    return Answer(columns=columns_of(query, model()), rows=rows, sql="SELECT 1")


def drawn(rows: Rows, *by: Breakdown, **more: object) -> Json:
    query = Query.model_validate({"measures": ("revenue",), "breakdowns": by} | more)
    spec = chart_of(query, model(), answer(query, rows), TODAY)
    assert spec
    return json.loads(json.dumps(spec))  # type: ignore[no-any-return]


def values(spec: Json) -> list[Json]:
    return spec["data"]["values"]  # type: ignore[call-overload, index, return-value]


def test_empty_cells_of_rows_are_sent() -> None:
    query = Query(measures=("revenue", "refunds"), breakdowns=(STORE,))
    rows = result_of("result", answer(query, (("London", 5.0, None), (None, None, 2.0))), model())
    wire = Scribe().data(Data(result=rows)).wire()
    result = wire["systemMessage"]["data"]["result"]  # type: ignore[call-overload, index]
    assert result["data"] == [  # type: ignore[call-overload, index]
        {"store_name": "London", "revenue": 5.0, "refunds": None},
        {"store_name": None, "revenue": None, "refunds": 2.0},
    ]
    assert result["formattedData"][1] == {"store_name": "not known", "revenue": NOTHING, "refunds": "$2.00"}  # type: ignore[call-overload, index]
    assert "generatedSql" not in wire["systemMessage"]["data"]  # type: ignore[call-overload, index, operator]
    assert Message.model_validate(wire).wire() == wire


def test_what_has_no_name_is_drawn_as_not_known_and_no_value_as_none() -> None:
    spec = drawn((("London", 5.0), (None, 3.0), ("Leeds", None)), STORE)
    assert [(one["store_name"], one["amount"]) for one in values(spec)] == [
        ("London", 5.0), ("not known", 3.0), ("Leeds", None),
    ]  # fmt: skip


def test_months_are_a_line_over_time_and_the_best_ones_bars() -> None:
    rows: Rows = ((APRIL, 5.0), (MARCH, 3.0))
    line = drawn(rows, MONTH)
    assert (line["mark"]["type"], line["encoding"]["x"]["type"]) == ("line", "temporal")  # type: ignore[call-overload, index]
    assert [one["order_date"] for one in values(line)] == ["2026-04-01", "2026-03-01"]
    bars = drawn(rows, MONTH, order=Order(field="revenue"), limit=10)
    assert (bars["mark"]["type"], bars["encoding"]["y"]["type"]) == ("bar", "nominal")  # type: ignore[call-overload, index]
    assert [one["order_date"] for one in values(bars)] == ["April 2026", "March 2026"]


def test_shares_are_bars_of_the_shares_alone() -> None:
    spec = drawn((("London", 6.0, 0.6), ("Leeds", 4.0, 0.4)), STORE, change=Change.SHARE)
    assert [one["amount"] for one in values(spec)] == [0.6, 0.4]
    assert spec["encoding"]["x"]["axis"]["format"] == ".1%"  # type: ignore[call-overload, index]


def test_two_breakdowns_of_a_comparison_stand_side_by_side_with_a_width() -> None:
    years = {
        name: Period(start=date(year, 1, 1), end=date(year + 1, 1, 1))
        for name, year in (("period", 2025), ("compare", 2024))
    }
    spec = drawn((("London", "Web", 6.0, 3.0, 1.0), ("Leeds", "App", 4.0, None, None)), STORE, CHANNEL, **years)
    assert spec["encoding"]["column"]["type"] == "nominal"  # type: ignore[call-overload, index]
    assert isinstance(spec["width"], int)
    assert [one["amount"] for one in values(spec)] == [6.0, 3.0, 4.0, None]


@pytest.mark.parametrize("by", [(), (STORE,), (STORE, CHANNEL, MONTH)])
def test_one_value_and_too_many_breakdowns_are_not_drawn(by: tuple[Breakdown, ...]) -> None:
    query = Query(measures=("revenue",), breakdowns=by)
    row: tuple[Value, ...] = (*("London", "Web", MARCH)[: len(by)], 5.0)
    assert chart_of(query, model(), answer(query, (row,) * (1 if len(by) < 2 else 4)), TODAY) is None
