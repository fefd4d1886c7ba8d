"""The BigQuery warehouse through Google's own client, at the simulated BigQuery: loads, cost, answers, safety."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from semantic_plain import evaluate, same
from semantic_world import ROWS, SHOP, TODAY, Rows, write_files

from afield.provisioning.query import Query
from afield.provisioning.semantic.execute import execute
from afield.provisioning.warehouse.base import (
    DatasetMissingError,
    Limits,
    LoadError,
    QueryFailedError,
    QueryLimitError,
    RefusedSqlError,
    WarehouseUnavailableError,
)
from afield.provisioning.warehouse.bigquery import BigQueryOptions, BigQueryWarehouse
from afield_sim.app import serve
from afield_sim.bigquery.service import BigQueryService
from afield_sim.testing import BigQueryAdmin, ManualClock

PROJECT = "some-project"
COUNT = "SELECT COUNT(*) AS n FROM orders"


@dataclass(frozen=True)
class Cloud:
    """A warehouse at a simulated BigQuery, and a client of one's own to look at what it did."""

    warehouse: BigQueryWarehouse
    client: bigquery.Client
    admin: BigQueryAdmin
    clock: ManualClock


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    clock = ManualClock()
    server = await serve([BigQueryService(clock)], "127.0.0.1", 0)
    options = BigQueryOptions(
        project=PROJECT, endpoint=server.base_url, expires_after=timedelta(days=2), labels={"job": "j1"}
    )
    warehouse = BigQueryWarehouse(options)
    client = bigquery.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": server.base_url}
    )
    async with aiohttp.ClientSession() as session:
        try:
            yield Cloud(warehouse, client, BigQueryAdmin(session, server.base_url), clock)
        finally:
            await warehouse.close()
            client.close()
            await server.stop()


async def load(cloud: Cloud, folder: Path, rows: Rows = ROWS, name: str = "shop") -> dict[str, int]:
    return (await cloud.warehouse.load(SHOP, write_files(SHOP, rows, folder), folder, name)).rows


async def loads(cloud: Cloud) -> list[str]:
    return [job["jobReference"]["jobId"] for job in await cloud.admin.jobs() if "load" in job["configuration"]]


async def test_a_dataset_says_what_it_is_whose_it_is_and_how_long_it_stays(cloud: Cloud, tmp_path: Path) -> None:
    loaded = await cloud.warehouse.load(SHOP, write_files(SHOP, ROWS, tmp_path), tmp_path, "shop")
    assert (loaded.address, loaded.rows["orders"]) == ("some-project.shop", 11)
    dataset = await asyncio.to_thread(cloud.client.get_dataset, "shop")
    assert dataset.labels == {"made-by": "afield", "job": "j1"}
    assert dataset.description == "Shop. A small shop."
    assert dataset.default_table_expiration_ms == 2 * 24 * 3600 * 1000
    orders = await asyncio.to_thread(cloud.client.get_table, "shop.orders")
    assert (orders.description, orders.num_rows) == ("Orders.", 11)
    assert (orders.time_partitioning.type_, orders.time_partitioning.field) == ("DAY", "order_date")
    assert {one.name: (one.field_type, one.description) for one in orders.schema}["amount"] == ("NUMERIC", "amount")
    assert (await asyncio.to_thread(cloud.client.get_table, "shop.products")).time_partitioning is None


