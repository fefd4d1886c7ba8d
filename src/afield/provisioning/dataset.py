"""What was made: files, their seed, and the truths planted in them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import Name


class AnomalyKind(StrEnum):
    """What was planted."""

    SPIKE = "spike"
    DROP = "drop"
    OUTAGE = "outage"  # nothing at all for some days


class Anomaly(Frozen):
    """A deviation planted on purpose, as ground truth: in [start, end) the fact's rows where `column` is `value`
    (everywhere, if they are None) were multiplied by `factor`."""

    kind: AnomalyKind
    fact: Name
    start: date
    end: date
    factor: float
    dimension: Name | None = None
    value: str | None = None


class TableFile(Frozen):
    """One table as a Parquet file, beside the manifest."""

    table: Name
    file: str
    rows: int
    digest: str  # SHA-256


class Dataset(Frozen):
    """The manifest of the made data."""

    seed: int
    today: date
    files: tuple[TableFile, ...]
    anomalies: tuple[Anomaly, ...] = ()
