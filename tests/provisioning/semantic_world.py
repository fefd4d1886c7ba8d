"""A small shop for tests: its model, its rows, and its tables in DuckDB.

Two facts share a dimension, a category is reached through a product, some references lead nowhere, some values are
missing, and one fact has times where the other has days.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet

from afield.provisioning.datamodel import (
    Aggregation,
    Column,
    ColumnType,
    Condition,
    DataModel,
    Dimension,
    Format,
    Measure,
    Reference,
    Table,
    TableKind,
)
from afield.provisioning.dataset import Dataset, TableFile

TODAY = date(2025, 6, 30)
T = ColumnType
A = Aggregation


def column(name: str, kind: ColumnType, *values: str) -> Column:
    return Column(name=name, type=kind, description=name, values=values)


def refers(**tables: str) -> tuple[Reference, ...]:
    return tuple(Reference(column=name, table=table) for name, table in tables.items())


CATEGORIES = Table(
    name="categories", kind=TableKind.DIMENSION, description="Groups of goods.", primary_key="category_id",
    columns=(column("category_id", T.INTEGER), column("category_name", T.TEXT, "Shoes", "Bags", "Gifts")),
)  # fmt: skip
PRODUCTS = Table(
    name="products", kind=TableKind.DIMENSION, description="Goods.", primary_key="product_id",
    columns=(
        column("product_id", T.INTEGER),
        column("category_id", T.INTEGER),
        column("product_name", T.TEXT),
        column("list_price", T.DECIMAL),
        column("launched_on", T.DATE),
    ),
    references=refers(category_id="categories"),
)  # fmt: skip
ORDERS = Table(
    name="orders", kind=TableKind.FACT, description="Orders.", primary_key="order_id", date_column="order_date",
    columns=(
        column("order_id", T.INTEGER),
        column("product_id", T.INTEGER),
        column("order_date", T.DATE),
        column("customer", T.TEXT),
        column("channel", T.TEXT, "Store", "Web", "App"),
        column("quantity", T.INTEGER),
        column("amount", T.DECIMAL),
        column("weight_kg", T.FLOAT),
        column("returned", T.BOOLEAN),
    ),
    references=refers(product_id="products"),
)  # fmt: skip
VISITS = Table(
    name="visits", kind=TableKind.FACT, description="Visits.", primary_key="visit_id", date_column="visited_at",
    columns=(
        column("visit_id", T.INTEGER),
        column("category_id", T.INTEGER),
        column("visited_at", T.TIMESTAMP),
        column("device", T.TEXT),
        column("pages", T.INTEGER),
        column("bought", T.BOOLEAN),
    ),
    references=refers(category_id="categories"),
)  # fmt: skip
STOCK = Table(
    name="stock", kind=TableKind.FACT, description="Stock, without a date.", primary_key="stock_id",
    columns=(column("stock_id", T.INTEGER), column("product_id", T.INTEGER), column("pieces", T.INTEGER)),
    references=refers(product_id="products"),
)  # fmt: skip


def measure(name: str, fact: str, aggregation: Aggregation, of: str | None = None, **more: object) -> Measure:
    label = name.replace("_", " ").capitalize()
    fields = {
        "name": name,
        "label": label,
        "description": label,
        "fact": fact,
        "aggregation": aggregation,
        "column": of,
    }
    return Measure.model_validate({**fields, **more})


def ratio(name: str, fact: str, above: str, below: str, form: Format = Format.PERCENT) -> Measure:
    label = name.replace("_", " ").capitalize()
    return Measure(
        name=name, label=label, description=label, fact=fact, numerator=above, denominator=below, format=form
    )  # fmt: skip


MEASURES = (
    measure("revenue", "orders", A.SUM, "amount", format=Format.MONEY),
    measure("orders_count", "orders", A.COUNT),
    measure("web_revenue", "orders", A.SUM, "amount", only=Condition(column="channel", values=("Web", "App"))),
    measure("returns", "orders", A.COUNT, only=Condition(column="returned", values=(True,))),
    measure("customers", "orders", A.COUNT_DISTINCT, "customer"),
    measure("average_order", "orders", A.AVERAGE, "amount", format=Format.MONEY),
    measure("largest_order", "orders", A.MAXIMUM, "amount", format=Format.MONEY),
    measure("smallest_order", "orders", A.MINIMUM, "amount", format=Format.MONEY),
    measure("weight", "orders", A.SUM, "weight_kg"),
    measure("pieces_sold", "orders", A.SUM, "quantity"),
    measure("returned_share", "orders", A.AVERAGE, "returned", format=Format.PERCENT),
    ratio("return_rate", "orders", "returns", "orders_count"),
    measure("visits_count", "visits", A.COUNT),
    measure("pages_seen", "visits", A.SUM, "pages"),
    measure("purchases", "visits", A.COUNT, only=Condition(column="bought", values=(True,))),
    ratio("conversion", "visits", "purchases", "visits_count"),
    ratio("orders_per_visit", "orders", "orders_count", "visits_count", Format.NUMBER),
    measure("pieces_left", "stock", A.SUM, "pieces"),
)


def dimension(name: str, table: str, *, time: bool = False, of: str = "") -> Dimension:
    label = name.replace("_", " ").capitalize()
    return Dimension(name=name, label=label, description=label, table=table, column=of or name, time=time)


DIMENSIONS = (
    dimension("category", "categories", of="category_name"),
    dimension("product", "products", of="product_name"),
    dimension("list_price", "products"),
    dimension("launched", "products", of="launched_on", time=True),
    dimension("channel", "orders"),
    dimension("quantity", "orders"),
    dimension("returned", "orders"),
    dimension("order_date", "orders", time=True),
    dimension("visit_date", "visits", of="visited_at", time=True),
    dimension("device", "visits"),
    dimension("bought", "visits"),
)

SHOP = DataModel(
    title="Shop", description="A small shop.", industry="retail",
    tables=(CATEGORIES, PRODUCTS, ORDERS, VISITS, STOCK), measures=MEASURES, dimensions=DIMENSIONS,
)  # fmt: skip

Row = tuple[object, ...]
Rows = dict[str, list[Row]]

ROWS: Rows = {
    "categories": [(1, "Shoes"), (2, "Bags"), (3, "Gifts")],
    "products": [
        (1, 1, "Boot", 80.00, date(2024, 1, 10)),
        (2, 1, "Sneaker", 60.00, date(2024, 3, 1)),
        (3, 2, "Satchel", 120.00, date(2025, 1, 1)),
        (4, None, "Mystery", 5.00, None),
    ],
    "orders": [
        # order, product, day, customer, channel, quantity, amount, weight, returned
        (1, 1, date(2024, 12, 30), "ann", "Store", 1, 80.00, 1.5, False),
        (2, 1, date(2025, 1, 1), "ann", "Web", 2, 160.00, 3.0, False),
        (3, 2, date(2025, 1, 5), "bob", "Web", 1, 60.00, 0.5, True),
        (4, 3, date(2025, 1, 6), "cat", "App", 1, 120.00, None, False),
        (5, 1, date(2025, 2, 28), "bob", "Store", 1, 80.00, 1.5, None),
        (6, 2, date(2025, 4, 1), "dan", "Store", 3, 180.00, 1.5, True),
        (7, 3, date(2025, 4, 2), "ann", "Web", 1, 120.00, 2.5, False),
        (8, 4, date(2025, 4, 30), "eve", None, 1, 5.00, 0.1, False),
        (9, 99, date(2025, 5, 31), "eve", "App", 1, 7.50, 0.1, False),
        (10, 2, date(2025, 6, 30), "bob", "App", 1, 60.00, 0.5, False),
        (11, 2, date(2025, 7, 15), "bob", "App", 1, 1000.00, 0.5, False),  # after today
    ],
    "visits": [
        (1, 1, datetime.fromisoformat("2024-12-31 23:59:59"), "Phone", 3, False),
        (2, 1, datetime.fromisoformat("2025-01-01 00:00:00"), "Phone", 5, True),
        (3, 1, datetime.fromisoformat("2025-01-15 12:00:00"), "Computer", 2, False),
        (4, 2, datetime.fromisoformat("2025-03-10 08:30:00"), "Phone", 1, False),
        (5, 3, datetime.fromisoformat("2025-04-02 09:00:00"), "Tablet", 9, True),
        (6, None, datetime.fromisoformat("2025-04-30 23:30:00"), "Phone", 4, True),
        (7, 1, datetime.fromisoformat("2025-06-30 10:00:00"), "Computer", 2, None),
    ],
    "stock": [(1, 1, 10), (2, 2, 0), (3, 3, 5), (4, 1, 7)],
}


def arrow_of(table: Table, rows: list[Row]) -> pyarrow.Table:
    """The rows as the data makers write them: decimals as floats, some integers small."""
    columns = zip(*rows, strict=True) if rows else [[] for _ in table.columns]
    arrays = [
        pyarrow.array(list(values), type=_ARROW[column.type])
        for column, values in zip(table.columns, columns, strict=True)
    ]
    return pyarrow.table(arrays, names=[column.name for column in table.columns])


def write_files(model: DataModel, rows: Rows, folder: Path) -> Dataset:
    """Parquet files and their manifest."""
    files = []
    for table in model.tables:
        path = folder / f"{table.name}.parquet"
        pyarrow.parquet.write_table(arrow_of(table, rows[table.name]), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(TableFile(table=table.name, file=path.name, rows=len(rows[table.name]), digest=digest))
    return Dataset(seed=1, today=TODAY, files=tuple(files))


def in_memory(model: DataModel, rows: Rows) -> duckdb.DuckDBPyConnection:
    """The tables in a DuckDB of the test's own, typed by hand."""
    connection = duckdb.connect()
    for table in model.tables:
        columns = ", ".join(f'"{one.name}" {_DUCKDB[one.type]}' for one in table.columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        if rows[table.name]:
            marks = ", ".join("?" for _ in table.columns)
            connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows[table.name])
    return connection


_ARROW = {
    T.INTEGER: pyarrow.int64(),
    T.DECIMAL: pyarrow.float64(),
    T.FLOAT: pyarrow.float64(),
    T.TEXT: pyarrow.string(),
    T.BOOLEAN: pyarrow.bool_(),
    T.DATE: pyarrow.date32(),
    T.TIMESTAMP: pyarrow.timestamp("us", tz="UTC"),
}
_DUCKDB = {
    T.INTEGER: "BIGINT",
    T.DECIMAL: "DECIMAL(18, 2)",
    T.FLOAT: "DOUBLE",
    T.TEXT: "VARCHAR",
    T.BOOLEAN: "BOOLEAN",
    T.DATE: "DATE",
    T.TIMESTAMP: "TIMESTAMP",
}
