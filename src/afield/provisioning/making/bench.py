"""Where a piece of a table is made: its rows so far, the tables it refers to, and the chances drawn for all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from afield.provisioning.datamodel import ColumnType, Table
from afield.provisioning.making.values import Floats, Ints, Made, Values
from afield.provisioning.recipe import Amount, Chance, Choice

_LEANING = 0.35  # how much segments differ: standard deviation of the logarithm


@dataclass(slots=True)
class Bench:
    """A piece of `rows` rows after `before` others. `today` and `days` are days since 1970; `days` are a fact's."""

    table: Table
    tables: Mapping[str, Made]
    rng: np.random.Generator
    today: int
    first: int
    leanings: dict[str, Floats] = field(default_factory=dict)
    rows: int = 0
    before: int = 0
    days: Ints | None = None
    columns: dict[str, Values] = field(default_factory=dict)

    def piece(self, rows: int, before: int, days: Ints | None) -> Bench:
        """A new piece of the same table."""
        return Bench(
            self.table, self.tables, self.rng, self.today, self.first, self.leanings, rows, before, days
        )  # fmt: skip

    def numbers(self, path: str) -> Floats:
        """What stands at a path, for each row."""
        made, rows, name = self._follow(path)
        values = made.numbers(name)
        return values if rows is None else values[rows]

    def codes(self, path: str) -> tuple[Ints, int]:
        """The segment at a path, for each row, and how many segments there are."""
        made, rows, name = self._follow(path)
        codes, count = made.codes(name)
        return (codes if rows is None else codes[rows]), count

    def segments(self, path: str) -> int:
        """How many segments there are at a path, before any row is made."""
        *steps, last = path.split(".")
        if not steps:
            column = self.table.column(last)
            return 2 if column.type is ColumnType.BOOLEAN else len(column.values)
        table = self.table
        for step in steps:
            table = self.tables[_target(table, step)].table
        return self.tables[table.name].codes(last)[1]

    def _follow(self, path: str) -> tuple[Made, Ints | None, str]:
        *steps, last = path.split(".")
        made, rows = Made(self.table, self.rows, self.columns), None
        for step in steps:
            keys = made.columns[step]
            assert isinstance(keys, np.ndarray)
            here = keys.astype(np.int64) if rows is None else keys.astype(np.int64)[rows]
            rows, made = here - 1, self.tables[_target(made.table, step)]
        return made, rows, last


def lean(bench: Bench) -> None:
    """Draw, once for the whole table, how its columns lean towards their segments."""
    for column in bench.table.columns:
        recipe = column.recipe
        if isinstance(recipe, Choice | Amount | Chance) and recipe.by:
            wide = len(column.values) if isinstance(recipe, Choice) else 1
            size = (bench.segments(recipe.by), wide)
            bench.leanings[column.name] = np.exp(bench.rng.normal(0.0, _LEANING, size))


def _target(table: Table, column: str) -> str:
    return next(reference.table for reference in table.references if reference.column == column)
