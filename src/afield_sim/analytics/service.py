"""The service `analytics` of the simulator."""

from collections.abc import Mapping

from aiohttp import web
from yarl import URL

from ..clock import Clock
from .admin import AnalyticsAdmin
from .agent_routes import AgentRoutes
from .chat_routes import ChatRoutes
from .cloud import Cloud
from .conversation_routes import ConversationRoutes
from .gate import Gate

_PLACE = "/v1/projects/{project:[^/:]+}/locations/{location:[^/:]+}"


class AnalyticsService:
    """Data agents and their chat under `/v1/projects/P/locations/L`. Any project and location will do; nobody has to
    say who they are."""

    name = "analytics"

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        self._cloud = Cloud(clock, seed)

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        gate = Gate(self._cloud)
        for part in (AgentRoutes(self._cloud), ConversationRoutes(self._cloud), ChatRoutes(self._cloud)):
            for method, path, kind, handler in part.routes():
                app.router.add_route(method, _PLACE + path, gate.answering(kind, handler))
        AnalyticsAdmin(self._cloud).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is: the URL, and host with port as the client library takes it."""
        return {"base_url": base_url, "host": URL(base_url).authority}

    async def start(self) -> None:
        """Get ready to ask BigQuery."""
        await self._cloud.warehouse.start()

    async def stop(self) -> None:
        """Let go of connections."""
        await self._cloud.warehouse.stop()
