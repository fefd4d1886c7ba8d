"""What a chat talks about: one dataset, its model, the values it has, and how answers are computed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

import structlog

from afield.provisioning.chat.lexicon import lexicon_of
from afield.provisioning.chat.planner import Planner
from afield.provisioning.chat.suggesting import can_answer
from afield.provisioning.chat.understand import Alike, Known
from afield.provisioning.datamodel import Aggregation, ColumnType, DataModel, Dimension
from afield.provisioning.query import Breakdown, Order, Query
from afield.provisioning.recipe import Code, Named
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.warehouse.base import Limits, Warehouse

Values: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of dimensions, as the data has them; missing where there are too many to know."""
MOST_VALUES = 1000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Everything an answer needs. `project` is where the tables are said to be."""

    known: Known
    warehouse: Warehouse
    dataset: str
    project: str = "local"
    limits: Limits = field(default_factory=Limits)
    planner: Planner | None = None
    planner_seconds: float = 20.0

    @property
    def model(self) -> DataModel:
        """The data model."""
        return self.known.model


def known_of(model: DataModel, values: Values, today: date, alike: Alike | None = None) -> Known:
    """What questions are about. Takes a tenth of a second for thousands of values: call it once, in a thread."""
    sizes = {one.name: len(_listed(one, model)) for one in model.dimensions if _listed(one, model)}
    sizes |= {name: len(found) for name, found in values.items()}
    lexicon = lexicon_of(model, values)
    assert lexicon.known and lexicon.by_stem  # made now, so that the first question does not wait for them
    return Known(lexicon, today, sizes, alike)


async def values_of(model: DataModel, warehouse: Warehouse, dataset: str, today: date) -> Values:
    """The values of the dimensions whose names the model does not list. Raises what `Warehouse.query` raises."""
    found: dict[str, tuple[str, ...]] = {}
    for dimension in model.dimensions:
        query = _counted(dimension, model)
        if query is None:
            continue
        sql = await asyncio.to_thread(compile_sql, query, model, warehouse.dialect, today)
        result = await warehouse.query(dataset, sql, Limits(rows=MOST_VALUES))
        values = tuple(row[0] for row in result.rows if isinstance(row[0], str))
        if len(result.rows) < MOST_VALUES:
            found[dimension.name] = values
    _log.info("chat_values_read", dataset=dataset, dimensions=len(found))
    return found


def _listed(dimension: Dimension, model: DataModel) -> tuple[str, ...]:
    """All values, where the model lists them; names have variants that it does not list."""
    column = model.table(dimension.table).column(dimension.column)
    variants = isinstance(column.recipe, Named) and bool(column.recipe.variants)
    return () if variants or isinstance(column.recipe, Code) else column.values


def _counted(dimension: Dimension, model: DataModel) -> Query | None:
    """The dimension's values by how often they occur, if they have to be looked up."""
    column = model.table(dimension.table).column(dimension.column)
    if column.type is not ColumnType.TEXT or _listed(dimension, model):
        return None
    for measure in model.measures:
        query = Query(
            measures=(measure.name,),
            breakdowns=(Breakdown(dimension=dimension.name),),
            order=Order(field=measure.name),
            limit=MOST_VALUES,
        )
        if measure.aggregation is Aggregation.COUNT and measure.only is None and can_answer(query, model):
            return query
    return None
