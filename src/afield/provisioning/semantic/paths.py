"""How a dimension is reached from a fact, and so what can be broken down by what. Pure.

References are followed from many to one only, so a row of the fact meets at most one row of each table it reaches, and
nothing is counted twice. Where two ways lead to a table, the shorter one is taken; of equals, the one declared first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afield.provisioning.datamodel import Column, DataModel, Dimension, Measure, Reference, Table
from afield.provisioning.semantic.errors import QueryError, listed


@dataclass(frozen=True, slots=True)
class Path:
    """From a fact along references to a column. `own_date`: the column says when the fact happened."""

    fact: str
    references: tuple[Reference, ...]
    column: Column
    own_date: bool = False

    @property
    def table(self) -> str:
        """Where the column is."""
        return self.references[-1].table if self.references else self.fact


def routes(model: DataModel, fact: str) -> dict[str, tuple[Reference, ...]]:
    """The references that lead from a fact to each table it reaches, itself included."""
    found: dict[str, tuple[Reference, ...]] = {fact: ()}
    waiting = [fact]
    while waiting:
        here = waiting.pop(0)
        for reference in model.table(here).references:
            if reference.table not in found:
                found[reference.table] = (*found[here], reference)
                waiting.append(reference.table)
    return found


def path_to(model: DataModel, fact: str, dimension: Dimension) -> Path | None:
    """The way to a dimension; None if there is none.

    A dimension that says when some fact happened is understood of every fact, by that fact's own date, unless
    references lead to it. So orders and visits can stand side by side by month.
    """
    ways = routes(model, fact)
    table = model.table(fact)
    if dimension.table in ways:
        references = ways[dimension.table]
        own = not references and dimension.column == table.date_column
        return Path(fact, references, model.table(dimension.table).column(dimension.column), own)
    if table.date_column and _is_date_of_fact(model, dimension):
        return Path(fact, (), table.column(table.date_column), own_date=True)
    return None


def reached(model: DataModel, fact: str, dimension: Dimension) -> Path:
    """As `path_to`; QueryError says what the fact can be broken down by instead."""
    path = path_to(model, fact, dimension)
    if path is None:
        options = tuple(one.name for one in model.dimensions if path_to(model, fact, one))
        raise QueryError(
            f"{dimension.label} says nothing about {fact}: no reference leads from {fact} to {dimension.table}.",
            hint=f"{fact} can be broken down and filtered by: {listed(options)}.",
            options=options,
        )
    return path


def facts_of(model: DataModel, measure: Measure) -> tuple[str, ...]:
    """The facts a measure is computed from: its own, or those of the two parts of a ratio."""
    parts = (measure.numerator, measure.denominator)
    if measure.aggregation is not None or None in parts:
        return (measure.fact,)
    return tuple(dict.fromkeys(model.measure(name).fact for name in parts if name))


def dimensions_for(model: DataModel, measures: Sequence[Measure]) -> tuple[Dimension, ...]:
    """What all of these measures can be broken down and filtered by."""
    facts = dict.fromkeys(fact for measure in measures for fact in facts_of(model, measure))
    return tuple(one for one in model.dimensions if all(path_to(model, fact, one) for fact in facts))


def measures_for(model: DataModel, dimension: Dimension) -> tuple[Measure, ...]:
    """What can be broken down and filtered by this dimension."""
    return tuple(one for one in model.measures if all(path_to(model, fact, dimension) for fact in facts_of(model, one)))


def date_of(table: Table) -> Column | None:
    """The column that says when a row of the fact happened."""
    return table.column(table.date_column) if table.date_column else None


def _is_date_of_fact(model: DataModel, dimension: Dimension) -> bool:
    return dimension.time and model.table(dimension.table).date_column == dimension.column
