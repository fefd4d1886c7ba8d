"""Which rows of a dimension, as a fact refers to it, have a value of one of the model's dimensions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from afield.provisioning.datamodel import ColumnType, DataModel, Dimension, Reference
from afield.provisioning.making.values import Bools, Ints, Made, Words
from afield.provisioning.reach import dimensions_of, ways_from


@dataclass(frozen=True, slots=True)
class Segment:
    """A value of a dimension, seen from a fact: through `reference` it are the rows marked in `mask`."""

    dimension: Dimension
    value: str
    reference: Reference
    mask: Bools


def segments(model: DataModel, fact: str, tables: Mapping[str, Made]) -> Iterator[Segment]:
    """All segments of a fact: values of text dimensions beyond its references, of columns with few values."""
    for dimension in dimensions_of(model, fact):
        if dimension.table == fact or not _is_text(model, dimension):
            continue
        yield from _values(model, fact, dimension, tables)


def segment(model: DataModel, fact: str, name: str, value: str, tables: Mapping[str, Made]) -> Segment:
    """One of them. Raises StopIteration if it is none."""
    return next(one for one in segments(model, fact, tables) if one.dimension.name == name and one.value == value)


def _is_text(model: DataModel, dimension: Dimension) -> bool:
    column = model.table(dimension.table).column(dimension.column)
    return column.type is ColumnType.TEXT and bool(column.values)


def _values(model: DataModel, fact: str, dimension: Dimension, tables: Mapping[str, Made]) -> Iterator[Segment]:
    way = ways_from(model, fact)[dimension.table][0]
    column = tables[dimension.table].columns[dimension.column]
    if not isinstance(column, Words):
        return
    codes = column.codes[_rows_along(way, tables)]
    for code, value in enumerate(column.values):
        yield Segment(dimension, value, way[0], codes == code)


def _rows_along(way: tuple[Reference, ...], tables: Mapping[str, Made]) -> Ints:
    """For each row of the first table of a way the row of the last."""
    rows = np.arange(tables[way[0].table].rows, dtype=np.int64)
    made = tables[way[0].table]
    for reference in way[1:]:
        rows = made.numbers(reference.column).astype(np.int64)[rows] - 1
        made = tables[reference.table]
    return rows
