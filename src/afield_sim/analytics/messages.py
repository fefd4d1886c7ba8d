"""System messages, and what is shown of a result. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from .rules import tables_of
from .warehouse import Table

Json = dict[str, Any]
_NUMBERS = frozenset({"INT64", "INTEGER", "FLOAT64", "FLOAT", "NUMERIC", "BIGNUMERIC"})
_TIMES = frozenset({"DATE", "DATETIME", "TIMESTAMP"})
_NAME_WORDS = 6


def text(kind: str, *parts: str) -> Json:
    """FINAL_RESPONSE, THOUGHT, PROGRESS or FOLLOWUP_QUESTIONS."""
    return {"text": {"parts": list(parts), "textType": kind}}


def schema_messages(question: str, context: Json) -> list[Json]:
    """Which tables are looked at."""
    return [{"schema": {"query": {"question": question}}}, {"schema": {"result": {"datasources": _sources(context)}}}]


def query_message(question: str, context: Json) -> Json:
    """What is going to be asked of the data."""
    return {"data": {"query": {"question": question, "name": name_of(question), "datasources": _sources(context)}}}


def result_messages(question: str, table: Table) -> list[Json]:
    """The job, the rows, and a chart if they make one."""
    name = name_of(question)
    rows = [{one["name"]: value for one, value in zip(table.schema, row, strict=True)} for row in table.rows]
    made: list[Json] = [{"data": {"bigQueryJob": table.job}}] if table.job else []
    made.append({"data": {"result": {"name": name, "schema": {"fields": list(table.schema)}, "data": rows}}})
    config = chart(table)
    if config:
        made.append({"chart": {"query": {"instructions": f"Show: {question}", "dataResultName": name}}})
        made.append({"chart": {"result": {"vegaConfig": config}}})
    return made


def name_of(question: str) -> str:
    """A snake-case name for a result."""
    return "_".join(re.findall(r"[a-z0-9]+", question.lower())[:_NAME_WORDS]) or "result"


def summary(table: Table) -> str:
    """The result in a sentence."""
    if not table.rows:
        return "There are no rows."
    first = ", ".join(f"{one['name']}: {value}" for one, value in zip(table.schema, table.rows[0], strict=True))
    return first if len(table.rows) == 1 else f"{len(table.rows)} rows; the first is {first}."


def chart(table: Table) -> Json | None:
    """A Vega-Lite chart of rows with one thing to go by and a number."""
    keys = [one for one in table.schema if one["type"] not in _NUMBERS]
    numbers = [one for one in table.schema if one["type"] in _NUMBERS]
    if len(keys) != 1 or not numbers or len(table.rows) < 2:
        return None
    time = keys[0]["type"] in _TIMES
    names = [one["name"] for one in table.schema]
    values = [
        {name: _number(value, name, numbers) for name, value in zip(names, row, strict=True)} for row in table.rows
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "mark": {"type": "line" if time else "bar"},
        "data": {"values": values},
        "encoding": {
            "x": {"field": keys[0]["name"], "type": "temporal" if time else "nominal"},
            "y": {"field": numbers[0]["name"], "type": "quantitative"},
        },
    }


def _number(value: Any, name: str, numbers: Sequence[Json]) -> Any:
    if value is None or name not in {one["name"] for one in numbers}:
        return value
    try:
        return float(Decimal(str(value)))
    except InvalidOperation:
        return value


def _sources(context: Json) -> list[Json]:
    return [
        {
            "bigqueryTableReference": {part: table[part] for part in ("projectId", "datasetId", "tableId")},
            "schema": table.get("schema", {}),
        }
        for table in tables_of(context)
    ]
