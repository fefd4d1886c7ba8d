"""The CAPI Instruction Generator's work: what an analytics agent is told about the data. Pure.

What the service has fields for (descriptions, synonyms, example queries, glossary, relationships) goes into fields; the
text, in YAML, has the rest: who asks, how to answer, what is measured how. Lengths keep the service's limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml
from pydantic import Field

from afield.model.jsontypes import JsonObject, JsonValue
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company
from afield.provisioning.datamodel import ColumnType, DataModel, Measure, Table
from afield.provisioning.industries.topics import Topics
from afield.provisioning.query import GoldenQuestion
from afield.provisioning.reach import asked, facts
from afield.provisioning.story import Story

MOST_QUESTION, MOST_SQL, MOST_TERM, MOST_EXPLANATION = 2_000, 50_000, 256, 5_000  # bytes
MOST_NAME, MOST_DESCRIPTION = 256, 1_024  # characters
_TYPES = {
    ColumnType.INTEGER: "INT64",
    ColumnType.DECIMAL: "NUMERIC",
    ColumnType.FLOAT: "FLOAT64",
    ColumnType.TEXT: "STRING",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
_FEW_VALUES = 12


class FieldContext(Frozen):
    """A column, as the agent is told of it."""

    name: str
    type: str
    description: str
    display_name: str = ""
    synonyms: tuple[str, ...] = ()
    sample_values: tuple[str, ...] = ()


class TableContext(Frozen):
    """A table, as the agent is told of it."""

    table: str
    description: str
    tags: tuple[str, ...] = ()
    fields: tuple[FieldContext, ...]


class ExampleQuery(Frozen):
    """A question that can be answered; its SQL is filled in by whoever compiles the plan of that id."""

    question_id: str
    question: str


class GlossaryTerm(Frozen):
    """A word of the business."""

    term: str
    description: str
    synonyms: tuple[str, ...] = ()


class Relationship(Frozen):
    """Many rows of the left table belong to one of the right."""

    left_table: str
    left_column: str
    right_table: str
    right_column: str


class Instructions(Frozen):
    """All that an agent is told."""

    display_name: str = Field(min_length=1, max_length=MOST_NAME)
    description: str = Field(min_length=1, max_length=MOST_DESCRIPTION)
    system_instruction: str
    tables: tuple[TableContext, ...]
    examples: tuple[ExampleQuery, ...]
    glossary: tuple[GlossaryTerm, ...]
    relationships: tuple[Relationship, ...]

    def context(self, project: str, dataset: str, sql: Mapping[str, str]) -> JsonObject:
        """The context in the service's JSON names. `sql`: for each question's id its SQL; questions without, or with
        too long a one, are left out."""
        return {
            "systemInstruction": self.system_instruction,
            "datasourceReferences": {
                "bq": {"tableReferences": [_table_json(table, project, dataset) for table in self.tables]}
            },
            "exampleQueries": [
                {"naturalLanguageQuestion": one.question, "sqlQuery": sql[one.question_id]}
                for one in self.examples
                if len(sql.get(one.question_id, " " * MOST_SQL).encode()) < MOST_SQL
            ],
            "glossaryTerms": [
                {"displayName": one.term, "description": one.description, "labels": _json(one.synonyms)}
                for one in self.glossary
            ],
            "schemaRelationships": [_relationship_json(one, project, dataset) for one in self.relationships],
        }


def instructions_for(
    brief: Brief, company: Company, story: Story, model: DataModel, golden: Sequence[GoldenQuestion]
) -> Instructions:
    """What the agent of one demo is told. It may name the topics to avoid: to say that they are not spoken of."""
    return Instructions(
        display_name=clipped(model.title, MOST_NAME),
        description=clipped(" ".join(model.description.split()), MOST_DESCRIPTION),
        system_instruction=_system(brief, company, story, model),
        tables=tuple(_table(table, model, brief) for table in model.tables),
        examples=tuple(
            ExampleQuery(question_id=one.id, question=one.text)
            for one in golden
            if len(one.text.encode()) <= MOST_QUESTION
        ),
        glossary=tuple(_glossary(brief, model)),
        relationships=tuple(
            Relationship(
                left_table=table.name,
                left_column=reference.column,
                right_table=reference.table,
                right_column=model.table(reference.table).primary_key,
            )
            for table in model.tables
            for reference in table.references
        ),
    )


def clipped(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, no character cut."""
    data = text.encode()
    return text if len(data) <= most else data[: most - 3].decode(errors="ignore").rstrip() + "..."


# ------------------------------------------------------------------------------------------- the text


