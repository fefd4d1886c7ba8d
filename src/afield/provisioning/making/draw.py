"""Drawing the values of one column by its recipe. Pure but for the generator's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numpy as np

from afield.provisioning.datamodel import Column, ColumnType
from afield.provisioning.making.bench import Bench
from afield.provisioning.making.names import names
from afield.provisioning.making.values import Bools, Floats, Serial, Values, Words, pick
from afield.provisioning.recipe import (
    Amount,
    Chance,
    Choice,
    Clock,
    Code,
    Difference,
    Joined,
    Named,
    Past,
    Recipe,
    Times,
    Whole,
)

_FALLING = 0.7  # how fast values without weights become rarer
_BEFORE = 365  # days before the data begins, over which early ones have joined
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_R = TypeVar("_R", bound=Recipe)
Drawer: TypeAlias = Callable[[Bench, Column, _R], Values]


def draw(bench: Bench, column: Column) -> Values:
    """The column's values for the bench's rows."""
    recipe = column.recipe or by_type(column)
    return _DRAWERS[type(recipe)](bench, column, recipe)


def by_type(column: Column) -> Recipe:
    """How a column is made that nobody gave a recipe."""
    match column.type:
        case ColumnType.TEXT:
            return Choice() if column.values else Code(prefix="".join(filter(str.isalpha, column.name))[:3].upper())
        case ColumnType.INTEGER:
            return Whole(low=1, high=10)
        case ColumnType.BOOLEAN:
            return Chance(rate=0.3)
        case ColumnType.DATE:
            return Past(days=700)
        case ColumnType.TIMESTAMP:
            return Clock()
    return Amount(median=40.0)


def _choice(bench: Bench, column: Column, recipe: Choice) -> Values:
    weights = _weights(recipe, len(column.values))
    if recipe.by is None:
        return Words(pick(bench.rng, weights, bench.rows), column.values)
    segments, count = bench.codes(recipe.by)
    chances, codes = bench.rng.random(bench.rows), np.zeros(bench.rows, dtype=np.int64)
    for segment in range(count):
        sums = np.cumsum(weights * bench.leanings[column.name][segment])
        here = np.flatnonzero(segments == segment)
        codes[here] = np.searchsorted(sums, chances[here] * sums[-1], side="right")
    return Words(np.minimum(codes, len(column.values) - 1), column.values)


def _weights(recipe: Choice, count: int) -> Floats:
    given = recipe.weights or tuple((place + 1) ** -_FALLING for place in range(count))
    return np.array(given, dtype=np.float64)


def _named(bench: Bench, column: Column, recipe: Named) -> Values:
    found = names(recipe, column.values, bench.rows, bench.rng)
    return Words(np.arange(bench.rows, dtype=np.int64), found)


def _code(bench: Bench, _column: Column, recipe: Code) -> Values:
    return Serial(recipe.prefix, bench.before + 1, bench.rows)


def _amount(bench: Bench, column: Column, recipe: Amount) -> Values:
    values = recipe.median * np.exp(bench.rng.normal(0.0, recipe.spread, bench.rows))
    if recipe.by:
        values *= bench.leanings[column.name][bench.codes(recipe.by)[0], 0]
    return rounded(np.clip(values, recipe.minimum, recipe.maximum), column.type)


def _whole(bench: Bench, column: Column, recipe: Whole) -> Values:
    if recipe.even:
        return bench.rng.integers(recipe.low, recipe.high + 1, bench.rows, dtype=np.int64)
    weights: Floats = np.power(np.arange(1.0, recipe.high - recipe.low + 2), -1.4)
    return rounded(recipe.low + pick(bench.rng, weights, bench.rows).astype(np.float64), column.type)


def _chance(bench: Bench, column: Column, recipe: Chance) -> Values:
    """With a leaning the odds change, so that the rate stays one."""
    odds = np.full(bench.rows, recipe.rate / (1 - recipe.rate))
    if recipe.by:
        odds *= bench.leanings[column.name][bench.codes(recipe.by)[0], 0]
    yes: Bools = bench.rng.random(bench.rows) < odds / (1 + odds)
    return yes & (bench.numbers(recipe.after) > 0) if recipe.after else yes


def _times(bench: Bench, column: Column, recipe: Times) -> Values:
    values = np.ones(bench.rows)
    for factor in recipe.factors:
        if factor.startswith("1-"):
            values *= 1 - bench.numbers(factor.removeprefix("1-"))
        else:
            values *= float(factor) if factor[0].isdigit() else bench.numbers(factor)
    if recipe.noise:
        values *= np.exp(bench.rng.normal(0.0, recipe.noise, bench.rows))
    return rounded(values, column.type)


def _difference(bench: Bench, column: Column, recipe: Difference) -> Values:
    return rounded(bench.numbers(recipe.of) - bench.numbers(recipe.less), column.type)


def _past(bench: Bench, _column: Column, recipe: Past) -> Values:
    return bench.today - bench.rng.integers(0, recipe.days, bench.rows, dtype=np.int64)


def _joined(bench: Bench, _column: Column, recipe: Joined) -> Values:
    early = bench.first - bench.rng.integers(1, _BEFORE, bench.rows, dtype=np.int64)
    late = bench.first + bench.rng.integers(0, bench.today - bench.first + 1, bench.rows, dtype=np.int64)
    return np.where(bench.rng.random(bench.rows) < recipe.early, early, late)


def _clock(bench: Bench, _column: Column, recipe: Clock) -> Values:
    """Busiest in the middle of the hours."""
    days = bench.days
    if days is None:
        days = bench.today - 1 - bench.rng.integers(0, 700, bench.rows, dtype=np.int64)
    low, high = recipe.first * _HOUR, recipe.last * _HOUR
    share = (bench.rng.random(bench.rows) + bench.rng.random(bench.rows)) / 2
    return days * _DAY + low + np.floor(share * (high - low)).astype(np.int64)


def rounded(values: Floats, kind: ColumnType) -> Values:
    """As the column holds it: whole, to the cent, or to four places."""
    if kind is ColumnType.INTEGER:
        return np.rint(values).astype(np.int64)
    places = 2 if kind is ColumnType.DECIMAL else 4
    return np.round(values, places) + 0.0  # no minus zero


_DRAWERS: dict[type[object], Callable[..., Values]] = {
    Choice: _choice,
    Named: _named,
    Code: _code,
    Amount: _amount,
    Whole: _whole,
    Chance: _chance,
    Times: _times,
    Difference: _difference,
    Past: _past,
    Joined: _joined,
    Clock: _clock,
}
