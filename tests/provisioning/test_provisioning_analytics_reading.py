"""The service's messages as ours, and what an answer comes to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.cloud import geminidataanalytics as api
from hypothesis import given
from hypothesis import strategies as st

from afield.provisioning.analytics.answer import outcome
from afield.provisioning.analytics.reading import read
from afield.provisioning.analytics.values import cell
from afield.provisioning.analytics.wire import json_of, message_of
from afield.provisioning.chat.messages import Scribe, TextType

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TABLE = {"bigqueryTableReference": {"projectId": "p", "datasetId": "d", "tableId": "t"}}


def raw(**system):
    """As the library gives it."""
    return json_of(message_of(api.Message, {"messageId": "m", "systemMessage": {"groupId": 3, **system}}))


def content(**system):
    """The content as our chat writes it on the wire."""
    found = read(raw(**system), NOW).message.wire()["systemMessage"]
    assert found.pop("groupId") == "3"
    return found


@pytest.mark.parametrize(
    "given",
    [
        {"text": {"parts": ["a", "b"], "textType": "FINAL_RESPONSE"}},
        {"text": {"parts": ["hm"], "textType": "THOUGHT"}},
        {"text": {"parts": ["one?", "two?"], "textType": "FOLLOWUP_QUESTIONS"}},
        {"schema": {"query": {"question": "q"}}},
        {"data": {"generatedSql": "SELECT 1"}},
        {"chart": {"query": {"instructions": "draw", "dataResultName": "r"}}},
        {"chart": {"result": {"vegaConfig": {"mark": {"type": "bar"}, "data": {"values": [{"x": "1"}]}}}}},
        {"error": {"text": "no"}},
    ],
)
def test_what_both_have_is_the_same_on_the_wire(given):
    assert content(**given) == given


def test_tables_are_read_with_their_columns():
    schema = {"fields": [{"name": "n", "type": "INT64", "description": "x"}], "description": "about"}
    found = content(schema={"result": {"datasources": [TABLE | {"schema": schema}]}})
    (source,) = found["schema"]["result"]["datasources"]
    assert source["bigqueryTableReference"] == TABLE["bigqueryTableReference"]
    assert source["schema"]["description"] == "about"
    assert source["schema"]["fields"][0]["type"] == "INT64"


def test_a_result_has_values_of_their_types_and_texts():
    fields = [{"name": "shop", "type": "STRING"}, {"name": "n", "type": "INT64"}, {"name": "m", "type": "NUMERIC"}]
    rows = [{"shop": "1", "n": "12", "m": "1.50"}, {"shop": "2", "n": None, "m": 2}]
    found = read(raw(data={"result": {"name": "r", "schema": {"fields": fields}, "data": rows}}), NOW)
    result = found.message.system_message.data.result
    assert result.data == ({"shop": "1", "n": 12, "m": 1.5}, {"shop": "2", "n": None, "m": 2.0})
    assert result.formatted_data[0] == {"shop": "1", "n": "12", "m": "1.50"}
    assert result.formatted_data[1]["n"] == ""


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("12", "INT64", 12),
        (12.0, "INTEGER", 12),
        ("9007199254740993", "INT64", 9007199254740993),
        ("1e3", "FLOAT64", 1000.0),
        ("NaN", "FLOAT64", "NaN"),
        ("x", "INT64", "x"),
        ("true", "BOOL", True),
        ("2026-01-01", "DATE", "2026-01-01"),
        (None, "INT64", None),
        (["1"], "INT64", ["1"]),
        ("12", "STRING", "12"),
    ],
)
def test_cells(value, kind, expected):
    assert cell(value, kind) == expected
    assert type(cell(value, kind)) is type(expected)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"data": {"bigQueryJob": {"projectId": "p", "jobId": "j"}}}, "PROGRESS"),
        ({"data": {"matchedQuery": {"exampleQuery": {"naturalLanguageQuestion": "q"}}}}, "PROGRESS"),
        ({"analysis": {"query": {"question": "why"}}}, "PROGRESS"),
        ({"analysis": {"progressEvent": {"plannerReasoning": "so"}}}, "THOUGHT"),
        ({"analysis": {"progressEvent": {"code": "1"}}}, "PROGRESS"),
        ({"analysis": {"progressEvent": {"resultVegaChartJson": "not json"}}}, "PROGRESS"),
        ({"exampleQueries": {"exampleQueries": [{"naturalLanguageQuestion": "q"}]}}, "PROGRESS"),
        ({"text": {"parts": ["Is this final?"]}}, "PROGRESS"),
        ({}, "PROGRESS"),
    ],
)
def test_what_our_chat_does_not_have_is_progress_and_never_the_answer(given, kind):
    assert content(**given)["text"]["textType"] == kind
    assert not outcome([read(raw(**given), NOW).message]).answered


def test_a_chart_of_an_analysis_is_a_chart():
    found = content(analysis={"progressEvent": {"resultVegaChartJson": '{"mark": "bar"}'}})
    assert found["chart"]["result"]["vegaConfig"] == {"mark": "bar"}


def test_kinds_of_the_future_are_kept_raw_and_told():
    future = {"messageId": "m", "systemMessage": {"hologram": {"depth": 3}}}
    found = read(future, NOW)
    assert found.raw == future
    assert found.message.timestamp == NOW
    assert "hologram" in found.message.system_message.text.parts[0]
    late = {"systemMessage": {"text": {"parts": ["x"], "textType": "SUNG"}}}
    assert read(late, NOW).message.system_message.text.text_type is TextType.PROGRESS


def test_a_message_of_the_user_stays_one():
    found = read({"messageId": "m", "userMessage": {"text": "hi"}}, NOW)
    assert found.message.user_message.text == "hi"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
kinds = st.sampled_from(["text", "schema", "data", "analysis", "chart", "exampleQueries", "error", "groupId", "other"])
inner = st.sampled_from(["query", "result", "progressEvent", "generatedSql", "parts", "textType", "text"])


@given(st.dictionaries(kinds, json_values | st.dictionaries(inner, json_values, max_size=3), max_size=3))
def test_whatever_comes_is_a_message(system):
    assert read({"systemMessage": system}, NOW).message.system_message


def test_an_answer_is_taken_together():
    said = [
        raw(text={"parts": ["hm"], "textType": "THOUGHT"}),
        raw(data={"generatedSql": "SELECT 1"}),
        raw(
            data={"result": {"name": "r", "schema": {"fields": [{"name": "n", "type": "INT64"}]}, "data": [{"n": "1"}]}}
        ),
        raw(chart={"query": {"dataResultName": "r"}}),
        raw(chart={"result": {"vegaConfig": {"mark": "bar"}}}),
        raw(text={"parts": ["It is 1."], "textType": "FINAL_RESPONSE"}),
        raw(text={"parts": ["And 2?"], "textType": "FOLLOWUP_QUESTIONS"}),
    ]
    found = outcome([read(one, NOW).message for one in said])
    assert found.answered
    assert found.text == "It is 1."
    assert found.sql == ("SELECT 1",)
    assert found.results[0].data == ({"n": 1},)
    assert found.charts[0].result == "r"
    assert found.followups == ("And 2?",)


def test_an_error_is_a_failed_answer_unless_an_answer_follows():
    scribe = Scribe()
    final, error = scribe.text(TextType.FINAL_RESPONSE, "Here."), scribe.error("Broken.")
    assert outcome([error, final]).answered
    assert not outcome([final, error]).answered
    assert outcome([error, final]).errors == ("Broken.",)
    assert not outcome([]).answered
