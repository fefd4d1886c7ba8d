"""Where datasets and data agents are: on this machine, or in a project of Google Cloud.

A job's order says which of the two; what the Infrastructure Agent handed on says it of a dataset that is there. So a
setting that changes later moves no demo.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from afield.errors import UnavailableError
from afield.provisioning.agents.data_agents import DataAgents, LocalDataAgents
from afield.provisioning.brief import Frozen
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.settings import ProvisionSettings, provisioning_home
from afield.provisioning.warehouse.base import Dialect, Warehouse


@dataclass(frozen=True, slots=True)
class Place:
    """Where one job's dataset and data agent are. `project` and `location`: only with BigQuery."""

    warehouse: Dialect = "duckdb"
    project: str = ""
    location: str = ""

    @property
    def in_google(self) -> bool:
        """It is a project of Google Cloud."""
        return self.warehouse == "bigquery"


class Placed(Frozen):
    """A dataset that is there. `full_name` is its name as people write it; `rows` by table."""

    name: str
    full_name: str
    dialect: Dialect
    project: str = ""  # these two: in BigQuery
    location: str = ""
    rows: dict[str, int]

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.dialect, self.project, self.location)


HERE = Place()


def ordered_place(order: JobOrder, settings: ProvisionSettings) -> Place:
    """Where a job's data is to go."""
    return in_project(order.project_id, settings) if order.warehouse == "bigquery" else HERE


def in_project(project: str, settings: ProvisionSettings) -> Place:
    """A project of Google Cloud."""
    return Place("bigquery", project, settings.google_location)


def open_warehouse(
    home: Path, place: Place = HERE, settings: ProvisionSettings | None = None, *, job: str = ""
) -> Warehouse:
    """The warehouse; close it. Blocks while its libraries are loaded. `job`: the label of datasets that are made.

    Raises UnavailableError: the libraries are not there.
    """
    if place.in_google:
        return _bigquery(place, settings or ProvisionSettings(), job)
    from afield.provisioning.warehouse.duckdb import DuckDBWarehouse  # noqa: PLC0415 - only there with an extra

    return DuckDBWarehouse(provisioning_home(home) / "warehouse")


@asynccontextmanager
async def warehouse_at(
    home: Path, place: Place = HERE, settings: ProvisionSettings | None = None, *, job: str = ""
) -> AsyncIterator[Warehouse]:
    """The warehouse, for as long as one is inside."""
    warehouse = await asyncio.to_thread(open_warehouse, home, place, settings, job=job)
    try:
        yield warehouse
    finally:
        await warehouse.close()


def data_agents_at(home: Path, place: Place = HERE, settings: ProvisionSettings | None = None) -> DataAgents:
    """Where data agents are kept; use it as a context. Blocks like `open_warehouse`, and raises the same."""
    if place.in_google:
        return _google_agents(place.project, settings or ProvisionSettings())
    return LocalDataAgents(provisioning_home(home) / "data-agents")


def _bigquery(place: Place, settings: ProvisionSettings, job: str) -> Warehouse:
    try:
        from afield.provisioning.warehouse.bigquery import BigQueryOptions, BigQueryWarehouse  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise _missing(error) from error
    options = BigQueryOptions(
        project=place.project,
        location=place.location,
        endpoint=settings.google_endpoint,
        credentials=settings.google_credentials,
        expires_after=timedelta(days=settings.keep_days),
        labels={"job": job} if job else {},
    )
    return BigQueryWarehouse(options)


def _google_agents(project: str, settings: ProvisionSettings) -> DataAgents:
    try:
        from afield.provisioning.analytics.endpoint import Endpoint  # noqa: PLC0415 - heavy
        from afield.provisioning.analytics.google import GoogleDataAgents  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise _missing(error) from error
    if settings.google_endpoint:
        return GoogleDataAgents(Endpoint.at(settings.google_endpoint, project))
    return GoogleDataAgents(Endpoint(project=project, key_file=settings.google_credentials))


def _missing(error: ImportError) -> UnavailableError:
    hint = "pip install 'afield[bigquery]'"
    return UnavailableError(f"BigQuery and data agents there need {error.name}, which is not installed.", hint=hint)
