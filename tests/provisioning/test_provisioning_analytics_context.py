"""What a data agent is told, within the limits of the service."""

from __future__ import annotations

from datetime import date

import pytest
import sqlglot
import yaml
from company_samples import NAMES, brief, company, modelled, tea_shop
from google.cloud import geminidataanalytics as api
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from afield.provisioning.analytics.context import MOST_INSTRUCTION, Fitted, context_of, fitted, qualified
from afield.provisioning.analytics.wire import json_of, message_of
from afield.provisioning.instructions import MOST_EXPLANATION, MOST_SQL, MOST_TERM, instructions_for
from afield.provisioning.query import Breakdown, GoldenQuestion, Query
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.storytelling import story_for


def told(whose=None):
    whose = whose or tea_shop()
    model = modelled(brief(), whose)
    measure = model.measures[0].name
    texts = next(one for one in model.dimensions if not one.time and one.table != model.measures[0].fact)
    broken_down = (Breakdown(dimension=texts.name),)
    golden = (
        GoldenQuestion(id="q1", text="How much?", query=Query(measures=(measure,))),
        GoldenQuestion(id="q2", text="By what?", query=Query(measures=(measure,), breakdowns=broken_down)),
    )
    made = instructions_for(brief(), whose, story_for(brief(), whose), model, golden)
    return made, {one.id: compile_sql(one.query, model, "bigquery", date(2026, 5, 1)) for one in golden}


@pytest.mark.parametrize("name", NAMES[:4])
def test_the_library_takes_every_field_of_it(name: str):
    instructions, sql = told(company(name))
    found = context_of(instructions, "acme", "shop", sql)
    assert not found.cuts
    again = json_of(message_of(api.Context, found.context))
    assert len(again["datasourceReferences"]["bq"]["tableReferences"]) == len(instructions.tables)
    assert [one["naturalLanguageQuestion"] for one in again["exampleQueries"]] == ["How much?", "By what?"]
    paths = [side for one in again["schemaRelationships"] for side in (one["leftSchemaPaths"], one["rightSchemaPaths"])]
    tables = {table.table for table in instructions.tables}
    assert {one["tableFqn"] for one in paths} <= {
        f"bigquery.googleapis.com/projects/acme/datasets/shop/tables/{table}" for table in tables
    }


@pytest.mark.parametrize("name", NAMES[:4])
def test_examples_name_their_tables_in_full(name: str):
    instructions, sql = told(company(name))
    for one in context_of(instructions, "acme", "shop", sql).context["exampleQueries"]:
        tree = sqlglot.parse_one(one["sqlQuery"], read="bigquery")
        steps = {step.alias for step in tree.find_all(exp.CTE)}
        tables = [table for table in tree.find_all(exp.Table) if table.name not in steps]
        assert tables
        assert {(table.catalog, table.db) for table in tables} == {("acme", "shop")}


def test_a_step_with_the_name_of_a_table_stays_a_step():
    sql = qualified(
        "WITH orders AS (SELECT 1 AS n) SELECT orders.n, shops.x FROM orders, shops", "p", "d", {"orders", "shops"}
    )
    assert "FROM orders" in sql
    assert "`p`.`d`.`shops` AS `shops`" in sql


def test_a_question_without_sql_is_no_example_and_no_cut():
    instructions, sql = told()
    found = context_of(instructions, "acme", "shop", {"q1": sql["q1"]})
    assert [one["naturalLanguageQuestion"] for one in found.context["exampleQueries"]] == ["How much?"]
    assert not found.cuts


def test_sql_that_is_too_long_is_left_out_and_reported():
    instructions, sql = told()
    long = "SELECT '" + "x" * MOST_SQL + "'"
    found = context_of(instructions, "acme", "shop", sql | {"q2": long})
    assert [one["naturalLanguageQuestion"] for one in found.context["exampleQueries"]] == ["How much?"]
    assert found.cuts == ("The example 'By what?' was left out: its SQL is longer than 50,000 bytes.",)


def test_terms_are_cut_at_a_character_and_long_questions_go():
    context = {
        "glossaryTerms": [{"displayName": "é" * 200, "description": "ü" * 4000, "labels": ["a"]}],
        "exampleQueries": [{"naturalLanguageQuestion": "é" * 1001, "sqlQuery": "SELECT 1"}],
    }
    found = fitted(context)
    (term,) = found.context["glossaryTerms"]
    assert len(term["displayName"].encode()) <= MOST_TERM
    assert len(term["description"].encode()) <= MOST_EXPLANATION
    assert term["displayName"].startswith("é")
    assert term["labels"] == ["a"]
    assert found.context["exampleQueries"] == []
    assert len(found.cuts) == 3
    assert len(context["glossaryTerms"][0]["displayName"]) == 200  # what was given stays as it is


def test_the_instruction_loses_its_descriptions_before_anything_else():
    extras = [{"text": f"{number} " + "x" * 100} for number in range(40)]
    document = {"system_instruction": "Be brief.", "tables": [], "additional_descriptions": extras}
    found = fitted({"systemInstruction": yaml.safe_dump(document)}, most=2_500)
    read = yaml.safe_load(found.context["systemInstruction"])
    kept = read["additional_descriptions"]
    assert read["system_instruction"] == "Be brief."
    assert 2_500 - 150 < len(found.context["systemInstruction"]) <= 2_500
    assert kept == extras[: len(kept)]
    assert found.cuts == (
        f"{40 - len(kept)} additional descriptions were left out: the instruction may have 2,500 bytes.",
    )


def test_the_limit_is_that_of_the_service():
    found = fitted({"systemInstruction": "é" * 125_001})
    assert MOST_INSTRUCTION - 5 < len(found.context["systemInstruction"].encode()) <= MOST_INSTRUCTION == 250_000
    assert fitted({"systemInstruction": "é" * 125_000}).cuts == ()


@given(st.text(max_size=400), st.booleans())
def test_any_instruction_fits_in_the_end(text: str, as_yaml: bool):
    whole = text
    if as_yaml:
        whole = yaml.safe_dump({"system_instruction": text, "additional_descriptions": [{"text": "a"}]})
    found = fitted({"systemInstruction": whole}, most=200)
    assert len(found.context["systemInstruction"].encode()) <= 200
    if len(whole.encode()) <= 200:
        assert found == Fitted({"systemInstruction": whole})
    elif not found.cuts:  # written anew, it is shorter
        assert yaml.safe_load(found.context["systemInstruction"]) == yaml.safe_load(whole)
