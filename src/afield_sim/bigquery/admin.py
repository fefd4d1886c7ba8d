"""The admin routes: look at jobs, and make things go wrong. They need no credentials."""

from __future__ import annotations

from aiohttp import web

from ..admin.answering import Handler, answering, read_object
from ..clock import Clock
from .desk import Desk


class BigQueryAdminRoutes:
    """Everything under `/admin/bigquery`."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("PUT", "/faults", self.put_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/jobs", self.jobs),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/bigquery" + path, answering(handler))

    async def put_faults(self, http: web.Request) -> object:
        """Replace all faults: `{"reply_lost": {"next": 1}}`."""
        self._desk.mishaps.put(await read_object(http))
        return self._desk.mishaps.faults.model_dump(exclude_none=True)

    async def clear_faults(self, _: web.Request) -> object:
        """Take back all faults."""
        self._desk.mishaps.put({})
        return {}

    async def jobs(self, _: web.Request) -> object:
        """All jobs that were made, in order."""
        now = self._clock.now()
        return {"jobs": [job.as_json(now) for job in self._desk.jobs.values()]}
