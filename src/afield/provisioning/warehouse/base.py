"""What every warehouse can do: take a dataset in, answer one SELECT at a time, and let go of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from afield.errors import AfieldError, InvalidInputError, NotFoundError, UnavailableError
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset

Dialect: TypeAlias = Literal["duckdb", "bigquery"]
Value: TypeAlias = str | int | float | bool | date | datetime | None
"""One cell of a result. Decimals come as floats, time stamps without zone, in UTC."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one query may use. `scanned_bytes` counts where reading costs money."""

    seconds: float = 20.0
    rows: int = 1000
    scanned_bytes: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query gave: at most as many rows as allowed, and whether there were more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    truncated: bool = False
    scanned_bytes: int | None = None  # None: not counted here


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A dataset that is there. `address` is its full name, as people write it; `rows` by table."""

    name: str
    address: str
    rows: dict[str, int]


class LoadError(AfieldError):
    """The data could not be taken in, and nothing of it is shown."""

    code = "load_failed"
    status = 422


class RefusedSqlError(InvalidInputError):
    """A statement that is more than one SELECT over the dataset's tables."""

    code = "sql_refused"


class QueryLimitError(AfieldError):
    """A query wanted more time, memory or bytes than it may have."""

    code = "query_limit"
    status = 422


class QueryFailedError(AfieldError):
    """The warehouse could not compute the query."""

    code = "query_failed"
    status = 422


class DatasetMissingError(NotFoundError):
    """No dataset of this name is loaded."""

    code = "dataset_missing"


class WarehouseUnavailableError(UnavailableError):
    """The warehouse cannot be reached, or does not let us in."""

    code = "warehouse_unavailable"


class Warehouse(Protocol):
    """One place for datasets. Nothing here blocks the event loop."""

    @property
    def dialect(self) -> Dialect:
        """The SQL it understands."""
        ...

    async def load(self, model: DataModel, dataset: Dataset, folder: Path, name: str) -> Loaded:
        """Take the files of `folder` in as dataset `name`, in place of one that is there. Doing it twice is harmless.

        Raises LoadError: a file is missing or does not fit the model, a primary key is not unique.
        """
        ...

    async def query(self, name: str, sql: str, limits: Limits) -> Result:
        """Answer one SELECT over the tables of dataset `name`, which it names without the dataset.

        Raises RefusedSqlError, QueryLimitError, QueryFailedError, DatasetMissingError, WarehouseUnavailableError.
        """
        ...

    async def drop(self, name: str) -> None:
        """Delete the dataset and all its files; nothing happens when it is not there."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


def checked_name(name: str) -> str:
    """The name, if it is safe in paths and in SQL; InvalidInputError otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name[:120]!r} cannot name a dataset.",
            hint="Use lower-case letters, digits and _, a letter first, at most 100.",
        )
    return name
