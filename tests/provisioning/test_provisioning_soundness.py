"""What is no sound model, and that it is said why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from company_samples import brief, company, modelled

from afield.provisioning.brief import Complexity
from afield.provisioning.datamodel import (
    Aggregation,
    Column,
    ColumnType,
    Condition,
    DataModel,
    Measure,
    Reference,
    Table,
    TableKind,
)
from afield.provisioning.reach import time_of, ways_from
from afield.provisioning.recipe import Chance, Choice, Times
from afield.provisioning.soundness import unsound

MODEL = modelled(brief(Complexity.SIMPLE), company())


def with_table(name: str, change: Callable[[Table], Table]) -> DataModel:
    tables = tuple(change(table) if table.name == name else table for table in MODEL.tables)
    return MODEL.model_copy(update={"tables": tables})


def with_measure(**update: object) -> DataModel:
    measures = tuple(one.model_copy(update=update) if one.name == "revenue" else one for one in MODEL.measures)
    return MODEL.model_copy(update={"measures": measures})


def renamed(table: Table, old: str, new: str) -> Table:
    columns = [one.model_copy(update={"name": new}) if one.name == old else one for one in table.columns]
    return table.model_copy(update={"columns": tuple(columns)})


def recipe(table: Table, name: str, value: object) -> Table:
    columns = [one.model_copy(update={"recipe": value}) if one.name == name else one for one in table.columns]
    return table.model_copy(update={"columns": tuple(columns)})


def more(table: Table, *columns: str, **update: object) -> Table:
    made = tuple(Column(name=name, type=ColumnType.INTEGER, description="x") for name in columns)
    return table.model_copy(update={"columns": (*table.columns, *made), **update})


def refer(table: Table, column: str, other: str) -> Table:
    return more(table, column, references=(*table.references, Reference(column=column, table=other)))


EMPTY = MODEL.model_copy(update={"tables": (), "measures": (), "dimensions": ()})
UNSOUND = [
    (EMPTY, "There is no fact"),
    (with_table("stores", lambda t: renamed(t, "store_id", "number_of")), "stores has no whole-number column store_id"),
    (with_table("stores", lambda t: t.model_copy(update={"name": "shops"})), "refers to stores, which is no table"),
    (with_table("stores", lambda t: renamed(t, "store_format", "select")), "'select' is a word of SQL"),
    (with_table("stores", lambda t: more(t, "store_name")), "two columns store_name"),
    (with_table("orders", lambda t: refer(t, "second_store", "stores")), "orders reaches stores in 2 ways"),
    (with_table("stores", lambda t: refer(t, "order_key", "orders")), "stores refers to orders, which is a fact"),
    (with_table("categories", lambda t: refer(t, "best_product", "products")), "back to it"),
    (with_table("orders", lambda t: t.model_copy(update={"date_column": None})), "orders has no date column"),
    (with_table("orders", lambda t: t.model_copy(update={"kind": TableKind.DIMENSION})), "only facts happen"),
    (with_table("orders", lambda t: t.model_copy(update={"references": t.references[1:]})), "No fact reaches"),
    (with_measure(column="order_status"), "cannot compute the sum of orders.order_status"),
    (with_measure(column="store_id"), "cannot compute the sum of orders.store_id"),
    (with_measure(column="missing"), "orders has no missing"),
    (with_measure(fact="stores"), "belongs to stores, which is no fact"),
    (with_measure(name="net_amount"), "called like a column"),
    (with_measure(aggregation=Aggregation.COUNT), "counts rows; it takes no column"),
    (with_measure(only=Condition(column="order_status", values=("Eaten",))), "'Eaten', which order_status never is"),
    (with_measure(only=Condition(column="order_status", values=(True,))), "True, which order_status never is"),
    (with_measure(only=Condition(column="mood", values=("x",))), "depends on mood"),
    (with_measure(aggregation=None, column=None), "needs two measures"),
    (
        with_measure(aggregation=None, column=None, numerator="profit", denominator="visit_count"),
        "of visit_count of vis",
    ),
    (with_measure(aggregation=None, column=None, numerator="profit", denominator="profit_margin"), "is a ratio itself"),
    (with_measure(numerator="profit"), "an aggregation and a ratio at once"),
    (with_measure(label="Orders"), "known as 'orders'"),
    (MODEL.model_copy(update={"dimensions": MODEL.dimensions[1:] + MODEL.dimensions[1:2]}), "are called"),
    (MODEL.model_copy(update={"dimensions": tuple(d for d in MODEL.dimensions if not d.time)}), "no time dimension"),
    (with_table("orders", lambda t: recipe(t, "quantity", Times(factors=("net_amount",)))), "not there before it"),
    (with_table("orders", lambda t: recipe(t, "net_amount", Times(factors=("sales_channel",)))), "which is text"),
    (with_table("visits", lambda t: recipe(t, "purchased", Chance(rate=0.5, after="device"))), "which is text"),
    (with_table("orders", lambda t: recipe(t, "order_status", Choice(weights=(1.0,)))), "3 values and 1 weights"),
]


@pytest.mark.parametrize(("model", "flaw"), UNSOUND)
def test_every_flaw_is_found_and_named(model: DataModel, flaw: str):
    assert any(flaw in found for found in unsound(model)), unsound(model)


def test_a_sound_one_has_none():
    assert unsound(MODEL) == ()


def test_a_measure_of_nothing_known_does_not_stop_the_check():
    stray = Measure(name="stray", label="Stray", description="x", fact="nowhere", aggregation=Aggregation.COUNT)
    assert len(unsound(MODEL.model_copy(update={"measures": (*MODEL.measures, stray)}))) == 1


def test_ways_go_through_hierarchies():
    ways = ways_from(MODEL, "orders")
    assert [step.table for step in ways["categories"][0]] == ["products", "categories"]
    assert time_of(MODEL, "visits").name == "visit_date"
    with pytest.raises(LookupError):
        time_of(MODEL.model_copy(update={"dimensions": ()}), "visits")
