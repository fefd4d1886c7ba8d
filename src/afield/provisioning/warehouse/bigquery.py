"""Datasets in Google BigQuery, through its own client. The client blocks, so it is called in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar
from uuid import uuid4

import structlog
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, RetryError, ServerError, Unauthorized
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery import DEFAULT_RETRY, Client, DatasetReference, QueryJob, QueryJobConfig
from requests.exceptions import RequestException, Timeout

from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.warehouse.base import (
    DatasetMissingError,
    Dialect,
    Limits,
    Loaded,
    LoadError,
    QueryFailedError,
    QueryLimitError,
    Result,
    WarehouseUnavailableError,
    checked_name,
)
from afield.provisioning.warehouse.bigquery_credentials import credentials_of
from afield.provisioning.warehouse.bigquery_load import Loading
from afield.provisioning.warehouse.bigquery_schema import OURS, dataset_of, table_of
from afield.provisioning.warehouse.cells import plain
from afield.provisioning.warehouse.files import first_line
from afield.provisioning.warehouse.guard import guarded

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
_LEAST_BILLED = 10 * 1024 * 1024
"""BigQuery bills at least so much for each table of a query."""
_PATIENCE = 60.0
_SMALLER = "Ask for less: a shorter period, fewer breakdowns."
_ACCESS = "The account needs the roles BigQuery Data Editor and BigQuery Job User in the project."


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQueryOptions:
    """Where datasets go, and how long they stay. `endpoint`: another address than Google's, without credentials;
    `credentials`: a file with them, in place of the environment's."""

    project: str
    location: str = "US"
    endpoint: str = ""
    credentials: Path | None = None
    expires_after: timedelta = timedelta(days=14)
    labels: Mapping[str, str] = field(default_factory=dict)
    load_seconds: float = 300.0
    workers: int = 4


