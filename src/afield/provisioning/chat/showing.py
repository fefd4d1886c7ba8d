"""Tables and rows as messages show them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pydantic import JsonValue

from afield.provisioning.chat import numbers
from afield.provisioning.chat.agent import Agent
from afield.provisioning.chat.messages import DataResult, Datasource, FieldSchema, Json, TableReference, TableSchema
from afield.provisioning.datamodel import ColumnType, DataModel, Table
from afield.provisioning.query import Query
from afield.provisioning.semantic.answer import Answer, AnswerColumn, Kind
from afield.provisioning.semantic.needs import facts_needed, is_measure
from afield.provisioning.semantic.paths import path_to
from afield.provisioning.warehouse.base import Value

_TYPES = {
    ColumnType.INTEGER: "INT64", ColumnType.DECIMAL: "NUMERIC", ColumnType.FLOAT: "FLOAT64", ColumnType.TEXT: "STRING",
    ColumnType.BOOLEAN: "BOOL", ColumnType.DATE: "DATE", ColumnType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip


def sources_of(query: Query, agent: Agent) -> tuple[Datasource, ...]:
    """The tables that a query reads, with their columns."""
    return tuple(_source(agent.model.table(name), agent) for name in dict.fromkeys(_tables(query, agent.model)))


def result_of(name: str, answer: Answer, model: DataModel) -> DataResult:
    """The rows of an answer."""
    names = [column.name for column in answer.columns]
    plain = tuple(dict(zip(names, map(_plain, row), strict=True)) for row in answer.rows)
    return DataResult(
        name=name,
        schema=TableSchema(fields=tuple(_field(column, answer) for column in answer.columns)),
        data=plain,
        formatted_data=tuple(_formatted(row, answer, model) for row in answer.rows),
    )


def _tables(query: Query, model: DataModel) -> Iterator[str]:
    names = [one.dimension for one in query.breakdowns]
    names += [one.field for one in query.filters if not is_measure(one.field, model)]
    for fact in facts_needed(query, model):
        yield fact
        for name in names:
            path = path_to(model, fact, model.dimension(name))
            yield from (step.table for step in path.references) if path else ()


def _source(table: Table, agent: Agent) -> Datasource:
    fields = tuple(
        FieldSchema(name=one.name, type=_TYPES[one.type], description=one.description) for one in table.columns
    )
    reference = TableReference(project_id=agent.project, dataset_id=agent.dataset, table_id=table.name)
    schema = TableSchema(fields=fields, description=table.description)
    return Datasource(bigquery_table_reference=reference, schema=schema)


def _field(column: AnswerColumn, answer: Answer) -> FieldSchema:
    form = column.format.value if column.format else ""
    return FieldSchema(name=column.name, type=_type(column, answer), display_name=column.label, value_format=form)


def _type(column: AnswerColumn, answer: Answer) -> str:
    if column.kind is Kind.TIME:
        return "DATE"
    place = answer.columns.index(column)
    value = next((row[place] for row in answer.rows if row[place] is not None), None)
    if isinstance(value, bool):
        return "BOOL"
    if isinstance(value, int | float):
        return "INT64" if isinstance(value, int) else "FLOAT64"
    return "FLOAT64" if column.kind is Kind.MEASURE else "STRING"


def _plain(value: Value) -> JsonValue:
    return value.isoformat() if isinstance(value, date) else value


def _formatted(row: tuple[Value, ...], answer: Answer, model: DataModel) -> Json:
    pairs = zip(answer.columns, row, strict=True)
    return {column.name: numbers.shown(value, column, model.currency) for column, value in pairs}
