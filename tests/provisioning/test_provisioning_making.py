"""Making data: repeatable, referentially whole, with the patterns that were asked for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from company_samples import NAMES, TODAY, brief, company, made, modelled, tea_shop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from afield.errors import InvalidInputError
from afield.provisioning.brief import Complexity
from afield.provisioning.checking import check_data
from afield.provisioning.datamodel import Column, ColumnType, DataModel, Table, TableKind
from afield.provisioning.dataset import AnomalyKind, Dataset
from afield.provisioning.making import FEWEST_ROWS, make
from afield.provisioning.making.calendar import calendar, spread
from afield.provisioning.making.names import names
from afield.provisioning.making.parquet import decimals
from afield.provisioning.making.run import shares
from afield.provisioning.naming import variations
from afield.provisioning.recipe import Clock, Named, Pool

MODEL = modelled(brief(), tea_shop())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    """A tea shop's data of 60,000 rows."""
    folder = tmp_path_factory.mktemp("shop")
    return folder, made(MODEL, folder, rows=60_000)


def read(folder: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{table}.parquet")


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(NAMES),
    st.sampled_from(Complexity),
    st.integers(0, 2**31),
    st.dates(date(2024, 1, 1), date(2028, 12, 31)),
)
def test_whatever_is_made_passes_every_check(
    tmp_path_factory: pytest.TempPathFactory, name: str, complexity: Complexity, seed: int, today: date
):
    folder, model = tmp_path_factory.mktemp("data"), modelled(brief(complexity), company(name))
    dataset = made(model, folder, seed=seed, rows=FEWEST_ROWS, today=today)
    facts = {table.name for table in model.tables if table.kind is TableKind.FACT}
    assert sum(file.rows for file in dataset.files if file.table in facts) == FEWEST_ROWS
    assert len(dataset.anomalies) >= 3
    assert [outcome for outcome in check_data(model, dataset, folder) if not outcome.passed] == []


def test_the_same_order_gives_the_same_values_and_another_seed_others(tmp_path: Path):
    folders = [tmp_path / name for name in ("one", "again", "other")]
    datasets = [made(MODEL, folder, seed=seed) for folder, seed in zip(folders, (5, 5, 6), strict=True)]
    assert datasets[0].anomalies == datasets[1].anomalies
    for table in MODEL.tables:
        first, again, other = (read(folder, table.name) for folder in folders)
        assert first.equals(again)
        assert table.size is None or not first.equals(other)


def test_every_piece_of_the_model_is_in_the_files_with_exact_types(shop: tuple[Path, Dataset]):
    folder, dataset = shop
    orders = read(folder, "orders")
    assert orders.columns == [column.name for column in MODEL.table("orders").columns]
    assert orders.schema["net_amount"] == pl.Decimal(18, 2) and orders.schema["order_date"] == pl.Date
    row = orders.row(0, named=True)
    assert row["net_amount"] - row["cost_amount"] == row["profit_amount"]
    assert isinstance(row["net_amount"], Decimal)
    assert [file.table for file in dataset.files] == [table.name for table in MODEL.tables]
    assert not list(folder.glob("*.part"))


def test_the_rows_of_facts_are_by_weight(shop: tuple[Path, Dataset]):
    rows = {file.table: file.rows for file in shop[1].files}
    assert rows["orders"] == 30_000 and rows["visits"] == 24_000 and rows["returns"] == 6_000


def test_the_company_s_words_are_in_the_data(shop: tuple[Path, Dataset]):
    assert read(shop[0], "stores")["store_name"].to_list() == ["Ghent", "Utrecht", "Aarhus", "Porto"]
    assert {"Morning Assam", "Glass Teapot"} <= set(read(shop[0], "products")["product_name"])


