"""Making a fact, stretch by stretch of days, so that no more than one is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from afield.provisioning.datamodel import Table
from afield.provisioning.dataset import Anomaly
from afield.provisioning.making.bench import Bench, lean
from afield.provisioning.making.calendar import Stretch, busyness, cuts, number, spread
from afield.provisioning.making.draw import draw
from afield.provisioning.making.ground import Expected, Ground
from afield.provisioning.making.popularity import Popularity, popularity, share
from afield.provisioning.making.segments import Segment, segment
from afield.provisioning.making.values import Floats, Ints, Made, pick
from afield.provisioning.recipe import Popular, Rhythm

MOST_ROWS = 200_000
"""Rows of a stretch, unless one day has more."""


@dataclass(frozen=True, slots=True)
class Planted:
    """An anomaly of the fact being made, in days since 1970. Without a segment it is of all rows."""

    start: int
    end: int
    factor: float
    segment: Segment | None

    def factors(self, start: int, reference: str) -> Floats | None:
        """What the weights of a reference are multiplied by in a stretch that begins on `start`."""
        if self.segment is None or self.segment.reference.column != reference or not self.start <= start < self.end:
            return None
        return np.where(self.segment.mask, self.factor, 1.0)

    def volume(self, start: int, weights: Floats | None) -> float:
        """How many times as many rows a stretch has for it. `weights` are those of the segment's reference."""
        if not self.start <= start < self.end:
            return 1.0
        part = 1.0 if self.segment is None or weights is None else share(weights, self.segment.mask)
        return 1 + part * (self.factor - 1)


def expect(ground: Ground, table: Table, rows: int, rng: np.random.Generator) -> Expected:
    """Draw who will be popular."""
    popular = {}
    for reference in table.references:
        recipe = table.column(reference.column).recipe
        recipe = recipe if isinstance(recipe, Popular) else Popular()
        popular[reference.column] = popularity(recipe, ground.tables[reference.table], rng)
    return Expected(rows, popular)


def make_fact(
    ground: Ground, table: Table, expected: Expected, anomalies: Sequence[Anomaly], rng: np.random.Generator
) -> Iterator[Made]:
    """The fact in pieces, in the order of its days."""
    plants = _planted(ground, table, anomalies)
    whole = Bench(table, ground.tables, rng, number(ground.days.today), number(ground.days.first))
    lean(whole)
    before = 0
    for stretch in _stretches(ground, table, expected, plants, rng):
        if stretch.rows:
            yield _piece(whole.piece(stretch.rows, before, stretch.row_days()), stretch, expected.popular, plants)
            before += stretch.rows


def _planted(ground: Ground, table: Table, anomalies: Sequence[Anomaly]) -> tuple[Planted, ...]:
    found = []
    for one in anomalies:
        if one.fact == table.name:
            where = None
            if one.dimension and one.value:
                where = segment(ground.model, table.name, one.dimension, one.value, ground.tables)
            found.append(Planted(number(one.start), number(one.end), one.factor, where))
    return tuple(found)


def _stretches(
    ground: Ground, table: Table, expected: Expected, plants: Sequence[Planted], rng: np.random.Generator
) -> Iterator[Stretch]:
    """Days with the same chances: cut where months begin, and where anomalies begin and end."""
    recipe = table.column(table.date_column or "").recipe
    weights = busyness(ground.days, recipe if isinstance(recipe, Rhythm) else Rhythm(), rng)
    edges = cuts(ground.days, [day for plant in plants for day in (plant.start, plant.end)])
    first = number(ground.days.first)
    for start, end in edges:
        for plant in plants:
            popular = expected.popular[plant.segment.reference.column] if plant.segment else None
            at = popular.at(start, end, first) if popular else None
            weights[start - first : end - first] *= plant.volume(start, at)
    counts = spread(expected.rows, weights, rng)
    for start, end in edges:
        yield from _parts(start, counts[start - first : end - first])


def _parts(start: int, counts: Ints) -> Iterator[Stretch]:
    """A stretch in parts that are not too large."""
    begin, rows = 0, 0
    for place, count in enumerate(counts):
        if rows and rows + count > MOST_ROWS:
            yield Stretch(start + begin, start + place, counts[begin:place])
            begin, rows = place, 0
        rows += int(count)
    yield Stretch(start + begin, start + len(counts), counts[begin:])


def _piece(bench: Bench, stretch: Stretch, popular: Mapping[str, Popularity], plants: Sequence[Planted]) -> Made:
    table = bench.table
    bench.columns[table.primary_key] = np.arange(bench.before + 1, bench.before + bench.rows + 1, dtype=np.int64)
    if table.date_column and bench.days is not None:
        bench.columns[table.date_column] = bench.days
    for column, one in popular.items():
        weights = one.at(stretch.start, stretch.end, bench.first)
        for plant in plants:
            factors = plant.factors(stretch.start, column)
            weights = weights if factors is None else weights * factors
        bench.columns[column] = pick(bench.rng, weights, bench.rows) + 1
    for spec in table.columns:
        if spec.name not in bench.columns:
            bench.columns[spec.name] = draw(bench, spec)
    return Made(table, bench.rows, bench.columns)
