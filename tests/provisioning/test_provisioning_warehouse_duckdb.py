"""The warehouse of DuckDB files: built apart, fenced, limited, and gone when it is dropped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from pyleak import no_event_loop_blocking
from semantic_world import PRODUCTS, ROWS, SHOP, Rows, write_files

from afield.errors import InvalidInputError
from afield.provisioning.dataset import Dataset
from afield.provisioning.warehouse.base import (
    DatasetMissingError,
    Limits,
    LoadError,
    QueryFailedError,
    QueryLimitError,
    RefusedSqlError,
)
from afield.provisioning.warehouse.duckdb import DuckDBOptions, DuckDBWarehouse
from afield.provisioning.warehouse.duckdb_reader import DuckDBReaders

COUNT = "SELECT COUNT(*) AS n FROM orders"
HEAVY = (
    "SELECT COUNT(*) AS n FROM "
    + ", ".join(f"orders AS o{number}" for number in range(12))
    + " WHERE o0.amount > o1.amount"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Dataset, Path]:
    folder = tmp_path / "files"
    folder.mkdir()
    return write_files(SHOP, ROWS, folder), folder


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    opened = DuckDBWarehouse(tmp_path / "home", DuckDBOptions(memory="128MB", workers=2, kept=2))
    yield opened
    await opened.close()


@pytest.fixture
async def shop(warehouse: DuckDBWarehouse, files: tuple[Dataset, Path]) -> DuckDBWarehouse:
    await warehouse.load(SHOP, *files, "shop")
    return warehouse


async def test_a_dataset_is_loaded_and_asked(shop: DuckDBWarehouse, tmp_path: Path) -> None:
    found = await shop.query(
        "shop", "SELECT channel, SUM(amount) AS revenue FROM orders GROUP BY 1 ORDER BY 1", Limits()
    )
    assert found.columns == ("channel", "revenue")
    assert found.rows == (("App", 1187.5), ("Store", 340.0), ("Web", 340.0), (None, 5.0))
    assert not found.truncated
    assert [one.name for one in (tmp_path / "home").iterdir()] == ["shop.duckdb"]


async def test_columns_have_the_models_types_whatever_the_files_have(shop: DuckDBWarehouse) -> None:
    found = await shop.query("shop", "SELECT amount, order_date FROM orders WHERE order_id = 1", Limits())
    assert found.rows[0][0] == 80.0
    at = await shop.query("shop", "SELECT visited_at FROM visits WHERE visit_id = 1", Limits())
    assert str(at.rows[0][0]) == "2024-12-31 23:59:59"


async def test_loading_again_replaces_the_dataset(
    shop: DuckDBWarehouse, files: tuple[Dataset, Path], tmp_path: Path
) -> None:
    assert (await shop.query("shop", COUNT, Limits())).rows == ((11,),)
    other = tmp_path / "other"
    other.mkdir()
    fewer: Rows = {**ROWS, "orders": ROWS["orders"][:3]}
    loaded = await shop.load(SHOP, write_files(SHOP, fewer, other), other, "shop")
    assert (loaded.name, loaded.rows["orders"]) == ("shop", 3)
    assert (await shop.query("shop", COUNT, Limits())).rows == ((3,),)


async def rejected(warehouse: DuckDBWarehouse, dataset: Dataset, folder: Path, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        await warehouse.load(SHOP, dataset, folder, "shop")
    home = folder.parent / "home"
    assert list(home.glob("*")) + list(home.glob(".*.tmp*")) == []


async def test_a_doubled_key_a_lost_row_and_a_missing_file_are_refused(
    warehouse: DuckDBWarehouse, files: tuple[Dataset, Path]
) -> None:
    dataset, folder = files
    doubled: Rows = {**ROWS, "products": [*ROWS["products"], ROWS["products"][0]]}
    await rejected(
        warehouse, write_files(SHOP, doubled, folder), folder, "product_id of products is missing or doubled in 1"
    )
    nameless: Rows = {**ROWS, "products": [(None, *ROWS["products"][0][1:])]}
    await rejected(warehouse, write_files(SHOP, nameless, folder), folder, "missing or doubled in 1 rows")
    write_files(SHOP, {**ROWS, "visits": ROWS["visits"][:2]}, folder)
    await rejected(warehouse, dataset, folder, "visits has 2 rows and should have 7")
    (folder / "visits.parquet").write_bytes(b"not parquet")
    await rejected(warehouse, dataset, folder, "file of visits cannot be read")
    (folder / "visits.parquet").unlink()
    await rejected(warehouse, dataset, folder, "file of visits is not there")
    await rejected(warehouse, dataset.model_copy(update={"files": ()}), folder, "no file for table categories")


async def test_a_file_without_a_column_or_with_another_type_is_refused(
    warehouse: DuckDBWarehouse, files: tuple[Dataset, Path]
) -> None:
    dataset, folder = files
    ids = pyarrow.array([1, 2, 3, 4])
    pyarrow.parquet.write_table(pyarrow.table({"product_id": ids}), folder / "products.parquet")
    await rejected(warehouse, dataset, folder, "file of products lacks category_id")
    texts = {column.name: pyarrow.array(["x"] * 4) for column in PRODUCTS.columns}
    pyarrow.parquet.write_table(pyarrow.table(texts), folder / "products.parquet")
    await rejected(warehouse, dataset, folder, "could not be loaded")


async def test_a_refused_load_leaves_the_dataset_that_is_there(
    shop: DuckDBWarehouse, files: tuple[Dataset, Path]
) -> None:
    dataset, folder = files
    (folder / "visits.parquet").unlink()
    with pytest.raises(LoadError):
        await shop.load(SHOP, dataset, folder, "shop")
    assert (await shop.query("shop", COUNT, Limits())).rows == ((11,),)


async def test_what_a_killed_load_left_is_swept_by_the_next(
    warehouse: DuckDBWarehouse, files: tuple[Dataset, Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    left, others = home / ".shop.0123.tmp", home / ".other.0123.tmp"
    left.write_bytes(b"half")
    others.write_bytes(b"half")
    await warehouse.load(SHOP, *files, "shop")
    assert not left.exists()
    assert others.exists()


@pytest.mark.parametrize("name", ["", "../shop", "Shop", "a/b", "shop;drop", "1shop", "x" * 101, "shöp"])
async def test_unsafe_names_are_refused(warehouse: DuckDBWarehouse, files: tuple[Dataset, Path], name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot name a dataset"):
        await warehouse.load(SHOP, *files, name)
    with pytest.raises(InvalidInputError):
        await warehouse.query(name, COUNT, Limits())
    with pytest.raises(InvalidInputError):
        await warehouse.drop(name)


async def test_rows_beyond_the_limit_are_left_out_and_it_is_said(shop: DuckDBWarehouse) -> None:
    sql = "SELECT order_id FROM orders ORDER BY order_id"
    cut = await shop.query("shop", sql, Limits(rows=3))
    assert (cut.rows, cut.truncated) == (((1,), (2,), (3,)), True)
    exact = await shop.query("shop", sql, Limits(rows=11))
    assert (len(exact.rows), exact.truncated) == (11, False)


async def test_a_query_that_takes_too_long_is_stopped_and_the_loop_stays_awake(shop: DuckDBWarehouse) -> None:
    async with no_event_loop_blocking(action="raise", threshold=0.2):
        with pytest.raises(QueryLimitError, match=r"longer than 0.5 s"):
            await shop.query("shop", HEAVY, Limits(seconds=0.5))
    assert (await shop.query("shop", COUNT, Limits())).rows == ((11,),)


async def test_who_waits_for_a_thread_is_stopped_too(shop: DuckDBWarehouse) -> None:
    heavy = [asyncio.create_task(shop.query("shop", HEAVY, Limits(seconds=1.5))) for _ in range(2)]
    await asyncio.sleep(0)  # both threads are taken
    with pytest.raises(QueryLimitError):
        await shop.query("shop", COUNT, Limits(seconds=0.2))
    for one in heavy:
        with pytest.raises(QueryLimitError):
            await one


async def test_a_query_nobody_waits_for_is_stopped(shop: DuckDBWarehouse) -> None:
    asked = asyncio.create_task(shop.query("shop", HEAVY, Limits(seconds=50)))
    _, waiting = await asyncio.wait({asked}, timeout=0.3)
    assert waiting
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await shop.query("shop", COUNT, Limits(seconds=5))).rows == ((11,),)


async def test_a_query_that_needs_too_much_memory_is_refused(shop: DuckDBWarehouse) -> None:
    many = ", ".join(f"orders AS o{number}" for number in range(8))
    with pytest.raises(QueryLimitError, match="more memory"):
        await shop.query("shop", f"SELECT ARRAY_AGG(o0.amount) AS all_of_them FROM {many}", Limits(seconds=30))


async def test_what_goes_wrong_is_said(shop: DuckDBWarehouse) -> None:
    with pytest.raises(QueryFailedError, match="nope"):
        await shop.query("shop", "SELECT nope FROM orders", Limits())
    with pytest.raises(RefusedSqlError, match="no table customers"):
        await shop.query("shop", "SELECT * FROM customers", Limits())
    with pytest.raises(DatasetMissingError, match="no dataset other"):
        await shop.query("other", COUNT, Limits())


FENCED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "COPY orders TO 'stolen.csv'",
    "ATTACH 'other.duckdb'",
    "INSTALL httpfs",
    "SET memory_limit = '8GB'",
    "SET enable_external_access = true",
    "CREATE TABLE x AS SELECT 1",
    "DELETE FROM orders",
    "SELECT * FROM a_variable_of_the_test",
]


@pytest.mark.parametrize("sql", FENCED)
def test_the_fence_behind_the_guard_holds_by_itself(sql: str, files: tuple[Dataset, Path], tmp_path: Path) -> None:
    a_variable_of_the_test = pyarrow.table({"secret": [1]})
    assert a_variable_of_the_test.num_rows == 1
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS x")
    readers = DuckDBReaders(memory="64MB", threads=1, kept=1)
    try:
        with readers.reading(file) as (cursor, tables):
            assert tables == ("orders",)
            with pytest.raises(duckdb.Error):
                cursor.execute(sql)
    finally:
        readers.close()


async def test_other_processes_read_the_same_file(shop: DuckDBWarehouse, tmp_path: Path) -> None:
    """The web process and the workers."""
    await shop.query("shop", COUNT, Limits())
    program = (
        "import asyncio, sys, pathlib\n"
        "from afield.provisioning.warehouse.base import Limits\n"
        "from afield.provisioning.warehouse.duckdb import DuckDBWarehouse\n"
        "async def main():\n"
        "    warehouse = DuckDBWarehouse(pathlib.Path(sys.argv[1]))\n"
        f"    print((await warehouse.query('shop', '{COUNT}', Limits())).rows)\n"
        "    await warehouse.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout == "((11,),)\n", done.stderr
    assert (await shop.query("shop", COUNT, Limits())).rows == ((11,),)


async def test_a_dropped_dataset_is_gone_and_can_be_dropped_again(shop: DuckDBWarehouse, tmp_path: Path) -> None:
    await shop.query("shop", COUNT, Limits())
    await shop.drop("shop")
    assert list((tmp_path / "home").iterdir()) == []
    with pytest.raises(DatasetMissingError):
        await shop.query("shop", COUNT, Limits())
    await shop.drop("shop")


async def test_only_so_many_files_are_held_open(warehouse: DuckDBWarehouse, files: tuple[Dataset, Path]) -> None:
    names = ["one", "two", "three"]
    for name in names:
        await warehouse.load(SHOP, *files, name)
    for name in (*names, *names):
        assert (await warehouse.query(name, COUNT, Limits())).rows == ((11,),)
    assert len(warehouse._readers._open) == 2


async def test_queries_run_side_by_side(shop: DuckDBWarehouse) -> None:
    found = await asyncio.gather(*(shop.query("shop", COUNT, Limits()) for _ in range(20)))
    assert {one.rows for one in found} == {((11,),)}
