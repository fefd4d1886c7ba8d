"""The warehouse that is always there: one DuckDB file for each dataset, in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.warehouse.base import Dialect, Limits, Loaded, Result, checked_name
from afield.provisioning.warehouse.duckdb_asked import Asked, too_slow
from afield.provisioning.warehouse.duckdb_build import build, file_of, remove_unfinished
from afield.provisioning.warehouse.duckdb_reader import DuckDBReaders

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
_INTERRUPT_EVERY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBOptions:
    """`memory` is for all queries of one dataset together; `workers` run at once, the others wait."""

    memory: str = "512MB"
    threads: int = 2
    workers: int = 4
    kept: int = 16  # files held open
    load_memory: str = "1GB"


class DuckDBWarehouse:
    """Datasets as files `home/name.duckdb`. Any number of processes may read; a load replaces the file as a whole."""

    def __init__(self, home: Path, options: DuckDBOptions | None = None) -> None:
        self._home = home
        self._options = options or DuckDBOptions()
        used = self._options
        self._readers = DuckDBReaders(memory=used.memory, threads=used.threads, kept=used.kept)
        self._pool = ThreadPoolExecutor(max_workers=used.workers, thread_name_prefix="duckdb")

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return "duckdb"

    async def load(self, model: DataModel, dataset: Dataset, folder: Path, name: str) -> Loaded:
        """See `Warehouse.load`."""
        checked_name(name)
        memory = self._options.load_memory
        rows = await self._run(lambda: build(model, dataset, folder, home=self._home, name=name, memory=memory))
        _log.info("dataset_loaded", dataset=name, rows=sum(rows.values()))
        return Loaded(name=name, address=name, rows=rows)

    async def query(self, name: str, sql: str, limits: Limits) -> Result:
        """See `Warehouse.query`. The time spent waiting for a thread counts."""
        asked = Asked(self._readers, file_of(self._home, checked_name(name)), sql, limits)
        future = self._pool.submit(asked.answer)
        work = asyncio.wrap_future(future)
        try:
            await asyncio.wait({work}, timeout=limits.seconds)
        finally:
            future.cancel()  # if it still waits for a thread
            await _ended(work, asked)
        if work.cancelled():
            raise too_slow(limits)
        return work.result()

    async def drop(self, name: str) -> None:
        """See `Warehouse.drop`."""
        await self._run(lambda: self._drop(checked_name(name)))
        _log.info("dataset_dropped", dataset=name)

    async def close(self) -> None:
        """See `Warehouse.close`."""
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._readers.close)

    def _drop(self, name: str) -> None:
        file = file_of(self._home, name)
        self._readers.forget(file)
        file.unlink(missing_ok=True)
        remove_unfinished(self._home, name)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


async def _ended(work: asyncio.Future[Result], asked: Asked) -> None:
    """Wait for the end. Stop it again and again: a stop that comes before the start is lost."""
    while not work.done():
        asked.stop()
        await asyncio.wait({work}, timeout=_INTERRUPT_EVERY)
    if not work.cancelled():
        work.exception()  # seen, also when nobody waits for it any more
