"""Load jobs that can be repeated: each has an id of its own, made of what it loads. It blocks: for threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import duckdb
import structlog
from google.api_core.exceptions import Conflict, GoogleAPICallError, ServerError
from google.cloud.bigquery import Client, LoadJob
from requests.exceptions import ConnectionError as LostConnectionError

from afield.provisioning.datamodel import DataModel, Table
from afield.provisioning.dataset import Dataset, TableFile
from afield.provisioning.warehouse.base import LoadError
from afield.provisioning.warehouse.bigquery_schema import load_of
from afield.provisioning.warehouse.files import check_rows, files_of, first_line, quoted, typed_select, zoned_columns

_log = structlog.get_logger(__name__)
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Loading:
    """Loads of one dataset. `seconds`: for one job."""

    client: Client
    address: str
    name: str
    location: str
    seconds: float

    def load(self, model: DataModel, dataset: Dataset, folder: Path) -> dict[str, int]:
        """Fill all tables, which are there; rows by table. LoadError, GoogleAPICallError."""
        started = []
        for table, expected, path in files_of(model, dataset, folder):
            with _conformed(table, expected, path) as file:
                started.append((table, expected, self._start(table, expected, file)))
        return {table.name: self._finish(table, expected, job) for table, expected, job in started}

    def _start(self, table: Table, expected: TableFile, file: BinaryIO) -> LoadJob:
        """The job for this file: a new one, or the one that an earlier try began and that did not fail."""
        for number in range(_TRIES):
            job_id = f"{self.name}-{table.name}-{expected.digest[:12]}-{number}"
            try:
                return self._send(table, file, job_id)
            except Conflict:
                job = self.client.get_job(job_id, location=self.location)
                if isinstance(job, LoadJob) and self._holds(table, expected, job):
                    _log.info("load_adopted", dataset=self.name, table=table.name, job_id=job_id)
                    return job
        raise LoadError(
            f"{table.name} was not loaded: {_TRIES} jobs failed.", hint="See the dataset's jobs in BigQuery."
        )

    def _send(self, table: Table, file: BinaryIO, job_id: str) -> LoadJob:
        """Send it; when the reply is lost, send it again under the same id: if it was taken, that is a Conflict."""
        last: Exception | None = None
        for _ in range(_TRIES):
            try:
                size = file.seek(0, SEEK_END)
                return self.client.load_table_from_file(
                    file, f"{self.address}.{table.name}", rewind=True, size=size, job_id=job_id,
                    location=self.location, job_config=load_of(table), timeout=self.seconds,
                )  # fmt: skip
            except (LostConnectionError, ServerError) as error:
                _log.warning("load_reply_lost", dataset=self.name, table=table.name, error=type(error).__name__)
                last = error
        raise LoadError(f"{table.name} could not be sent: {first_line(last or OSError())}", hint="Try again.") from last

    def _holds(self, table: Table, expected: TableFile, job: LoadJob) -> bool:
        """An earlier job counts if it did not fail, and its rows are still there."""
        try:
            job.result(timeout=self.seconds)
        except GoogleAPICallError:
            return False
        return bool(self.client.get_table(f"{self.address}.{table.name}").num_rows == expected.rows)

    def _finish(self, table: Table, expected: TableFile, job: LoadJob) -> int:
        try:
            job.result(timeout=self.seconds)
        except GoogleAPICallError as error:
            raise LoadError(
                f"{table.name} was not loaded: {first_line(error)}", hint="Try again; a new job will be made."
            ) from None
        check_rows(table, expected, int(job.output_rows or 0), int(job.output_rows or 0))
        return expected.rows


@contextmanager
def _conformed(table: Table, expected: TableFile, path: Path) -> Iterator[BinaryIO]:
    """The file with exactly the model's types, which BigQuery insists on. LoadError: keys are doubled, rows missing."""
    with TemporaryDirectory(prefix="afield-load-") as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        zoned = zoned_columns(connection, table, path)
        select = typed_select(table, zoned, stamp="TIMESTAMPTZ")
        target = str(Path(folder) / "rows.parquet").replace("'", "''")
        try:
            connection.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet)", [str(path)])
            key = quoted(table.primary_key)
            counted = connection.execute(f"SELECT count(*), count(DISTINCT {key}) FROM '{target}'").fetchone()  # noqa: S608
        except duckdb.Error as error:
            raise LoadError(
                f"{table.name} does not fit its model: {first_line(error)}", hint="Make it again."
            ) from None
        check_rows(table, expected, *(counted or (0, 0)))
        with Path(target).open("rb") as file:
            yield file
