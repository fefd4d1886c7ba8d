"""The BigQuery service of the simulator: any project, in memory."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from ..clock import Clock
from .admin import BigQueryAdminRoutes
from .desk import LOCATION, Desk
from .faults import Mishaps
from .job_routes import JobRoutes
from .routes import DatasetRoutes
from .store import Store

PROJECT = "afield-sim"


class BigQueryService:
    """Datasets, tables, load jobs and queries under `/bigquery/v2` and `/upload/bigquery/v2`. Anybody gets in."""

    name = "bigquery"

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        self._store = Store()
        self.desk = Desk(self._store, Mishaps(seed))
        self._clock = clock

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        DatasetRoutes(self.desk, self._clock).mount(app.router)
        JobRoutes(self.desk, self._clock).mount(app.router)
        BigQueryAdminRoutes(self.desk, self._clock).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is: `endpoint` is a client's `api_endpoint`; the project may be any."""
        return {"endpoint": base_url, "project": PROJECT, "location": LOCATION}

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Forget everything."""
        self._store.close()
