"""How often a fact refers to each row of a dimension: a power law that drifts, and a life that begins and fades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from afield.provisioning.making.values import Bools, Floats, Made
from afield.provisioning.recipe import Joined, Popular

_DRIFT = 0.2  # a year; standard deviation of the logarithm
_LOYAL = 0.12  # what is left of activity in the end
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Popularity:
    """Of one reference. `joined` are days since 1970; None: always there."""

    base: Floats
    drift: Floats
    joined: Floats | None
    half_life: float

    def at(self, start: int, end: int, first: int) -> Floats:
        """The weights in a stretch of days of data that begins on `first`. Who joins within it begins after it."""
        middle = (start + end) / 2
        weights = self.base * np.exp(self.drift * (middle - first) / _YEAR)
        if self.joined is None:
            return weights
        alive = _LOYAL + (1 - _LOYAL) * 0.5 ** (np.maximum(middle - self.joined, 0) / self.half_life)
        living = weights * alive * (self.joined <= start)
        return living if living.any() else weights


def popularity(recipe: Popular, target: Made, rng: np.random.Generator) -> Popularity:
    """Draw who is popular."""
    rank = rng.permutation(target.rows)
    base: Floats = np.power(rank + 2.0, -recipe.power)
    drift: Floats = rng.normal(0.0, _DRIFT, target.rows)
    for column in target.table.columns:
        if isinstance(column.recipe, Joined) and column.name in target.columns:
            return Popularity(base, drift, target.numbers(column.name), float(column.recipe.half_life))
    return Popularity(base, drift, None, 1.0)


def share(weights: Floats, mask: Bools) -> float:
    """The part of the weights that is marked, 0 to 1."""
    return float(weights[mask].sum() / weights.sum())
