"""Making a dimension: small enough to stay in memory. Pure but for the generator's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from afield.provisioning.datamodel import Column, DataModel, Reference, Table, TableKind
from afield.provisioning.making.bench import Bench, lean
from afield.provisioning.making.calendar import Calendar, number
from afield.provisioning.making.draw import draw
from afield.provisioning.making.values import Floats, Ints, Made, Values, Words, pick
from afield.provisioning.recipe import Joined, Named, Pool, Popular

_USUAL_ROWS, _USUAL_SIZE = 100_000, 100


def in_order(model: DataModel) -> tuple[Table, ...]:
    """The dimensions, each after those it refers to."""
    waiting = [table for table in model.tables if table.kind is TableKind.DIMENSION]
    done: list[Table] = []
    while waiting:
        known = {table.name for table in done}
        ready = [table for table in waiting if {r.table for r in table.references} <= known]
        assert ready, "references run in a circle"
        done += ready
        waiting = [table for table in waiting if table not in ready]
    return tuple(done)


def make_dimension(
    table: Table, tables: Mapping[str, Made], days: Calendar, rows: int, rng: np.random.Generator
) -> Made:
    """A dimension for so many rows of facts. Names come first, since references may go by them."""
    size = size_of(table, rows)
    bench = Bench(table, tables, rng, number(days.today), number(days.first), rows=size)
    bench.columns[table.primary_key] = np.arange(1, size + 1, dtype=np.int64)
    for column in table.columns:
        if isinstance(column.recipe, Named):
            bench.columns[column.name] = draw(bench, column)
    for reference in table.references:
        bench.columns[reference.column] = _parents(bench, reference) + 1
    lean(bench)
    for column in table.columns:
        if column.name not in bench.columns:
            bench.columns[column.name] = _covered(draw(bench, column), rng)
    return Made(table, size, bench.columns)


def _covered(values: Values, rng: np.random.Generator) -> Values:
    """Every value at least once, where there are rows enough: a value nobody has cannot be asked for."""
    if not isinstance(values, Words) or len(values.codes) < len(values.values):
        return values
    codes = values.codes.copy()
    for missing in np.setdiff1d(np.arange(len(values.values)), codes):
        spare = np.flatnonzero(np.bincount(codes, minlength=len(values.values))[codes] > 1)
        codes[int(rng.choice(spare))] = missing
    return Words(codes, values.values)


def size_of(table: Table, rows: int) -> int:
    """One row for each name, unless it says otherwise. Those who join grow in number with the facts."""
    values = [column.values for column in table.columns if _is_list(column)]
    if table.size is None:
        return len(values[0]) if values else min(_USUAL_SIZE, max(2, rows // 40))
    if any(isinstance(column.recipe, Joined) for column in table.columns):
        return max(20, min(int(table.size * sqrt(rows / _USUAL_ROWS)), rows // 8))
    return max(2, min(table.size, rows // 40))


def _is_list(column: Column) -> bool:
    return isinstance(column.recipe, Named) and column.recipe.pool is Pool.VALUES


def _parents(bench: Bench, reference: Reference) -> Ints:
    """Rows of the wider table: by name where that is known, else by popularity; nobody without children."""
    recipe = bench.table.column(reference.column).recipe
    recipe = recipe if isinstance(recipe, Popular) else Popular(power=0.5)
    target = bench.tables[reference.table]
    weights: Floats = np.power(bench.rng.permutation(target.rows) + 2.0, -recipe.power)
    parents = pick(bench.rng, weights, bench.rows)
    known = _by_name(bench, target, recipe.kin)
    parents[known >= 0] = known[known >= 0]
    free = bench.rng.permutation(np.flatnonzero(known < 0))
    missing = np.setdiff1d(np.arange(target.rows), parents)[: len(free)]
    parents[free[: len(missing)]] = missing
    return parents


def _by_name(bench: Bench, target: Made, kin: Sequence[tuple[str, str]]) -> Ints:
    """For each row the place of its parent; -1 where its name says nothing."""
    places = np.full(bench.rows, -1, dtype=np.int64)
    if not kin:
        return places
    there = {
        name: at
        for column in target.columns.values()
        if isinstance(column, Words)
        for at, name in enumerate(column.values)
    }
    pairs = sorted(((start, there[name]) for start, name in kin if name in there), key=lambda pair: -len(pair[0]))
    for column in bench.columns.values():
        if isinstance(column, Words):
            for row, name in enumerate(column.values):
                places[row] = next((at for start, at in pairs if name.startswith(start)), -1)
    return places
