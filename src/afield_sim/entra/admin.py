"""The admin routes of the identity service; they need no credentials."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..admin.answering import Handler, answering
from .desk import Desk
from .faults import EntraFaults


class EntraSettings(BaseModel):
    """What can be set: how long new tokens live, in seconds."""

    model_config = ConfigDict(extra="forbid")

    lifetime_seconds: int = Field(ge=1, le=86_400)


class EntraAdminRoutes:
    """Everything under `/admin/entra`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.put_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.put_settings),
            ("GET", "/counters", self.counters),
            ("POST", "/secret/rotate", self.rotate_secret),
            ("POST", "/tokens/revoke", self.revoke_tokens),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/entra" + path, answering(handler))

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return self._desk.faults.model_dump(exclude_none=True)

    async def put_faults(self, http: web.Request) -> object:
        """Replace all faults."""
        self._desk.faults = EntraFaults.model_validate_json(await http.read())
        return await self.faults(http)

    async def clear_faults(self, http: web.Request) -> object:
        """Nothing goes wrong any more."""
        self._desk.faults = EntraFaults()
        return await self.faults(http)

    async def settings(self, _: web.Request) -> object:
        """All settings."""
        return EntraSettings(lifetime_seconds=self._desk.tokens.lifetime_seconds).model_dump()

    async def put_settings(self, http: web.Request) -> object:
        """Change the settings."""
        settings = EntraSettings.model_validate_json(await http.read())
        self._desk.tokens.lifetime_seconds = settings.lifetime_seconds
        return settings.model_dump()

    async def counters(self, _: web.Request) -> object:
        """Requests by door (`token`, `imds`), those refused, and tokens issued."""
        return dict(self._desk.counters)

    async def rotate_secret(self, _: web.Request) -> object:
        """Give the application a new secret; the old one is refused."""
        return {"client_secret": self._desk.tokens.rotate_secret()}

    async def revoke_tokens(self, _: web.Request) -> object:
        """Make all tokens invalid."""
        self._desk.tokens.revoke_all()
        return {}
