"""The admin routes of the sites; they need no credentials."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..admin.answering import BadAdminCallError, Handler, answering, read_object
from .faults import SiteFaults
from .serving import Serving
from .sites import SITES


class SiteWait(BaseModel):
    """What to wait for: requests of one site or any, for one path or any."""

    model_config = ConfigDict(extra="forbid")

    site: str | None = None
    path: str | None = None
    at_least: int = Field(default=1, ge=0)
    timeout: float = Field(default=10, ge=0, le=60)


class WebsitesAdmin:
    """Everything under `/admin/websites`."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/counters", self.counters),
            ("DELETE", "/counters", self.reset),
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.put_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/wait", self.wait),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/websites" + path, answering(handler))

    async def counters(self, _: web.Request) -> object:
        """Requests by site and path, bytes sent, who asked."""
        return self._serving.tally.as_json()

    async def reset(self, _: web.Request) -> object:
        """All counters back to zero."""
        self._serving.tally.reset()
        return {}

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return {site: faults.model_dump(exclude_none=True) for site, faults in self._serving.faults.items()}

    async def put_faults(self, http: web.Request) -> object:
        """Replace the faults of the sites named."""
        for site, named in (await read_object(http)).items():
            faults = SiteFaults.model_validate(named)
            for name, fault in (("failing", faults.failing), ("slow", faults.slow)):
                if fault is not None:
                    fault.put_at(site, name)
            self._serving.faults[_known(site)] = faults
        return await self.faults(http)

    async def clear_faults(self, http: web.Request) -> object:
        """Nothing goes wrong any more that is not always wrong."""
        self._serving.faults.clear()
        return await self.faults(http)

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as the requests have come, or when the time is over."""
        query, tally = SiteWait.model_validate(dict(http.query)), self._serving.tally
        met = await self._serving.pulse.until(
            lambda: tally.total(query.site, query.path) >= query.at_least, query.timeout
        )
        return {"met": met, "count": tally.total(query.site, query.path)}


def _known(site: str) -> str:
    names = [one.name for one in SITES]
    if site not in names:
        raise BadAdminCallError(422, f"unknown site {site!r}; there are {', '.join(names)}")
    return site
