"""What a language model answers to a question in the chat: a typed plan, what to ask back, or that it cannot. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, create_model

from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import DataModel
from afield.provisioning.llm.answers import one_of
from afield.provisioning.query import Breakdown, Filter, Order, Query

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class Outcome(StrEnum):
    """What can become of a question."""

    PLANNED = "planned"
    UNCLEAR = "unclear"  # it can mean several things
    OUTSIDE = "outside"  # the data cannot tell


class PlanAnswer(Frozen):
    """`planned`: the query. `unclear`: all it may mean, the likeliest as `query`. `outside`: why, and no query."""

    outcome: Outcome
    query: Query | None
    others: tuple[Query, ...] = Field(default=(), max_length=3)
    reason: Reason = ""

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries of it, the likeliest first, as plain ones."""
        found = [one for one in (self.query, *self.others) if one]
        return tuple(Query.model_validate(one.model_dump()) for one in found)


def plan_of(model: DataModel) -> type[PlanAnswer]:
    """The answer's type for one data model: its schema lists the names there are."""
    measures, dimensions = [one.name for one in model.measures], [one.name for one in model.dimensions]
    measure, dimension, field = one_of(measures), one_of(dimensions), one_of([*measures, *dimensions])
    breakdown = create_model("PlannedBreakdown", __base__=Breakdown, dimension=(dimension, ...))
    condition = create_model("PlannedFilter", __base__=Filter, field=(field, ...))
    order = create_model("PlannedOrder", __base__=Order, field=(field, ...))
    query = create_model(
        "PlannedQuery",
        __base__=Query,
        measures=(_many(measure), Field(min_length=1, max_length=5)),
        breakdowns=(_many(breakdown), Field(default=(), max_length=3)),
        filters=(_many(condition), Field(default=(), max_length=10)),
        order=(_maybe(order), None),
    )
    others = (_many(query), Field(default=(), max_length=3))
    return create_model("PlanAnswer", __base__=PlanAnswer, query=(_maybe(query), ...), others=others)


def _many(one: Any) -> Any:
    return tuple.__class_getitem__((one, ...))


def _maybe(one: Any) -> Any:
    return one | None
