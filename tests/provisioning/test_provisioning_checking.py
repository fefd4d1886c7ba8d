"""Checking made data: every kind of damage is found, by a calculation of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from company_samples import TODAY, brief, made, modelled, tea_shop

from afield.provisioning.checking import CheckOutcome, check_data
from afield.provisioning.dataset import AnomalyKind, Dataset
from afield.provisioning.digests import digest

MODEL = modelled(brief(), tea_shop())
Damage = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, made(MODEL, folder, rows=12_000)


def damaged(whole: tuple[Path, Dataset], folder: Path, table: str, damage: Damage) -> tuple[CheckOutcome, ...]:
    """The checks that fail after one table was changed, and the manifest with it."""
    source, dataset = whole
    files = []
    for file in dataset.files:
        target = folder / file.file
        if file.table == table:
            frame = damage(pl.read_parquet(source / file.file))
            frame.write_parquet(target)
            files.append(file.model_copy(update={"digest": digest(target)}))
        else:
            target.hardlink_to(source / file.file)
            files.append(file)
    found = check_data(MODEL, dataset.model_copy(update={"files": tuple(files)}), folder)
    return tuple(outcome for outcome in found if not outcome.passed)


def test_what_was_made_passes(whole: tuple[Path, Dataset]):
    outcomes = check_data(MODEL, whole[1], whole[0])
    assert all(outcome.passed for outcome in outcomes)
    assert sum(" of orders where " in outcome.name for outcome in outcomes) == 2
    assert any("planted was" in outcome.detail for outcome in outcomes)


def set_first(name: str, value: object) -> Damage:
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit(value))
        .otherwise(pl.col(name))
        .cast(frame[name].dtype)
        .alias(name)
    )


DAMAGES = [
    ("orders", lambda frame: frame.head(-1), "rows of orders", "the manifest says"),
    ("orders", set_first("order_id", 2), "key of orders", "5999 different keys in 6000 rows"),
    ("orders", set_first("store_id", 99), "orders.store_id in stores", "1 of 6000 lead nowhere"),
    ("orders", lambda f: f.with_columns(product_id=pl.lit(1, pl.Int64)), "orders.product_id in products", "1 of 120"),
    ("orders", set_first("net_amount", None), "nothing missing in orders", "1 rows have no net_amount"),
    ("orders", set_first("order_status", "Eaten"), "values of orders", "another order_status"),
    ("orders", set_first("quantity", 700), "values of orders", "quantity out of its range"),
    ("orders", set_first("discount", -0.1), "values of orders", "discount out of its range"),
    ("orders", lambda f: f.with_columns(sales_channel=pl.lit("Web")), "values of orders", "only 1 different values"),
    ("orders", lambda f: f.drop("quantity"), "columns of orders", "the model has"),
    ("orders", lambda f: f.with_columns(pl.col("order_date") - timedelta(2)), "days of orders", "to 2026-03-16"),
    ("visits", set_first("purchased", True), "values of visits", "reached purchased without added_to_cart"),
    ("stores", set_first("store_name", "Elsewhere"), "values of stores", "another store_name"),
]


@pytest.mark.parametrize(("table", "damage", "name", "detail"), DAMAGES)
def test_damage_is_found_where_it_is(
    whole: tuple[Path, Dataset], tmp_path: Path, table: str, damage: Damage, name: str, detail: str
):
    if name == "values of visits":  # a row that did not get so far
        first = pl.read_parquet(whole[0] / "visits.parquet")["added_to_cart"].to_list().index(False)
        damage = lambda frame: frame.with_columns(purchased=frame["purchased"] | (pl.int_range(pl.len()) == first))  # noqa: E731
    failed = {outcome.name: outcome for outcome in damaged(whole, tmp_path, table, damage)}
    assert name in failed and detail in failed[name].detail and failed[name].matters


def test_a_missing_and_an_altered_file_end_the_checks(whole: tuple[Path, Dataset], tmp_path: Path):
    source, dataset = whole
    for file in dataset.files[1:]:
        (tmp_path / file.file).hardlink_to(source / file.file)
    (tmp_path / "stores.parquet").unlink()
    (tmp_path / "stores.parquet").write_bytes(b"something else")
    failed = {one.name: one.detail for one in check_data(MODEL, dataset, tmp_path) if not one.passed}
    gone = dataset.files[0]
    assert failed == {
        f"file of {gone.table}": f"{gone.file} is not there.",
        "file of stores": "stores.parquet is not the file that was made.",
    }


def test_a_table_that_the_manifest_forgot_is_missed(whole: tuple[Path, Dataset]):
    shorter = whole[1].model_copy(update={"files": whole[1].files[1:]})
    assert [one.detail for one in check_data(MODEL, shorter, whole[0]) if not one.passed] == ["The manifest has none."]


@pytest.mark.parametrize("kind", AnomalyKind)
def test_an_anomaly_that_is_not_in_the_data_is_not_found(whole: tuple[Path, Dataset], kind: AnomalyKind):
    factors = {AnomalyKind.SPIKE: 3.0, AnomalyKind.DROP: 0.2, AnomalyKind.OUTAGE: 0.0}
    start = TODAY - timedelta(days=500)
    there = next(one for one in whole[1].anomalies if one.fact == "orders")
    invented = there.model_copy(
        update={"kind": kind, "factor": factors[kind], "start": start, "end": start + timedelta(weeks=4)}
    )
    outcomes = check_data(MODEL, whole[1].model_copy(update={"anomalies": (invented,)}), whole[0])
    (wrong,) = (outcome for outcome in outcomes if not outcome.passed)
    assert wrong.name.startswith(kind) and "were usual" in wrong.detail


def test_an_anomaly_without_any_rows_around_it_is_not_found(whole: tuple[Path, Dataset]):
    long_ago = (
        whole[1].anomalies[0].model_copy(update={"start": TODAY.replace(year=2010), "end": TODAY.replace(year=2011)})
    )
    outcomes = check_data(MODEL, whole[1].model_copy(update={"anomalies": (long_ago,)}), whole[0])
    assert outcomes[-1].detail == "There are no rows around it to compare with."
