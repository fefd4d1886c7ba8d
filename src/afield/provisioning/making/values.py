"""Columns in memory: arrays of numpy, and text as codes into a list. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from afield.provisioning.datamodel import Table

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Words:
    """Text: for each row the place of its value in a list."""

    codes: Ints
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serial:
    """Text: a prefix, and the row's number from `first` on."""

    prefix: str
    first: int
    rows: int


Values: TypeAlias = Floats | Ints | Bools | Words | Serial
"""Decimals are floats of two places; dates are days, time stamps microseconds since 1970."""


@dataclass(slots=True)
class Made:
    """A table in memory. The key of row n, from 0, is n + 1."""

    table: Table
    rows: int
    columns: dict[str, Values]

    def numbers(self, name: str) -> Floats:
        """A column of numbers. Raises TypeError for text."""
        values = self.columns[name]
        if isinstance(values, Words | Serial):
            raise TypeError(f"{self.table.name}.{name} is text.")
        return values.astype(np.float64)

    def codes(self, name: str) -> tuple[Ints, int]:
        """A column of text or of yes and no as codes, and how many there are."""
        values = self.columns[name]
        if isinstance(values, Words):
            return values.codes, len(values.values)
        if isinstance(values, Serial):
            return np.arange(values.rows, dtype=np.int64), values.rows
        return values.astype(np.int64), 2


def pick(rng: np.random.Generator, weights: Floats, rows: int) -> Ints:
    """Places in `weights`, each as often as its weight says."""
    sums = np.cumsum(weights)
    places: Ints = np.searchsorted(sums, rng.random(rows) * sums[-1], side="right").astype(np.int64)
    return np.minimum(places, len(weights) - 1)
