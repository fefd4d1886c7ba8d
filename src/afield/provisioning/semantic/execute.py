"""From a query to its answer: compiled, computed by a warehouse, and told what each column is."""

from __future__ import annotations

import asyncio
from datetime import date, datetime

from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Query
from afield.provisioning.semantic.answer import Answer, AnswerColumn, Kind, columns_of
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.warehouse.base import Limits, QueryFailedError, Result, Value, Warehouse

__all__ = ["Answer", "AnswerColumn", "Kind", "execute"]


async def execute(
    query: Query, model: DataModel, warehouse: Warehouse, *, dataset: str, today: date, limits: Limits | None = None
) -> Answer:
    """Answer a query over a dataset. Raises QueryError, and what `Warehouse.query` raises."""
    sql = await asyncio.to_thread(compile_sql, query, model, warehouse.dialect, today)
    return answer_of(query, model, sql, await warehouse.query(dataset, sql, limits or Limits()))


def answer_of(query: Query, model: DataModel, sql: str, result: Result) -> Answer:
    """A warehouse's result as the answer. QueryFailedError: its columns are not those of the query."""
    columns = columns_of(query, model)
    names = tuple(column.name for column in columns)
    if names != result.columns:
        raise QueryFailedError(f"The warehouse answered with columns {result.columns}, not {names}.")
    rows = tuple(tuple(_cell(value, column) for value, column in zip(row, columns, strict=True)) for row in result.rows)
    return Answer(columns=columns, rows=rows, sql=sql, truncated=result.truncated)


def _cell(value: Value, column: AnswerColumn) -> Value:
    """Times are days, whatever type the warehouse gave them."""
    return value.date() if column.kind is Kind.TIME and isinstance(value, datetime) else value
