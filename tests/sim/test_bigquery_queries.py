"""Queries of the simulated BigQuery, with the real client: answers, pages, cost, and what DuckDB would do otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bigquery_caller import Cloud, running_bigquery
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running_bigquery() as running:

        def fill(client: bigquery.Client) -> None:
            client.create_dataset("shop")
            schema = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")]
            rows = [{"id": number, "name": f"n{number}"} for number in range(25)]
            config = bigquery.LoadJobConfig(schema=schema)
            client.load_table_from_json(rows, "shop.things", job_config=config).result(timeout=20)

        await running.call(fill)
        yield running


DIFFERENCES: list[tuple[str, object]] = [
    ("EXTRACT(DAYOFWEEK FROM DATE '2024-01-07')", 1),
    ("EXTRACT(WEEK FROM DATE '2024-01-06')", 0),
    ("EXTRACT(WEEK(MONDAY) FROM DATE '2024-01-08')", 2),
    ("EXTRACT(ISOWEEK FROM DATE '2024-01-07')", 1),
    ("DATE_TRUNC(DATE '2024-01-07', WEEK)", date(2024, 1, 7)),
    ("DATE_TRUNC(DATE '2024-01-07', WEEK(MONDAY))", date(2024, 1, 1)),
    ("DATE_TRUNC(DATE '2024-05-07', QUARTER)", date(2024, 4, 1)),
    ("DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH)", date(2024, 2, 29)),
    ("DATE_SUB(DATE '2024-01-01', INTERVAL 1 DAY)", date(2023, 12, 31)),
    ("DATE_DIFF(DATE '2024-01-07', DATE '2024-01-06', WEEK)", 1),
    ("DATE_DIFF(DATE '2024-01-07', DATE '2024-01-06', WEEK(MONDAY))", 0),
    ("TIMESTAMP_DIFF(TIMESTAMP '2024-01-02 01:00:00', TIMESTAMP '2024-01-01 23:00:00', DAY)", 0),
    ("DATE(TIMESTAMP '2024-01-01 23:59:59')", date(2024, 1, 1)),
    ("TIMESTAMP_TRUNC(TIMESTAMP '2024-01-02 01:00:00', MONTH)", datetime(2024, 1, 1, tzinfo=UTC)),
    ("7 / 2", 3.5),
    ("SAFE_DIVIDE(1, 0)", None),
    ("IEEE_DIVIDE(1, 0)", float("inf")),
    ("IEEE_DIVIDE(1, NULLIF(0, 0))", None),
    ("0.1 + 0.2", 0.1 + 0.2),
    ("CAST('1.123456789' AS NUMERIC)", Decimal("1.123456789")),
    ("SUBSTR('abc', 0, 2)", "ab"),
    ("[1, 2][OFFSET(1)]", 2),
    ("[1, 2][SAFE_OFFSET(9)]", None),
    ("ARRAY(SELECT 1)", [1]),
    ("(SELECT ARRAY_AGG(x ORDER BY x DESC LIMIT 2) FROM UNNEST([1, 2, 3]) AS x)", [3, 2]),
    ("(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2, 3]) AS x)", 2),
    ("FORMAT_DATE('%Y-%m', DATE '2024-01-07')", "2024-01"),
]


@pytest.mark.parametrize(("expression", "expected"), DIFFERENCES, ids=[one for one, _ in DIFFERENCES])
def test_an_expression_gives_what_bigquery_gives(expression: str, expected: object, values: dict[str, Any]) -> None:
    assert values[expression] == expected


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """All expressions, each asked by itself, at one simulator."""
    import asyncio

    async def ask() -> dict[str, Any]:
        async with running_bigquery() as running:
            return {one: (await running.rows(f"SELECT {one} AS x"))[0][0] for one, _ in DIFFERENCES}

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 / (id - id) AS x FROM shop.things", "division by zero"),
        ("SELECT MOD(1, id - id) AS x FROM shop.things", "division by zero"),
        ("SELECT [1, 2][OFFSET(id + 9)] AS x FROM shop.things", "out of bounds"),
        ("SELECT DATE_TRUNC(TIMESTAMP '2024-01-02 01:00:00', MONTH) AS x FROM shop.things", "Not simulated"),
    ],
)
async def test_what_fails_while_it_runs_is_the_jobs_error(cloud: Cloud, sql: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        await cloud.rows(sql)
    with pytest.raises(BadRequest, match=said):
        await cloud.call(lambda client: client.query_and_wait(sql, retry=None, job_retry=None))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT FROM", "Syntax error"),
        ("SELECT nope FROM shop.things", "nope"),
        ("SELECT x FROM UNNEST([1]) AS x WITH OFFSET", "Not simulated: UNNEST ... WITH OFFSET"),
        ("SELECT id FROM shop.things TABLESAMPLE SYSTEM (10 PERCENT)", "Not simulated: TABLESAMPLE"),
        ("SELECT APPROX_TOP_COUNT(id, 2) AS x FROM shop.things", "Not simulated: APPROX_TOP_COUNT"),
        ("SELECT FARM_FINGERPRINT(name) AS x FROM shop.things", "farm_fingerprint|FARM_FINGERPRINT"),
        ("SELECT PERCENTILE_CONT(id, 0.5) AS x FROM shop.things", "without an OVER"),
        ("SELECT 1 AS a, 2 AS a", "Duplicate column names"),
        ("SELECT id FROM things", "must be qualified"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Table-valued function not found"),
        ("DELETE FROM shop.things WHERE true", "Not simulated"),
    ],
)
async def test_what_cannot_run_is_refused_at_once(cloud: Cloud, sql: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        await cloud.rows(sql)


async def test_a_table_that_is_not_there_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(NotFound, match=r"Table some-project:shop\.nope"):
        await cloud.rows("SELECT 1 AS x FROM shop.nope")


async def test_tables_are_found_by_all_their_names(cloud: Cloud) -> None:
    config = bigquery.QueryJobConfig(default_dataset="some-project.shop")
    for name in ("shop.things", "`some-project.shop.things`", "`some-project`.shop.things"):
        assert await cloud.rows(f"SELECT COUNT(*) FROM {name}") == [(25,)]
    assert await cloud.rows("SELECT COUNT(things.id) FROM things", job_config=config) == [(25,)]
    shadow = "WITH things AS (SELECT 1 AS id) SELECT COUNT(*) FROM things"
    assert await cloud.rows(shadow, job_config=config) == [(1,)]


async def test_nothing_comes_first_where_it_sorts_upwards(cloud: Cloud) -> None:
    sql = "SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x"
    assert await cloud.rows(sql) == [(None,), (1,), (2,)]
    assert await cloud.rows(f"{sql} DESC") == [(2,), (1,), (None,)]
    assert await cloud.rows(f"{sql} NULLS LAST") == [(1,), (2,), (None,)]


async def test_answers_come_in_pages(cloud: Cloud) -> None:
    def ask(client: bigquery.Client) -> list[int]:
        rows = client.query("SELECT id FROM shop.things ORDER BY id").result(page_size=10, timeout=20)
        return [len(list(page)) for page in rows.pages]

    assert await cloud.call(ask) == [10, 10, 5]
    found = await cloud.call(
        lambda client: list(client.query_and_wait("SELECT id FROM shop.things ORDER BY id", page_size=7))
    )
    assert [row.id for row in found] == list(range(25))


async def test_a_dry_run_costs_nothing_and_keeps_no_job(cloud: Cloud) -> None:
    before = len(await cloud.admin.jobs())
    config = bigquery.QueryJobConfig(dry_run=True)

    def cost(sql: str) -> int:
        return cloud.client.query(sql, job_config=config).total_bytes_processed

    import asyncio

    assert await asyncio.to_thread(cost, "SELECT id FROM shop.things") == 25 * 8
    everything = 25 * 8 + sum(2 + len(f"n{number}") for number in range(25))
    assert await asyncio.to_thread(cost, "SELECT * FROM shop.things") == everything
    assert len(await cloud.admin.jobs()) == before


async def test_a_query_that_would_cost_too_much_does_not_run(cloud: Cloud) -> None:
    config = bigquery.QueryJobConfig(maximum_bytes_billed=1_000_000)
    with pytest.raises(Exception, match=r"exceeded limit for bytes billed: 1000000\. 10485760 or higher"):
        await cloud.rows("SELECT id FROM shop.things", job_config=config)
    enough = bigquery.QueryJobConfig(maximum_bytes_billed=10_485_760)
    assert len(await cloud.rows("SELECT id FROM shop.things", job_config=enough)) == 25


async def test_a_query_that_is_slow_is_waited_for_or_cancelled(cloud: Cloud) -> None:
    await cloud.admin.fault(slow_jobs={"seconds": 60, "next": 2})
    job = await cloud.call(lambda client: client.query("SELECT 1 AS x", job_id="slow", job_retry=None))
    assert job.state == "PENDING"
    cloud.clock.advance(40)
    await cloud.call(lambda client: job.reload())
    assert job.state == "RUNNING"
    cloud.clock.advance(21)
    assert [row.x for row in await cloud.call(lambda client: list(job.result(timeout=20)))] == [1]
    other = await cloud.call(lambda client: client.query("SELECT 1 AS x"))
    await cloud.call(lambda client: other.cancel())
    with pytest.raises(Exception, match="cancelled"):
        await cloud.call(lambda client: other.result(timeout=20))


async def test_a_lost_reply_leaves_the_job(cloud: Cloud) -> None:
    await cloud.admin.fault(reply_lost={"next": 1})
    with pytest.raises(Exception, match=r"Connection|Remote"):
        await cloud.call(
            lambda client: client.query("SELECT 1 AS x", job_id="lost", retry=None, job_retry=None, timeout=5)
        )
    with pytest.raises(Conflict):
        await cloud.call(lambda client: client.query("SELECT 1 AS x", job_id="lost", retry=None, job_retry=None))
    found = await cloud.call(lambda client: client.get_job("lost"))
    assert [row.x for row in await cloud.call(lambda client: list(found.result(timeout=20)))] == [1]
