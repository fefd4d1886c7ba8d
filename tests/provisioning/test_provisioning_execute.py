"""From a query to its answer in DuckDB: typed columns, plain rows, the SQL beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from semantic_world import ROWS, SHOP, TODAY, write_files

from afield.provisioning.datamodel import Format
from afield.provisioning.query import Grain, Query
from afield.provisioning.semantic.answer import Kind, Role
from afield.provisioning.semantic.errors import QueryError
from afield.provisioning.semantic.execute import answer_of, execute
from afield.provisioning.warehouse.base import Limits, QueryFailedError, Result
from afield.provisioning.warehouse.duckdb import DuckDBWarehouse


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    opened = DuckDBWarehouse(tmp_path / "home")
    await opened.load(SHOP, write_files(SHOP, ROWS, tmp_path), tmp_path, "shop")
    yield opened
    await opened.close()


def asked(*measures: str, **more: Any) -> Query:
    return Query.model_validate({"measures": measures, **more})


async def test_columns_say_what_they_are(warehouse: DuckDBWarehouse) -> None:
    query = asked(
        "revenue",
        breakdowns=[{"dimension": "category"}, {"dimension": "order_date", "grain": "month"}],
        period={"start": "2025-01-01", "end": "2025-03-01"},
        compare={"start": "2024-11-01", "end": "2025-01-01"},
    )
    answer = await execute(query, SHOP, warehouse, dataset="shop", today=TODAY)
    assert [(one.name, one.label, one.kind, one.role, one.format) for one in answer.columns] == [
        ("category", "Category", Kind.DIMENSION, None, None),
        ("order_date", "Order date (month)", Kind.TIME, None, None),
        ("revenue", "Revenue", Kind.MEASURE, Role.VALUE, Format.MONEY),
        ("revenue_before", "Revenue before", Kind.MEASURE, Role.BEFORE, Format.MONEY),
        ("revenue_change", "Change of Revenue", Kind.MEASURE, Role.CHANGE, Format.PERCENT),
    ]
    assert answer.columns[1].grain is Grain.MONTH
    assert answer.rows == (
        ("Bags", date(2025, 1, 1), 120.0, 0.0, None),
        ("Shoes", date(2025, 1, 1), 220.0, 0.0, None),
        ("Shoes", date(2025, 2, 1), 80.0, 80.0, 0.0),
    )
    assert answer.sql.startswith("WITH")
    assert type(answer.rows[0][1]) is date


@pytest.mark.parametrize(
    ("change", "name", "form"),
    [("share", "revenue_share", Format.PERCENT), ("growth", "revenue_growth", Format.PERCENT),
     ("cumulative", "revenue_cumulative", Format.MONEY)],
)  # fmt: skip
async def test_what_is_computed_stands_beside_the_value(
    warehouse: DuckDBWarehouse, change: str, name: str, form: Format
) -> None:
    query = asked("revenue", breakdowns=[{"dimension": "order_date", "grain": "year"}], change=change)
    answer = await execute(query, SHOP, warehouse, dataset="shop", today=TODAY)
    assert [one.name for one in answer.columns] == ["order_date", "revenue", name]
    assert answer.columns[2].format is form
    assert [row[:2] for row in answer.rows] == [(date(2024, 1, 1), 80.0), (date(2025, 1, 1), 792.5)]


async def test_a_limit_of_rows_is_told(warehouse: DuckDBWarehouse) -> None:
    query = asked("revenue", breakdowns=[{"dimension": "product"}])
    answer = await execute(query, SHOP, warehouse, dataset="shop", today=TODAY, limits=Limits(rows=2))
    assert (len(answer.rows), answer.truncated) == (2, True)


async def test_many_are_answered_at_once(warehouse: DuckDBWarehouse) -> None:
    queries = [
        asked(name, breakdowns=[{"dimension": "category"}]) for name in ("revenue", "orders_count", "customers")
    ] * 4
    answers = await asyncio.gather(*(execute(one, SHOP, warehouse, dataset="shop", today=TODAY) for one in queries))
    assert [one.rows for one in answers] == [one.rows for one in answers[:3]] * 4
    assert len({one.rows for one in answers}) == 3


async def test_a_query_that_cannot_be_answered_never_reaches_the_warehouse(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(QueryError):
        await execute(asked("nope"), SHOP, warehouse, dataset="not there", today=TODAY)


def test_an_answer_with_other_columns_is_no_answer() -> None:
    with pytest.raises(QueryFailedError, match="not"):
        answer_of(asked("revenue"), SHOP, "SELECT 1", Result(columns=("something",), rows=((1,),)))
