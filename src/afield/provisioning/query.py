"""A question, understood: the one typed plan that is compiled to SQL. Neither people nor models write SQL here."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field

from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import Name


class Grain(StrEnum):
    """How time is cut. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Operator(StrEnum):
    """How a filter compares."""

    IS = "is"  # one of the values
    IS_NOT = "is_not"  # none of them
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    ABOVE = "above"
    BELOW = "below"


class Filter(Frozen):
    """A condition on a dimension (before aggregation) or on a measure (after it)."""

    field: Name
    operator: Operator = Operator.IS
    values: tuple[str | int | float | bool, ...] = Field(min_length=1)


class Period(Frozen):
    """From `start` up to, not including, `end`."""

    start: date
    end: date


class Breakdown(Frozen):
    """A dimension to group by; dates with a grain."""

    dimension: Name
    grain: Grain | None = None


class Change(StrEnum):
    """What is computed on top of a measure's values."""

    NONE = "none"
    SHARE = "share"  # of the total over all rows
    GROWTH = "growth"  # against the period before, in the time breakdown
    CUMULATIVE = "cumulative"  # running total over the time breakdown


class Order(Frozen):
    """By a measure or by a breakdown."""

    field: Name
    descending: bool = True


class Query(Frozen):
    """What to compute. Measures of several facts are aggregated each by itself and then joined, so that no row counts
    twice."""

    measures: tuple[Name, ...] = Field(min_length=1, max_length=5)
    breakdowns: tuple[Breakdown, ...] = Field(default=(), max_length=3)
    filters: tuple[Filter, ...] = Field(default=(), max_length=10)
    period: Period | None = None
    compare: Period | None = Field(default=None, description="A second period, set beside the first.")
    change: Change = Change.NONE
    order: Order | None = None
    limit: int | None = Field(default=None, ge=1, le=1000)


class GoldenQuestion(Frozen):
    """A question that the finished demo must answer rightly, with the plan that is its meaning."""

    id: str
    text: str
    query: Query
    about: str = ""  # what it shows: top-n, series, comparison, share, anomaly, ...
    matters: bool = True  # the demo is not complete when this one fails