class BigQueryWarehouse:
    """Datasets `project.name`, labelled as made by Afield; datasets of others are never written or deleted."""

    def __init__(self, options: BigQueryOptions, connect: Callable[[], Client] | None = None) -> None:
        self._options = options
        self._connect = connect or (lambda: _client(options))
        self._client: Client | None = None
        self._lock = Lock()
        self._tables: dict[str, tuple[str, ...]] = {}
        self._pool = ThreadPoolExecutor(max_workers=options.workers, thread_name_prefix="bigquery")

    @property
    def dialect(self) -> Dialect:
        """BigQuery's."""
        return "bigquery"

    async def load(self, model: DataModel, dataset: Dataset, folder: Path, name: str) -> Loaded:
        """See `Warehouse.load`. A repeat finds the jobs of the try before, and adopts those that did not fail."""
        return await self._run(lambda: self._load(model, dataset, folder, checked_name(name)))

    async def query(self, name: str, sql: str, limits: Limits) -> Result:
        """See `Warehouse.query`. Its cost is asked for first, and is a limit while it runs."""
        job = await self._run(lambda: self._start(checked_name(name), sql, limits))
        try:
            return await self._run(lambda: self._fetch(job, limits))
        except asyncio.CancelledError:
            await asyncio.shield(self._run(lambda: self._stop(job)))
            raise

    async def drop(self, name: str) -> None:
        """See `Warehouse.drop`."""
        await self._run(lambda: self._drop(checked_name(name)))
        _log.info("dataset_dropped", dataset=name)

    async def close(self) -> None:
        """See `Warehouse.close`."""
        await asyncio.to_thread(self._pool.shutdown)
        if self._client:
            await asyncio.to_thread(self._client.close)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _connected(self) -> Client:
        with self._lock:
            self._client = self._client or self._connect()
            return self._client

    def _address(self, name: str) -> str:
        return f"{self._options.project}.{name}"

    def _load(self, model: DataModel, dataset: Dataset, folder: Path, name: str) -> Loaded:
        options, address = self._options, self._address(name)
        with _in_sentences(name):
            client = self._connected()
            expires = int(options.expires_after.total_seconds() * 1000)
            wanted = dataset_of(model, address, options.location, expires, dict(options.labels))
            made = client.create_dataset(wanted, exists_ok=True, retry=self._retry())
            if made.labels.get("made-by") != OURS["made-by"]:
                raise LoadError(f"{address} is there already, and was not made by Afield.", hint="Take another name.")
            for table in model.tables:
                client.create_table(table_of(table, address), exists_ok=True, retry=self._retry())
            loading = Loading(client, address, name, options.location, options.load_seconds)
            rows = loading.load(model, dataset, folder)
        self._tables[name] = tuple(rows)
        _log.info("dataset_loaded", dataset=address, rows=sum(rows.values()))
        return Loaded(name=name, address=address, rows=rows)

    def _start(self, name: str, sql: str, limits: Limits) -> QueryJob:
        """The job, running. RefusedSqlError, QueryLimitError before it runs."""
        with _in_sentences(name):
            client = self._connected()
            if name not in self._tables:
                found = client.list_tables(self._address(name), retry=self._retry(limits.seconds))
                self._tables[name] = tuple(table.table_id for table in found)
            statement = guarded(sql, self._tables[name], "bigquery").sql(dialect="bigquery", comments=False)
            cost = self._cost(client, name, statement, limits)
            _log.info("query_cost", dataset=name, scanned_bytes=cost)
            config = QueryJobConfig(
                default_dataset=self._reference(name),
                maximum_bytes_billed=max(limits.scanned_bytes, _LEAST_BILLED * len(self._tables[name])),
                labels=OURS,
            )
            job_id = f"{name}-query-{uuid4().hex}"
            return client.query(
                statement, job_config=config, job_id=job_id, location=self._options.location,
                retry=self._retry(limits.seconds), job_retry=None, timeout=limits.seconds,
            )  # fmt: skip

    def _cost(self, client: Client, name: str, sql: str, limits: Limits) -> int:
        config = QueryJobConfig(default_dataset=self._reference(name), dry_run=True, use_query_cache=False)
        tried = client.query(
            sql, job_config=config, location=self._options.location, retry=self._retry(limits.seconds),
            timeout=limits.seconds,
        )  # fmt: skip
        cost = int(tried.total_bytes_processed or 0)
        if cost > limits.scanned_bytes:
            raise QueryLimitError(
                f"The query would read {cost:,} bytes, and may read {limits.scanned_bytes:,}.", hint=_SMALLER
            )
        return cost

    def _fetch(self, job: QueryJob, limits: Limits) -> Result:
        with _in_sentences(job.job_id):
            try:
                found = job.result(
                    max_results=limits.rows + 1, retry=self._retry(limits.seconds), job_retry=None,
                    timeout=limits.seconds,
                )  # fmt: skip
                rows = [tuple(plain(cell) for cell in row.values()) for row in found]
            except (WaitTimeoutError, Timeout):
                self._stop(job)
                message = f"The query was stopped: it took longer than {limits.seconds:g} s."
                raise QueryLimitError(message, hint=_SMALLER) from None
            columns = tuple(one.name for one in found.schema)
        kept = tuple(rows[: limits.rows])
        truncated = len(rows) > len(kept)
        return Result(columns=columns, rows=kept, truncated=truncated, scanned_bytes=job.total_bytes_processed)

    def _stop(self, job: QueryJob) -> None:
        """Ask for an end; whether it comes does not matter here, as the job has a limit of bytes."""
        try:
            job.cancel(timeout=5)
        except (GoogleAPICallError, RequestException) as error:
            _log.warning("query_not_cancelled", job_id=job.job_id, error=type(error).__name__)

    def _drop(self, name: str) -> None:
        self._tables.pop(name, None)
        with _in_sentences(name):
            client = self._connected()
            try:
                found = client.get_dataset(self._address(name), retry=self._retry())
            except NotFound:
                return
            if found.labels.get("made-by") != OURS["made-by"]:
                raise WarehouseUnavailableError(f"{name} was not made by Afield, and is left alone.")
            address, retry = self._address(name), self._retry()
            client.delete_dataset(address, delete_contents=True, not_found_ok=True, retry=retry)

    def _retry(self, seconds: float = _PATIENCE) -> Retry:
        """The client's own way of trying again, for so long and not for its ten minutes."""
        return DEFAULT_RETRY.with_timeout(seconds)

    def _reference(self, name: str) -> DatasetReference:
        return DatasetReference(self._options.project, name)


@contextmanager
def _in_sentences(name: str) -> Iterator[None]:
    """Google's errors as ours."""
    try:
        yield
    except NotFound as error:
        raise DatasetMissingError(f"There is no dataset {name}: {first_line(error)}", hint="Provision it.") from None
    except (Forbidden, Unauthorized, GoogleAuthError) as error:
        raise WarehouseUnavailableError(f"BigQuery does not let us in: {first_line(error)}", hint=_ACCESS) from None
    except (ServerError, RetryError, RequestException) as error:
        raise WarehouseUnavailableError(f"BigQuery cannot be reached: {first_line(error)}", hint="Try again.") from None
    except GoogleAPICallError as error:
        if "bytes billed" in str(error):
            raise QueryLimitError(f"The query would cost too much: {first_line(error)}", hint=_SMALLER) from None
        raise QueryFailedError(f"BigQuery could not do it: {first_line(error)}", hint="Ask in another way.") from None


def _client(options: BigQueryOptions) -> Client:
    if not options.endpoint:
        credentials = credentials_of(options.credentials)
        return Client(project=options.project, location=options.location, credentials=credentials)
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return Client(
        project=options.project, location=options.location, credentials=nobody,
        client_options={"api_endpoint": options.endpoint},
    )  # fmt: skip
