"""Datasets, tables and load jobs of the simulated BigQuery, with the real client."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest
from bigquery_caller import PROJECT, Cloud, running_bigquery
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery

from afield_sim.testing import running_simulator

SCHEMA = [
    bigquery.SchemaField("id", "INT64", description="Number."),
    bigquery.SchemaField("name", "STRING"),
    bigquery.SchemaField("price", "NUMERIC"),
    bigquery.SchemaField("day", "DATE"),
    bigquery.SchemaField("at", "TIMESTAMP"),
    bigquery.SchemaField("good", "BOOL"),
    bigquery.SchemaField("weight", "FLOAT64"),
]


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running_bigquery() as running:
        await running.call(lambda client: client.create_dataset("shop"))
        yield running


def parquet(*, zone: str | None = "UTC") -> io.BytesIO:
    at = datetime.fromisoformat("2025-01-31 23:59:59")
    table = pyarrow.table(
        {
            "id": pyarrow.array([1, 2], pyarrow.int64()),
            "name": pyarrow.array(["ä", None]),
            "price": pyarrow.array([Decimal("1.50"), None], pyarrow.decimal128(18, 2)),
            "day": pyarrow.array([date(2025, 1, 31), None]),
            "at": pyarrow.array([at, None], pyarrow.timestamp("us", tz=zone)),
            "good": pyarrow.array([True, None]),
            "weight": pyarrow.array([0.5, None]),
        }
    )
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return io.BytesIO(sink.getvalue())


def load_config(**options: object) -> bigquery.LoadJobConfig:
    return bigquery.LoadJobConfig(source_format="PARQUET", schema=SCHEMA, **options)


async def test_a_dataset_keeps_what_was_said_of_it(cloud: Cloud) -> None:
    wanted = bigquery.Dataset("some-project.demo")
    wanted.labels, wanted.description, wanted.location = {"made-by": "afield"}, "A demo.", "EU"
    wanted.default_table_expiration_ms = 3_600_000
    await cloud.call(lambda client: client.create_dataset(wanted))
    found = await cloud.call(lambda client: client.get_dataset("demo"))
    assert (found.labels, found.description, found.location) == ({"made-by": "afield"}, "A demo.", "EU")
    assert found.default_table_expiration_ms == 3_600_000
    found.description = "Another."
    await cloud.call(lambda client: client.update_dataset(found, ["description"]))
    assert (await cloud.call(lambda client: client.get_dataset("demo"))).description == "Another."
    assert {one.dataset_id for one in await cloud.call(lambda client: list(client.list_datasets()))} == {"shop", "demo"}


async def test_what_is_there_twice_or_not_at_all_is_said(cloud: Cloud) -> None:
    with pytest.raises(Conflict, match="Already Exists: Dataset some-project:shop"):
        await cloud.call(lambda client: client.create_dataset("shop"))
    with pytest.raises(NotFound, match="Not found: Dataset some-project:nope"):
        await cloud.call(lambda client: client.get_dataset("nope"))
    with pytest.raises(NotFound, match=r"Not found: Table some-project:shop\.nope"):
        await cloud.call(lambda client: client.get_table("shop.nope"))
    with pytest.raises(NotFound, match="Not found: Job"):
        await cloud.call(lambda client: client.get_job("nope"))


async def test_labels_and_names_are_checked(cloud: Cloud) -> None:
    bad = bigquery.Dataset("some-project.other")
    bad.labels = {"Upper": "x"}
    with pytest.raises(BadRequest, match="Label 'Upper'"):
        await cloud.call(lambda client: client.create_dataset(bad))
    with pytest.raises(BadRequest, match="Invalid dataset ID"):
        await cloud.call(lambda client: client.create_dataset("a-b"))


async def test_a_table_has_fields_a_description_and_partitions(cloud: Cloud) -> None:
    table = bigquery.Table("some-project.shop.orders", schema=SCHEMA)
    table.description = "Orders."
    table.time_partitioning = bigquery.TimePartitioning(type_="DAY", field="day")
    await cloud.call(lambda client: client.create_table(table))
    found = await cloud.call(lambda client: client.get_table("shop.orders"))
    assert found.description == "Orders."
    assert found.time_partitioning.field == "day"
    assert found.schema[0].description == "Number."
    assert [one.field_type for one in found.schema] == [
        "INTEGER", "STRING", "NUMERIC", "DATE", "TIMESTAMP", "BOOLEAN", "FLOAT",
    ]  # fmt: skip
    assert found.num_rows == 0
    table = bigquery.Table("some-project.shop.wrong", schema=SCHEMA)
    table.time_partitioning = bigquery.TimePartitioning(type_="DAY", field="name")
    with pytest.raises(BadRequest, match="partitioning"):
        await cloud.call(lambda client: client.create_table(table))


async def test_a_dataset_with_tables_goes_only_with_them(cloud: Cloud) -> None:
    await cloud.call(lambda client: client.create_table(bigquery.Table("some-project.shop.orders", schema=SCHEMA)))
    with pytest.raises(BadRequest, match="still in use"):
        await cloud.call(lambda client: client.delete_dataset("shop"))
    await cloud.call(lambda client: client.delete_dataset("shop", delete_contents=True))
    await cloud.call(lambda client: client.delete_dataset("shop", not_found_ok=True))


async def test_tables_expire_with_the_datasets_time(cloud: Cloud) -> None:
    short = bigquery.Dataset("some-project.short")
    short.default_table_expiration_ms = 3_600_000
    await cloud.call(lambda client: client.create_dataset(short))
    await cloud.call(lambda client: client.create_table(bigquery.Table("some-project.short.one", schema=SCHEMA)))
    assert len(await cloud.call(lambda client: list(client.list_tables("short")))) == 1
    cloud.clock.advance(3_601)
    assert await cloud.call(lambda client: list(client.list_tables("short"))) == []


@pytest.mark.parametrize("sized", [True, False], ids=["multipart", "resumable"])
async def test_parquet_is_loaded(cloud: Cloud, sized: bool) -> None:
    content = parquet()
    size = len(content.getvalue()) if sized else None

    def load(client: bigquery.Client) -> bigquery.LoadJob:
        job = client.load_table_from_file(content, "shop.orders", size=size, job_id="load-1", job_config=load_config())
        return job.result(timeout=20)

    job = await cloud.call(load)
    assert (job.output_rows, job.state, job.job_id) == (2, "DONE", "load-1")
    [row] = await cloud.rows("SELECT * FROM shop.orders WHERE id = 1")
    at = row[4]
    assert row[:4] == (1, "ä", Decimal("1.5"), date(2025, 1, 31))
    assert (at.isoformat(), *row[5:]) == ("2025-01-31T23:59:59+00:00", True, 0.5)
    assert await cloud.rows("SELECT * FROM shop.orders WHERE id = 2") == [(2, None, None, None, None, None, None)]


async def test_a_resumable_upload_may_come_in_pieces(cloud: Cloud) -> None:
    lines = [b'{"id": %d, "name": "%s"}' % (number, b"x" * 500) for number in range(2000)]
    content = io.BytesIO(b"\n".join(lines))
    config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", schema=SCHEMA[:2]).to_api_repr()
    config["load"]["destinationTable"] = {"projectId": PROJECT, "datasetId": "shop", "tableId": "many"}
    job = {"jobReference": {"projectId": PROJECT, "jobId": "pieces"}, "configuration": config}

    def load(client: bigquery.Client) -> int:
        """The client chooses large pieces by itself."""
        upload, transport = client._initiate_resumable_upload(content, job, 2, None, PROJECT)
        upload._chunk_size = 256 * 1024
        pieces = 0
        while not upload.finished:
            upload.transmit_next_chunk(transport)
            pieces += 1
        return pieces

    assert await cloud.call(load) > 2
    assert await cloud.rows("SELECT COUNT(*) FROM shop.many") == [(2000,)]


async def test_csv_and_json_are_loaded(cloud: Cloud) -> None:
    text = io.BytesIO(b'id,name\n1,"a, b"\n2,\n')
    config = bigquery.LoadJobConfig(source_format="CSV", schema=SCHEMA[:2], skip_leading_rows=1)
    await cloud.call(lambda client: client.load_table_from_file(text, "shop.csv", job_config=config).result(timeout=20))
    assert await cloud.rows("SELECT id, name FROM shop.csv ORDER BY id") == [(1, "a, b"), (2, None)]

    def load_json(client: bigquery.Client) -> object:
        config = bigquery.LoadJobConfig(schema=SCHEMA[:2])
        return client.load_table_from_json([{"id": 3, "name": "c"}], "shop.csv", job_config=config).result(timeout=20)

    await cloud.call(load_json)
    assert await cloud.rows("SELECT COUNT(*) FROM shop.csv") == [(3,)]


async def test_truncating_replaces_and_appending_adds(cloud: Cloud) -> None:
    for disposition, rows in (("WRITE_APPEND", 2), ("WRITE_APPEND", 4), ("WRITE_TRUNCATE", 2)):
        config = load_config(write_disposition=disposition)
        await cloud.call(
            lambda client, config=config: client.load_table_from_file(
                parquet(), "shop.orders", job_config=config
            ).result(timeout=20)
        )
        assert (await cloud.call(lambda client: client.get_table("shop.orders"))).num_rows == rows


async def test_parquet_of_another_type_is_refused_and_changes_nothing(cloud: Cloud) -> None:
    """A time stamp without zone is a DATETIME, a float is no NUMERIC."""
    await cloud.call(lambda client: client.create_table(bigquery.Table(f"{PROJECT}.shop.orders", schema=SCHEMA)))
    table = pyarrow.parquet.read_table(parquet())
    price = table.schema.get_field_index("price")
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table.set_column(price, "price", table["price"].cast(pyarrow.float64())), sink)
    for content, column in ((parquet(zone=None), "at"), (io.BytesIO(sink.getvalue()), "price")):
        with pytest.raises(BadRequest, match=f"column '{column}' has type"):
            await cloud.call(
                lambda client, content=content: client.load_table_from_file(
                    content, "shop.orders", job_config=load_config()
                ).result(timeout=20)
            )
    assert (await cloud.call(lambda client: client.get_table("shop.orders"))).num_rows == 0


async def test_a_job_id_can_be_used_once(cloud: Cloud) -> None:
    def load(client: bigquery.Client) -> bigquery.LoadJob:
        return client.load_table_from_file(parquet(), "shop.orders", job_id="once", job_config=load_config())

    await cloud.call(lambda client: load(client).result(timeout=20))
    with pytest.raises(Conflict, match="Already Exists: Job"):
        await cloud.call(load)
    assert (await cloud.call(lambda client: client.get_job("once"))).output_rows == 2


async def test_a_slow_job_is_waited_for_and_a_failing_one_says_why(cloud: Cloud) -> None:
    await cloud.admin.fault(slow_jobs={"seconds": 60, "next": 1})
    job = await cloud.call(lambda client: client.load_table_from_file(parquet(), "shop.a", job_config=load_config()))
    assert job.state == "PENDING"
    cloud.clock.advance(61)
    assert (await cloud.call(lambda client: job.result(timeout=20))).output_rows == 2
    await cloud.admin.fault(load_fails={"next": 1})
    failing = await cloud.call(
        lambda client: client.load_table_from_file(parquet(), "shop.b", job_config=load_config())
    )
    with pytest.raises(GoogleAPICallError, match="internal error"):
        await cloud.call(lambda client: failing.result(timeout=20))


async def test_it_is_part_of_the_simulator() -> None:
    async with running_simulator(vms=0) as sim:
        assert sim.bigquery.endpoint == sim.base_url
        assert await sim.bigquery_admin.jobs() == []