def _system(brief: Brief, company: Company, story: Story, model: DataModel) -> str:
    document: JsonObject = {
        "system_instruction": _role(brief, company, story, model),
        "tables": [{"table": _measures(name, model)} for name in facts(model)],
        "additional_descriptions": [{"text": text} for text in _rules(brief, story, model)],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _role(brief: Brief, company: Company, story: Story, model: DataModel) -> str:
    parts = [
        f"You answer questions of {story.persona} about the data of {story.company} ({company.url}).",
        model.description,
        "Use only the tables given. Say so when the data has no answer, and name what could be asked instead.",
    ]
    if brief.avoid_topics:
        parts.append(f"Do not speak about: {', '.join(brief.avoid_topics)}. Decline such questions in one sentence.")
    return "\n".join(parts)


def _rules(brief: Brief, story: Story, model: DataModel) -> Iterator[str]:
    yield story.opening
    for scene in story.scenes:
        yield f"{scene.title}. {scene.worry} {scene.shows}"
    quiet = Topics(brief.avoid_topics)
    wishes = [phrase for phrase in brief.special_focus if not quiet.mentioned_in(phrase)]
    if wishes:
        yield f"The focus is on {', '.join(wishes)}."
    yield f"Money is in {model.currency}. Rates are shares from 0 to 1: show them in percent."
    yield "Sum up each fact by itself before putting two together, so that no row counts twice."
    yield "Weeks begin on Monday. The newest day is incomplete."


def _measures(fact: str, model: DataModel) -> JsonObject:
    found = [measure for measure in model.measures if measure.fact == fact]
    measures: list[JsonValue] = [{"measure": _measure(measure, model)} for measure in found]
    return {"name": fact, "measures": measures}


def _measure(measure: Measure, model: DataModel) -> JsonObject:
    told: JsonObject = {"name": measure.name, "description": measure.description, "exp": expression(measure, model)}
    if measure.synonyms:
        told["synonyms"] = _json(measure.synonyms)
    return told


def expression(measure: Measure, model: DataModel) -> str:
    """A measure as SQL that both warehouses read; for people and models to read, not to be run from here."""
    if measure.numerator and measure.denominator:
        above, below = (expression(model.measure(name), model) for name in (measure.numerator, measure.denominator))
        return f"{above} / NULLIF({below}, 0)"
    what = measure.column or "*"
    if measure.only:
        test = f"{measure.only.column} IN ({', '.join(_literal(value) for value in measure.only.values)})"
        what = f"CASE WHEN {test} THEN {measure.column or '1'} END"
    call = {"count_distinct": "COUNT(DISTINCT {})", "average": "AVG({})", "minimum": "MIN({})", "maximum": "MAX({})"}
    how = measure.aggregation.value if measure.aggregation else ""
    return call.get(how, f"{how.upper()}({{}})").format(what)


def _literal(value: str | bool) -> str:
    return str(value).upper() if isinstance(value, bool) else "'" + value.replace("'", "''") + "'"


# ------------------------------------------------------------------------------------------- the fields


def _table(table: Table, model: DataModel, brief: Brief) -> TableContext:
    known = {one.column: one for one in model.dimensions if one.table == table.name}
    quiet = Topics(brief.avoid_topics)
    return TableContext(
        table=table.name,
        description=table.description,
        tags=tuple(one for one in (model.industry, *brief.integrations) if not quiet.mentioned_in(one)),
        fields=tuple(
            FieldContext(
                name=column.name,
                type=_TYPES[column.type],
                description=column.description,
                display_name=known[column.name].label if column.name in known else "",
                synonyms=known[column.name].synonyms if column.name in known else (),
                sample_values=column.values[:_FEW_VALUES],
            )
            for column in table.columns
        ),
    )


def _glossary(brief: Brief, model: DataModel) -> Iterator[GlossaryTerm]:
    """What the measures and dimensions are called, and whom the demo is for."""
    for one in asked(model):
        yield GlossaryTerm(
            term=clipped(one.label, MOST_TERM),
            description=clipped(one.description, MOST_EXPLANATION),
            synonyms=tuple(clipped(word, MOST_TERM) for word in one.synonyms),
        )
    context = Topics(brief.avoid_topics).without(brief.use_case_context)
    if context:
        yield GlossaryTerm(term="Use case", description=clipped(context, MOST_EXPLANATION))


def _table_json(table: TableContext, project: str, dataset: str) -> JsonObject:
    fields: list[JsonValue] = []
    for one in table.fields:
        about = one.description
        if one.sample_values:
            about += f" Values: {', '.join(one.sample_values)}."
        told: JsonObject = {"name": one.name, "type": one.type, "mode": "REQUIRED", "description": about}
        if one.display_name:
            told |= {"displayName": one.display_name, "synonyms": _json(one.synonyms)}
        fields.append(told)
    schema: JsonObject = {"description": table.description, "tags": _json(table.tags), "fields": fields}
    return {"projectId": project, "datasetId": dataset, "tableId": table.table, "schema": schema}


def _relationship_json(one: Relationship, project: str, dataset: str) -> JsonObject:
    def side(table: str, column: str) -> JsonObject:
        return {"tableFqn": f"{project}.{dataset}.{table}", "paths": [column]}

    return {
        "leftSchemaPaths": side(one.left_table, one.left_column),
        "rightSchemaPaths": side(one.right_table, one.right_column),
        "confidenceScore": 1.0,
    }


def _json(words: Sequence[str]) -> list[JsonValue]:
    return list(words)
