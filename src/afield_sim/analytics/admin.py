"""The admin routes of the service; they need no credentials."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ..admin.answering import BadAdminCallError, Handler, answering, read_body, read_object
from .cloud import Cloud
from .script import Scripted

_PREFIX = "/admin/analytics"
_table = TypeAdapter(list[Scripted])


class AnalyticsWait(BaseModel):
    """What to wait for: calls of a kind, of one project or of all."""

    model_config = ConfigDict(extra="forbid")

    call: str = "chat"
    project: str | None = None
    at_least: int = Field(default=1, ge=0)
    timeout: float = Field(default=10, ge=0, le=60)


class AnalyticsSettings(BaseModel):
    """How long operations take."""

    model_config = ConfigDict(extra="forbid")

    operation_seconds: float = Field(default=0, ge=0)


class AnalyticsAdmin:
    """Everything under `/admin/analytics`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.put_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/answers", self.answers),
            ("PUT", "/answers", self.put_answers),
            ("PUT", "/settings", self.put_settings),
            ("GET", "/counters", self.counters),
            ("GET", "/wait", self.wait),
            ("POST", "/reset", self.reset),
        ]
        for method, path, handler in routes:
            router.add_route(method, _PREFIX + path, answering(handler))

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return self._cloud.faults.as_json()

    async def put_faults(self, http: web.Request) -> object:
        """Replace the faults of the calls named."""
        try:
            self._cloud.faults.put(await read_object(http))
        except ValueError as error:
            raise BadAdminCallError(422, str(error)) from None
        return self._cloud.faults.as_json()

    async def clear_faults(self, _: web.Request) -> object:
        """Nothing goes wrong any more."""
        self._cloud.faults.clear()
        return {}

    async def answers(self, _: web.Request) -> object:
        """The table of answers."""
        return {"answers": [one.model_dump() for one in self._cloud.answers.table]}

    async def put_answers(self, http: web.Request) -> object:
        """Replace it."""
        self._cloud.answers.table = _table.validate_python(await read_body(http))
        return {"answers": len(self._cloud.answers.table)}

    async def put_settings(self, http: web.Request) -> object:
        """How long operations take that begin from now on."""
        self._cloud.operations.seconds = AnalyticsSettings.model_validate(await read_body(http)).operation_seconds
        return {}

    async def counters(self, _: web.Request) -> object:
        """Calls by project and kind, faults by kind of call and name."""
        return self._cloud.counters.as_json()

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as the calls have come, or when the time is over."""
        query, counters = AnalyticsWait.model_validate(dict(http.query)), self._cloud.counters
        met = await self._cloud.pulse.until(
            lambda: counters.total(query.call, query.project) >= query.at_least, query.timeout
        )
        return {"met": met, "count": counters.total(query.call, query.project)}

    async def reset(self, _: web.Request) -> object:
        """Forget everything."""
        self._cloud.reset()
        return {}
