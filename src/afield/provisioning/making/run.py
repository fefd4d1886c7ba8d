"""Making all the data of a model: dimensions first, then the facts that refer to them, each table a file.

Every table has a generator of its own, seeded with the seed and its number, so that the same order gives the same data
whatever was made before, and a repeated run repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TypeAlias

import numpy as np

from afield.errors import InvalidInputError
from afield.provisioning.brief import Brief
from afield.provisioning.datamodel import DataModel, TableKind
from afield.provisioning.dataset import Dataset, TableFile
from afield.provisioning.making.anomalies import plan
from afield.provisioning.making.calendar import calendar
from afield.provisioning.making.dimensions import in_order, make_dimension
from afield.provisioning.making.facts import expect, make_fact
from afield.provisioning.making.ground import Expected, Ground
from afield.provisioning.making.parquet import write
from afield.provisioning.making.values import Made
from afield.provisioning.soundness import unsound

FEWEST_ROWS = 5_000
"""Below this, anomalies drown in chance."""
OnProgress: TypeAlias = Callable[[float, str], None]
_DIMENSIONS = 0.02  # their part of the work
_POPULARITY, _ANOMALIES = 1_000, 2_000  # further streams of random numbers beside those of the tables


def make(  # noqa: PLR0917 - the order is the pipeline's contract
    model: DataModel, brief: Brief, seed: int, today: date, rows: int, folder: Path, on_progress: OnProgress
) -> Dataset:
    """Make `rows` rows of facts, and the dimensions they need, as Parquet files in `folder`.

    The data depends on the model, the seed, `today` and `rows`; the brief has had its say in the model. `on_progress`
    is told the share done, 0 to 1, and of what; what it raises ends the work. Blocks: call it from a worker process.
    Raises InvalidInputError for a model that is not sound, and for too few rows.
    """
    _refuse(model, rows)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {table.name: place for place, table in enumerate(model.tables)}
    files: dict[str, TableFile] = {}
    tables: dict[str, Made] = {}
    days = calendar(today)
    for table in in_order(model):
        tables[table.name] = make_dimension(table, tables, days, rows, _rng(seed, numbers[table.name]))
        files[table.name] = write(table, [tables[table.name]], folder)
    on_progress(_DIMENSIONS, f"Made {len(tables)} dimensions for {brief.customer_url}")
    ground = Ground(model, tables, days)
    expected = _expected(ground, seed, rows, numbers)
    anomalies = plan(ground, expected, _rng(seed, _ANOMALIES))
    done = 0
    for name, share in expected.items():
        pieces = make_fact(ground, model.table(name), share, anomalies, _rng(seed, numbers[name]))
        files[name] = write(model.table(name), _told(pieces, done, rows, on_progress), folder)
        done += files[name].rows
    made = tuple(files[table.name] for table in model.tables)
    return Dataset(seed=seed, today=today, files=made, anomalies=anomalies)


def _expected(ground: Ground, seed: int, rows: int, numbers: Mapping[str, int]) -> dict[str, Expected]:
    """Of every fact its rows and who is popular, in the model's order."""
    facts = [table for table in ground.model.tables if table.kind is TableKind.FACT]
    counts = shares([table.weight for table in facts], rows)
    return {
        table.name: expect(ground, table, count, _rng(seed, _POPULARITY + numbers[table.name]))
        for table, count in zip(facts, counts, strict=True)
    }


def shares(weights: Iterable[float], rows: int) -> list[int]:
    """So many rows by weight: whole numbers that add up, none of them zero."""
    given = list(weights)
    exact = [rows * weight / sum(given) for weight in given]
    whole = [max(1, int(share)) for share in exact]
    whole[max(range(len(given)), key=given.__getitem__)] += rows - sum(whole)
    return whole


def _refuse(model: DataModel, rows: int) -> None:
    flaws = unsound(model)
    if flaws:
        raise InvalidInputError(f"No data can be made for this model: {' '.join(flaws[:3])}", hint="Mend the model.")
    if rows < FEWEST_ROWS:
        hint = f"Ask for {FEWEST_ROWS} or more."
        raise InvalidInputError(f"{rows} rows are too few for patterns to show.", hint=hint)


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _told(pieces: Iterable[Made], done: int, rows: int, on_progress: OnProgress) -> Iterator[Made]:
    for piece in pieces:
        yield piece
        done += piece.rows
        on_progress(
            min(1.0, _DIMENSIONS + (1 - _DIMENSIONS) * done / rows), f"Made {done} of {rows} rows: {piece.table.name}"
        )
