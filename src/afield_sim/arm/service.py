"""Azure Resource Manager and Compute as a service of the simulator."""

from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from ..entra.tokens import Tokens
from . import errors
from .account import AccountRoutes
from .actions import ActionRoutes
from .admin import ArmAdminRoutes
from .catalogue import CatalogueRoutes
from .cloud import Cloud
from .commands import CommandRoutes
from .extensions import ExtensionRoutes
from .gate import PREFIX, Gate, Reply, respond
from .graph import GraphRoutes
from .polling import OperationRoutes
from .vms import PowerRoutes, VmRoutes


class Described(Protocol):
    """A service that tells how to reach it."""

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Its entry in the ready file."""


class ArmService:
    """Everything under `/arm`, and its admin routes under `/admin/arm`."""

    name = "arm"

    def __init__(self, cloud: Cloud, tokens: Tokens, login: Described) -> None:
        self.cloud = cloud
        self.tokens = tokens
        self._login = login

    def mount(self, app: web.Application) -> None:
        """Add all routes."""
        cloud, gate = self.cloud, Gate(self.cloud, self.tokens)
        for routes in (
            AccountRoutes(cloud, gate, self.tokens.tenant_id),
            VmRoutes(cloud, gate),
            PowerRoutes(cloud, gate),
            ActionRoutes(cloud, gate),
            CommandRoutes(cloud, gate),
            ExtensionRoutes(cloud, gate),
            CatalogueRoutes(gate),
            OperationRoutes(cloud, gate),
            GraphRoutes(gate, lambda: cloud.graph_rows(self.tokens.tenant_id)),
            ArmAdminRoutes(cloud),
        ):
            routes.mount(app.router)
        app.router.add_route("*", PREFIX + "/{path:.*}", _unknown)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is and how to get in."""
        return {**self._login.describe(base_url), "base_url": base_url + PREFIX, **self.cloud.describe()}

    async def start(self) -> None:
        """Make the machines."""
        await self.cloud.start()

    async def stop(self) -> None:
        """Kill what runs on the machines."""
        await self.cloud.stop()


async def _unknown(http: web.Request) -> web.Response:
    error = errors.no_such_route(http.path.removeprefix(PREFIX))
    return respond(Reply(error.body, error.status, error.headers), {})