async def test_a_repeat_adopts_the_jobs_of_the_try_before(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    first = await loads(cloud)
    assert await load(cloud, tmp_path) == {table: len(rows) for table, rows in ROWS.items()}
    assert await loads(cloud) == first
    assert len(first) == len(SHOP.tables)
    assert all(job.startswith("shop-") for job in first)


async def test_other_data_is_loaded_anew_and_replaces(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    await load(cloud, tmp_path, {**ROWS, "orders": ROWS["orders"][:4]})
    assert (await cloud.warehouse.query("shop", COUNT, Limits())).rows == ((4,),)
    assert len(await loads(cloud)) == len(SHOP.tables) + 1


async def test_after_a_drop_the_same_data_is_loaded_again(cloud: Cloud, tmp_path: Path) -> None:
    """The old jobs succeeded, but what they loaded is gone."""
    await load(cloud, tmp_path)
    await cloud.warehouse.drop("shop")
    await load(cloud, tmp_path)
    assert (await cloud.warehouse.query("shop", COUNT, Limits())).rows == ((11,),)


async def test_a_lost_reply_makes_no_second_job(cloud: Cloud, tmp_path: Path) -> None:
    await cloud.admin.fault(reply_lost={"next": 1})
    await load(cloud, tmp_path)
    assert len(await loads(cloud)) == len(SHOP.tables)
    assert (await cloud.warehouse.query("shop", COUNT, Limits())).rows == ((11,),)


async def test_a_failed_job_is_said_and_the_next_try_makes_another(cloud: Cloud, tmp_path: Path) -> None:
    await cloud.admin.fault(load_fails={"next": 1})
    with pytest.raises(LoadError, match="categories was not loaded"):
        await load(cloud, tmp_path)
    await load(cloud, tmp_path)
    failed, again = [job for job in await loads(cloud) if "-categories-" in job]
    assert (failed[-2:], again[-2:]) == ("-0", "-1")


async def test_doubled_keys_are_refused_before_anything_is_sent(cloud: Cloud, tmp_path: Path) -> None:
    doubled: Rows = {**ROWS, "categories": [*ROWS["categories"], ROWS["categories"][0]]}
    with pytest.raises(LoadError, match="doubled in 1 rows"):
        await load(cloud, tmp_path, doubled)
    assert await loads(cloud) == []


async def test_a_dataset_of_others_is_neither_written_nor_deleted(cloud: Cloud, tmp_path: Path) -> None:
    await asyncio.to_thread(cloud.client.create_dataset, "shop")
    with pytest.raises(LoadError, match="not made by Afield"):
        await load(cloud, tmp_path)
    with pytest.raises(WarehouseUnavailableError, match="left alone"):
        await cloud.warehouse.drop("shop")
    assert await asyncio.to_thread(lambda: list(cloud.client.list_tables("shop"))) == []


async def test_a_dropped_dataset_is_gone_and_can_be_dropped_again(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    await cloud.warehouse.drop("shop")
    await cloud.warehouse.drop("shop")
    with pytest.raises(DatasetMissingError):
        await cloud.warehouse.query("shop", COUNT, Limits())


async def test_a_query_says_what_it_read_and_keeps_to_its_limit_of_rows(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    found = await cloud.warehouse.query("shop", "SELECT order_id FROM orders ORDER BY 1", Limits(rows=3))
    assert (found.rows, found.truncated) == (((1,), (2,), (3,)), True)
    assert found.scanned_bytes == 11 * 8


async def test_a_query_that_would_read_too_much_is_not_started(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    before = len(await cloud.admin.jobs())
    with pytest.raises(QueryLimitError, match="would read 88 bytes, and may read 50"):
        await cloud.warehouse.query("shop", "SELECT order_id FROM orders", Limits(scanned_bytes=50))
    assert len(await cloud.admin.jobs()) == before


async def test_every_query_carries_a_limit_of_what_it_may_cost(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    await cloud.warehouse.query("shop", COUNT, Limits(scanned_bytes=2_000_000_000))
    job = (await cloud.admin.jobs())[-1]
    assert job["configuration"]["query"]["maximumBytesBilled"] == "2000000000"
    assert job["jobReference"]["jobId"].startswith("shop-query-")


async def test_what_is_wrong_with_a_statement_is_said(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    with pytest.raises(RefusedSqlError, match="no table secrets"):
        await cloud.warehouse.query("shop", "SELECT * FROM secrets", Limits())
    with pytest.raises(QueryFailedError, match="nope"):
        await cloud.warehouse.query("shop", "SELECT nope FROM orders", Limits())
    with pytest.raises(QueryFailedError, match="division by zero"):
        await cloud.warehouse.query("shop", "SELECT 1 / (quantity - quantity) AS x FROM orders", Limits())


async def test_a_query_that_takes_too_long_is_cancelled_there(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    await cloud.warehouse.query("shop", COUNT, Limits())
    await cloud.admin.fault(slow_jobs={"seconds": 1000, "skip": 1, "next": 1})  # not the dry run
    with pytest.raises(QueryLimitError, match=r"longer than 0\.5 s"):
        await cloud.warehouse.query("shop", COUNT, Limits(seconds=0.5))
    assert (await cloud.admin.jobs())[-1]["status"]["errorResult"]["reason"] == "stopped"


async def test_a_query_nobody_waits_for_is_cancelled_there(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    await cloud.admin.fault(slow_jobs={"seconds": 1000, "skip": 1, "next": 1})
    asked = asyncio.create_task(cloud.warehouse.query("shop", COUNT, Limits(seconds=3)))
    while not any("-query-" in job["jobReference"]["jobId"] for job in await cloud.admin.jobs()):
        await asyncio.sleep(0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await cloud.admin.jobs())[-1]["status"]["errorResult"]["reason"] == "stopped"


async def test_a_bigquery_that_cannot_be_reached_is_said() -> None:
    warehouse = BigQueryWarehouse(BigQueryOptions(project=PROJECT, endpoint="http://127.0.0.1:1"))
    with pytest.raises(WarehouseUnavailableError, match="cannot be reached"):
        await warehouse.query("shop", COUNT, Limits(seconds=1))
    await warehouse.close()


def asked(*measures: str, **more: Any) -> Query:
    return Query.model_validate({"measures": measures, **more})


MONTH, WEEK = {"dimension": "order_date", "grain": "month"}, {"dimension": "visit_date", "grain": "week"}
H1, BEFORE = {"start": "2025-01-01", "end": "2025-07-01"}, {"start": "2024-07-01", "end": "2025-01-01"}
QUERIES = [
    asked("revenue", "average_order", "customers", "weight", "returned_share"),
    asked("revenue", "return_rate", breakdowns=[{"dimension": "category"}]),
    asked("revenue", "visits_count", "orders_per_visit", breakdowns=[{"dimension": "category"}, WEEK]),
    asked("web_revenue", breakdowns=[MONTH, {"dimension": "returned"}], period=H1),
    asked("revenue", breakdowns=[MONTH], period=H1, compare=BEFORE),
    asked("visits_count", "conversion", breakdowns=[WEEK], period=H1, compare=BEFORE),
    asked("revenue", "customers", breakdowns=[{"dimension": "channel"}], change="share"),
    asked("revenue", breakdowns=[MONTH], change="growth", period=H1),
    asked("visits_count", breakdowns=[WEEK], change="cumulative"),
    asked("revenue", breakdowns=[{"dimension": "launched", "grain": "quarter"}], order={"field": "revenue"}, limit=2),
    asked("orders_count", filters=[{"field": "channel", "operator": "is_not", "values": ["Web"]},
                                   {"field": "list_price", "operator": "at_least", "values": [59.5]},
                                   {"field": "order_date", "operator": "above", "values": ["2025-01-01"]}]),
    asked("revenue", breakdowns=[{"dimension": "category"}],
          filters=[{"field": "visits_count", "operator": "above", "values": [0.5]}]),
]  # fmt: skip


async def test_the_same_plan_gives_the_same_in_bigquery(cloud: Cloud, tmp_path: Path) -> None:
    await load(cloud, tmp_path)
    for query in QUERIES:
        answer = await execute(query, SHOP, cloud.warehouse, dataset="shop", today=TODAY)
        expected = evaluate(query, SHOP, ROWS, TODAY)
        assert same(list(answer.rows), expected), (query, answer.rows, expected, answer.sql)