def test_weekends_and_december_are_busier_and_the_business_grows(shop: tuple[Path, Dataset]):
    days = read(shop[0], "orders").group_by("order_date").len().sort("order_date")
    planted = [one for one in shop[1].anomalies if one.fact == "orders"]
    for one in planted:
        days = days.filter((pl.col("order_date") < one.start) | (pl.col("order_date") >= one.end))
    by_weekday = dict(days.group_by(pl.col("order_date").dt.weekday()).agg(pl.col("len").mean()).rows())
    by_month = dict(days.group_by(pl.col("order_date").dt.month()).agg(pl.col("len").mean()).rows())
    assert by_weekday[6] > 1.3 * by_weekday[1]
    assert by_month[12] > 1.3 * by_month[2]
    year = days.with_columns(old=pl.col("order_date") < date(2025, 3, 1)).group_by("old").agg(pl.col("len").mean())
    means = dict(year.rows())
    assert means[False] > 1.05 * means[True]


def test_few_customers_buy_much_and_amounts_have_a_long_tail(shop: tuple[Path, Dataset]):
    orders = read(shop[0], "orders")
    counts = orders.group_by("customer_id").len()["len"].sort(descending=True)
    assert counts.head(len(counts) // 10).sum() > 0.2 * len(orders)
    amounts = orders["net_amount"].cast(pl.Float64)
    assert amounts.mean() > 1.15 * amounts.median()


def test_funnels_only_get_narrower_and_rates_differ_by_segment(shop: tuple[Path, Dataset]):
    visits = read(shop[0], "visits")
    steps = [int(visits[step].sum()) for step in ("viewed_product", "added_to_cart", "purchased")]
    assert len(visits) > steps[0] > steps[1] > steps[2] > 0
    in_cart = visits.filter(pl.col("viewed_product")).group_by("visit_source").agg(pl.col("added_to_cart").mean())
    rates = in_cart["added_to_cart"]
    assert rates.max() > 1.15 * rates.min()


def test_nobody_buys_before_joining_and_cohorts_fade(shop: tuple[Path, Dataset]):
    orders = read(shop[0], "orders").join(read(shop[0], "customers"), on="customer_id")
    age = (orders["order_date"] - orders["joined_on"]).dt.total_days()
    assert age.min() >= 0
    joined = orders.with_columns(age=age).filter(pl.col("joined_on").is_between(date(2024, 4, 1), date(2025, 1, 1)))
    buyers = [joined.filter(pl.col("age").is_between(a, a + 89)).height for a in (60, 330)]
    assert buyers[0] > 1.2 * buyers[1]


def test_products_are_in_the_group_their_name_says(shop: tuple[Path, Dataset]):
    model = modelled(brief(), company())
    folder = shop[0] / "generic"
    made(model, folder)
    with_group = read(folder, "products").join(read(folder, "categories"), on="category_id")
    boots = with_group.filter(pl.col("product_name").str.starts_with("Hiking Boot"))
    assert set(boots["category_name"]) == {"Footwear"} and boots.height > 1


def test_anomalies_are_of_three_kinds_and_an_outage_is_silence(shop: tuple[Path, Dataset]):
    folder, dataset = shop
    assert {one.kind for one in dataset.anomalies} == set(AnomalyKind)
    outage = next(one for one in dataset.anomalies if one.kind is AnomalyKind.OUTAGE)
    assert outage.fact == "visits" and outage.dimension == "category_name"
    visits = read(folder, "visits").join(read(folder, "categories"), on="category_id")
    there = visits.filter(pl.col("visit_date").is_between(outage.start, outage.end, closed="left"))
    assert there.height > 0 and there.filter(pl.col("category_name") == outage.value).height == 0


def test_progress_rises_to_one_and_what_it_raises_ends_the_work(tmp_path: Path):
    seen: list[float] = []
    make(MODEL, brief(), 1, TODAY, 6000, tmp_path / "a", lambda share, _: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 10

    def stop(share: float, _: str) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(MODEL, brief(), 1, TODAY, 6000, tmp_path / "b", stop)
    assert not (tmp_path / "b" / "returns.parquet").exists()


def test_too_few_rows_and_unsound_models_are_refused(tmp_path: Path):
    with pytest.raises(InvalidInputError, match="too few"):
        made(MODEL, tmp_path, rows=100)
    with pytest.raises(InvalidInputError, match="There is no fact"):
        made(MODEL.model_copy(update={"tables": (), "measures": (), "dimensions": ()}), tmp_path)


def test_a_model_without_recipes_is_made_by_its_types(tmp_path: Path):
    model = plain_model()
    dataset = made(model, tmp_path, rows=FEWEST_ROWS)
    assert [outcome for outcome in check_data(model, dataset, tmp_path) if not outcome.passed] == []
    frame = read(tmp_path, "events")
    assert frame.schema["moment"] == pl.Datetime("us", "UTC")
    assert frame.filter(pl.col("moment").dt.date() != pl.col("day")).height == 0
    assert frame["moment"].dt.hour().min() >= 9 and frame["moment"].dt.hour().max() < 17


def plain_model() -> DataModel:
    """One fact as a language model could think it up: columns without recipes."""
    types = {"what": ColumnType.TEXT, "much": ColumnType.DECIMAL, "rate": ColumnType.FLOAT, "ok": ColumnType.BOOLEAN}
    columns = [Column(name="event_id", type=ColumnType.INTEGER, description="x")]
    columns += [Column(name="day", type=ColumnType.DATE, description="x")]
    columns += [Column(name=name, type=kind, description="x") for name, kind in types.items()]
    columns += [Column(name="due", type=ColumnType.DATE, description="x")]
    columns += [Column(name="n", type=ColumnType.INTEGER, description="x")]
    columns += [Column(name="moment", type=ColumnType.TIMESTAMP, description="x", recipe=Clock(first=9, last=17))]
    events = Table(
        name="events",
        kind=TableKind.FACT,
        description="x",
        primary_key="event_id",
        columns=tuple(columns),
        date_column="day",
    )
    time = MODEL.dimensions[0].model_copy(update={"name": "day", "table": "events", "column": "day", "time": True})
    return MODEL.model_copy(update={"tables": (events,), "measures": (), "dimensions": (time,)})


@given(st.lists(st.integers(-(10**14), 10**14), max_size=50))
def test_decimals_are_exact(cents: list[int]):
    values = np.array(cents, dtype=np.float64) / 100
    assert decimals(values).to_pylist() == [Decimal(one).scaleb(-2) for one in cents]


@given(st.integers(1, 400), st.sampled_from([Pool.PEOPLE, Pool.FIRMS, Pool.VALUES]))
def test_no_two_names_are_equal(count: int, pool: Pool):
    found = names(Named(pool=pool, variants=("Plus",)), ("Tea", "Pot"), count, np.random.default_rng(1))
    assert len(found) == len(set(found)) == count


def test_people_can_be_more_than_there_are_names():
    found = names(Named(pool=Pool.PEOPLE), (), 30_000, np.random.default_rng(1))
    assert len(set(found)) == 30_000


def test_names_are_varied_in_order():
    assert variations(("Tea", "Pot"), ("Plus",), 5) == ("Tea", "Pot", "Tea Plus", "Pot Plus", "Tea 2")


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=9), st.integers(1000, 10**7))
def test_shares_add_up(weights: list[float], rows: int):
    found = shares(weights, rows)
    assert sum(found) == rows and min(found) >= 1


@given(st.dates(date(2000, 2, 29), date(2100, 12, 31)))
def test_the_data_begins_with_a_month_two_years_ago(today: date):
    days = calendar(today)
    assert days.first.day == 1 and days.first.month == today.month and days.first.year == today.year - 2
    assert len(days.days) == (today - days.first).days + 1


@given(st.integers(1, 500), st.integers(0, 2**31))
def test_rows_are_spread_completely_and_the_last_day_has_one(rows: int, seed: int):
    weights = np.ones(40)
    weights[10:20] = 0
    counts = spread(rows, weights, np.random.default_rng(seed))
    assert counts.sum() == rows and counts[-1] >= 1 and counts[10:20].sum() == 0


def test_duckdb_reads_what_polars_wrote(shop: tuple[Path, Dataset]):
    with duckdb.connect() as base:
        total = base.execute(f"SELECT sum(net_amount) FROM read_parquet('{shop[0]}/orders.parquet')").fetchone()
    assert total == (read(shop[0], "orders")["net_amount"].sum(),)
