"""Session pools as a service of the simulator."""

from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from ..arm.cloud import Cloud
from ..arm.gate import PREFIX, Gate
from ..clock import Clock
from ..entra.tokens import Tokens
from .admin import SessionsAdminRoutes
from .control import ControlRoutes
from .custom import CustomRoutes
from .gate import AUDIENCE, PoolGate
from .interpreter import InterpreterRoutes
from .pools import NAMES, PoolOptions, Pools
from .secure import SecureListener

_MAX_BODY = 16 * 1024 * 1024
_LOGIN = (
    "token_endpoint",
    "authority",
    "ca_file",
    "tenant_id",
    "client_id",
    "client_secret",
    "object_id",
    "identity_object_id",
)


class Described(Protocol):
    """A service that tells how to reach it."""

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Its entry in the ready file."""


class SessionsService:
    """One pool of each kind: custom under `/pools`, the others under `/dynamicsessions`; both over https, too.

    It mounts routes below `/arm`, so it has to be mounted before the service that answers everything there.
    """

    name = "sessions"

    def __init__(self, options: PoolOptions, clock: Clock, cloud: Cloud, tokens: Tokens, login: Described) -> None:
        self.pools = Pools(options, clock)
        self._login = login
        gate = PoolGate(self.pools.world, tokens)
        self._control = ControlRoutes(self.pools, Gate(cloud, tokens), gate, tokens)
        self._custom = CustomRoutes(self.pools, gate)
        self._interpreter = InterpreterRoutes(self.pools, gate)
        cloud.more_rows.append(self._control.rows)
        secure = web.Application(client_max_size=_MAX_BODY)
        self._mount_endpoints(secure.router)
        self._secure = SecureListener(secure)

    def mount(self, app: web.Application) -> None:
        """Add all routes."""
        self._mount_endpoints(app.router)
        self._control.mount(app.router)
        SessionsAdminRoutes(self.pools).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where the pools are and how to get in."""
        self.pools.base_url = base_url
        login, secure = self._login.describe(base_url), self._secure.base_url
        shown = {kind: self._show(name) for kind, name in NAMES.items()}
        return {
            **shown,
            "https": {kind: str(one["endpoint"]).replace(base_url, secure, 1) for kind, one in shown.items()},
            "arm_base_url": base_url + PREFIX,
            **{name: login[name] for name in _LOGIN},
            "audience": AUDIENCE,
        }

    async def start(self) -> None:
        """Make the pools, open the https port."""
        await self.pools.start()
        await self._secure.start(str(self._login.describe("")["ca_file"]))

    async def stop(self) -> None:
        """Close the https port, end all containers."""
        await self._secure.stop()
        await self.pools.stop()

    def _mount_endpoints(self, router: web.UrlDispatcher) -> None:
        self._custom.mount(router)
        self._interpreter.mount(router)

    def _show(self, name: str) -> Mapping[str, object]:
        pool = self.pools.find(name)
        if pool is None:
            return {"endpoint": "", "resource_id": "", "name": name}
        resource = pool.resource
        return {"endpoint": self.pools.endpoint(pool), "resource_id": resource.id, "name": resource.name}
