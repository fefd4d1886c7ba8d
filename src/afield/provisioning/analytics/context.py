"""What a data agent is told, in the shape and within the limits of the service. Pure.

Structured fields first: what does not fit is shortened in the instruction's text before a field is touched. A text is
cut where that leaves it true; a question or a statement that is too long is left out whole, since half of one means
something else. Everything cut is reported. Limits: texts of google-cloud-geminidataanalytics 0.13 (v1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
import yaml
from sqlglot import exp

from afield.model.jsontypes import JsonObject, JsonValue
from afield.provisioning.instructions import (
    MOST_EXPLANATION,
    MOST_QUESTION,
    MOST_SQL,
    MOST_TERM,
    Instructions,
    clipped,
)

MOST_INSTRUCTION = 250_000  # bytes
_EXTRAS = "additional_descriptions"
_SERVICE = "bigquery.googleapis.com"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A context that the service takes. `cuts`: what was shortened or left out, in sentences for people."""

    context: JsonObject
    cuts: tuple[str, ...] = ()


def context_of(told: Instructions, project: str, dataset: str, sql: Mapping[str, str]) -> Fitted:
    """The instructions as a context. `sql`: for each question's id its SELECT in BigQuery's dialect, with tables named
    without a dataset; here they get their full names. Questions without SQL are left out, which is no cut."""
    tables = {table.table for table in told.tables}
    texts = {one.question_id: one.question for one in told.examples}
    named = {key: qualified(text, project, dataset, tables) for key, text in sql.items() if key in texts}
    missing = {key for key, text in named.items() if len(text.encode()) > MOST_SQL}
    context = told.context(project, dataset, {key: text for key, text in named.items() if key not in missing})
    context["schemaRelationships"] = [
        {
            "leftSchemaPaths": _path(project, dataset, one.left_table, one.left_column),
            "rightSchemaPaths": _path(project, dataset, one.right_table, one.right_column),
            "confidenceScore": 1.0,
        }
        for one in told.relationships
    ]
    left_out = tuple(_left_out(texts[key], "its SQL", MOST_SQL) for key in texts if key in missing)
    made = fitted(context)
    return Fitted(made.context, (*left_out, *made.cuts))


def fitted(context: Mapping[str, JsonValue], most: int = MOST_INSTRUCTION) -> Fitted:
    """The context within the limits. `most`: bytes of the instruction."""
    cuts: list[str] = []
    made: JsonObject = dict(context)
    text = made.get("systemInstruction")
    if isinstance(text, str):
        made["systemInstruction"] = _instruction(text, most, cuts)
    if "exampleQueries" in made:
        made["exampleQueries"] = [one for one in _objects(made["exampleQueries"]) if _example_fits(one, cuts)]
    if "glossaryTerms" in made:
        made["glossaryTerms"] = [_term(one, cuts) for one in _objects(made["glossaryTerms"])]
    return Fitted(made, tuple(cuts))


def qualified(sql: str, project: str, dataset: str, tables: set[str]) -> str:
    """The statement with the full names of these tables; steps that have the name of a table stay steps."""
    tree = sqlglot.parse_one(sql, read="bigquery")
    steps = {step.alias for step in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name in tables - steps and not table.db:
            _qualify(table, project, dataset)
    return tree.sql(dialect="bigquery", pretty=True)


def _qualify(table: exp.Table, project: str, dataset: str) -> None:
    """Columns may go by the table's short name, so that stays as its alias."""
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    table.set("this", exp.to_identifier(table.name, quoted=True))
    table.set("db", exp.to_identifier(dataset, quoted=True))
    table.set("catalog", exp.to_identifier(project, quoted=True))


def _path(project: str, dataset: str, table: str, column: str) -> JsonObject:
    """The table by its full resource name, as the service wants it here."""
    return {"tableFqn": f"{_SERVICE}/projects/{project}/datasets/{dataset}/tables/{table}", "paths": [column]}


def _instruction(text: str, most: int, cuts: list[str]) -> str:
    """First the descriptions go, the last first; if there are none left, the end of the text."""
    if _fits(text, most):
        return text
    shorter, dropped = _without_extras(text, most)
    if dropped:
        cuts.append(f"{dropped} additional descriptions were left out: the instruction may have {most:,} bytes.")
    if _fits(shorter, most):
        return shorter
    cuts.append(f"The end of the instruction was cut: it may have {most:,} bytes.")
    return clipped(shorter, most)


def _without_extras(text: str, most: int) -> tuple[str, int]:
    """The YAML with as many of its descriptions as fit, and how many do not; the text itself if it is no such YAML."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # ValueError: what looks like a date and is none
        return text, 0
    extras = document.get(_EXTRAS) if isinstance(document, dict) else None
    if not isinstance(extras, list) or not extras:
        return text, 0
    kept = _most(len(extras), lambda count: _fits(_dumped(document | {_EXTRAS: extras[:count]}), most))
    return _dumped(document | {_EXTRAS: extras[:kept]}), len(extras) - kept


def _most(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest count that fits, or 0; by halving."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _dumped(document: JsonObject) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _example_fits(one: JsonObject, cuts: list[str]) -> bool:
    question, sql = str(one.get("naturalLanguageQuestion", "")), str(one.get("sqlQuery", ""))
    for text, what, most in ((question, "it", MOST_QUESTION), (sql, "its SQL", MOST_SQL)):
        if not _fits(text, most):
            cuts.append(_left_out(question, what, most))
            return False
    return True


def _term(one: JsonObject, cuts: list[str]) -> JsonObject:
    name = str(one.get("displayName", ""))
    made = dict(one)
    for field, most in (("displayName", MOST_TERM), ("description", MOST_EXPLANATION)):
        text = str(one.get(field, ""))
        if not _fits(text, most):
            made[field] = clipped(text, most)
            cuts.append(f"The {field} of the term {name[:60]!r} was cut to {most:,} bytes.")
    return made


def _left_out(question: str, what: str, most: int) -> str:
    return f"The example {question[:60]!r} was left out: {what} is longer than {most:,} bytes."


def _fits(text: str, most: int) -> bool:
    return len(text.encode()) <= most


def _objects(value: JsonValue) -> Sequence[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
