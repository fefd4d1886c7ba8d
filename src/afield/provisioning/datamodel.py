"""The model of a demo's data: tables, keys, and what can be asked of them.

A star schema: facts point to dimensions, and a dimension may point to a wider one (a product to its category). Measures
belong to one fact each. The same model is what data is made from, what a warehouse is loaded with, and what the chat
understands.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from afield.provisioning.brief import Frozen
from afield.provisioning.recipe import Recipe

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class ColumnType(StrEnum):
    """Types that DuckDB and BigQuery both have."""

    INTEGER = "integer"
    DECIMAL = "decimal"  # two places
    FLOAT = "float"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"  # UTC


class TableKind(StrEnum):
    """What a table holds."""

    FACT = "fact"
    DIMENSION = "dimension"


class Column(Frozen):
    """One column."""

    name: Name
    type: ColumnType
    description: str
    values: tuple[str, ...] = Field(default=(), description="All values a text column takes, where they are few.")
    recipe: Recipe | None = None  # how its values are made; None: by its type


class Reference(Frozen):
    """A foreign key: `column` of this table holds the primary key of `table`."""

    column: Name
    table: Name


class Table(Frozen):
    """One table with a one-column primary key. `weight` is its share of rows among the facts."""

    name: Name
    kind: TableKind
    description: str
    primary_key: Name
    columns: tuple[Column, ...]
    references: tuple[Reference, ...] = ()
    date_column: Name | None = None  # of a fact: when it happened
    weight: float = 1.0
    size: int | None = Field(default=None, ge=1, description="Rows of a dimension; None: one for each name.")

    def column(self, name: str) -> Column:
        """Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")


class Aggregation(StrEnum):
    """How a measure sums up rows."""

    SUM = "sum"
    AVERAGE = "average"
    COUNT = "count"  # of rows
    COUNT_DISTINCT = "count_distinct"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


class Format(StrEnum):
    """How a value is shown."""

    NUMBER = "number"
    MONEY = "money"
    PERCENT = "percent"  # 0.25 is 25 %


class Condition(Frozen):
    """Rows that count for a measure: where `column` of the fact is one of `values`."""

    column: Name
    values: tuple[str | bool, ...]


class Measure(Frozen):
    """A number one can ask for: an aggregation over a fact's column, or the ratio of two measures of one fact."""

    name: Name
    label: str
    description: str
    fact: Name
    aggregation: Aggregation | None = None  # None: a ratio
    column: Name | None = None  # None for COUNT and for ratios
    only: Condition | None = None
    numerator: Name | None = None
    denominator: Name | None = None
    format: Format = Format.NUMBER
    synonyms: tuple[str, ...] = ()


class Dimension(Frozen):
    """Something to break down or filter by: a column of a fact, or of a table it refers to, directly or through
    another. Dates are dimensions with time grains."""

    name: Name
    label: str
    description: str
    table: Name
    column: Name
    synonyms: tuple[str, ...] = ()
    time: bool = False


class DataModel(Frozen):
    """All of it. `afield.provisioning.soundness` says what a sound model is."""

    title: str
    description: str
    industry: str
    currency: str = "USD"
    tables: tuple[Table, ...]
    measures: tuple[Measure, ...]
    dimensions: tuple[Dimension, ...]

    def table(self, name: str) -> Table:
        """Raises KeyError."""
        return {table.name: table for table in self.tables}[name]

    def measure(self, name: str) -> Measure:
        """Raises KeyError."""
        return {measure.name: measure for measure in self.measures}[name]

    def dimension(self, name: str) -> Dimension:
        """Raises KeyError."""
        return {dimension.name: dimension for dimension in self.dimensions}[name]
