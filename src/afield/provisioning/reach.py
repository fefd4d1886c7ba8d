"""Which tables a fact reaches through references, and how. Pure."""

from __future__ import annotations

from afield.provisioning.datamodel import DataModel, Dimension, Measure, Reference, TableKind

Way = tuple[Reference, ...]
_LONGEST = 4


def ways_from(model: DataModel, start: str) -> dict[str, tuple[Way, ...]]:
    """Every table that can be reached from one, itself included, with all ways there. Cycles are not followed."""
    tables = {table.name: table for table in model.tables}
    found: dict[str, list[Way]] = {start: [()]}
    edge: list[tuple[str, Way]] = [(start, ())]
    while edge:
        name, way = edge.pop(0)
        for reference in tables[name].references if name in tables and len(way) < _LONGEST else ():
            further = (*way, reference)
            found.setdefault(reference.table, []).append(further)
            if reference.table not in {start, *(step.table for step in way)}:
                edge.append((reference.table, further))
    return {name: tuple(ways) for name, ways in found.items()}


def asked(model: DataModel) -> tuple[Measure | Dimension, ...]:
    """All that can be asked for: measures, then dimensions."""
    return (*model.measures, *model.dimensions)


def facts(model: DataModel) -> tuple[str, ...]:
    """The names of the facts, those with most rows first."""
    found = [table for table in model.tables if table.kind is TableKind.FACT]
    return tuple(table.name for table in sorted(found, key=lambda table: -table.weight))


def dimensions_of(model: DataModel, fact: str) -> tuple[Dimension, ...]:
    """The dimensions a fact can be broken down by, its own time included, in the model's order."""
    reached = ways_from(model, fact)
    return tuple(one for one in model.dimensions if one.table in reached)


def time_of(model: DataModel, fact: str) -> Dimension:
    """The dimension of a fact's day. Raises LookupError."""
    day = model.table(fact).date_column
    for dimension in model.dimensions:
        if dimension.time and dimension.table == fact and dimension.column == day:
            return dimension
    raise LookupError(f"The fact {fact} has no time dimension.")
