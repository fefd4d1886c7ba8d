"""A caller of session pools that knows nothing but HTTP."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from sim_caller import Answer

from afield_sim.testing import PoolAccess, SessionsAdmin, Simulator, running_simulator
from afield_sim.testing.sessions import LIGHT_CONTAINER

STAND_IN = (sys.executable, str(Path(__file__).with_name("sessions_stand_in.py")))
MANAGEMENT = "https://management.azure.com"
ARM_VERSION = "2025-07-01"
POOL_VERSION = "2025-02-02-preview"


class Sessions:
    """Calls to one pool, the custom one unless told otherwise, with a good token unless told otherwise."""

    def __init__(self, sim: Simulator, http: aiohttp.ClientSession, pool: PoolAccess | None = None) -> None:
        self.sim = sim
        self.http = http
        self.pool = pool or sim.sessions.custom
        self.token = sim.tokens.issue(sim.sessions.audience)

    @property
    def admin(self) -> SessionsAdmin:
        return self.sim.sessions_admin

    def at(self, pool: PoolAccess) -> "Sessions":
        return Sessions(self.sim, self.http, pool)

    async def fault(self, **faults: object) -> None:
        await self.admin.fault(self.pool.name, **faults)

    async def counts(self) -> dict[str, Any]:
        return await self.admin.counts(self.pool.name)

    async def send(
        self, method: str, route: str, identifier: str | None = "user-1", *, data: Any = None, **query: Any
    ) -> Answer:
        """`data`: bytes go out as they are, anything else as JSON."""
        params = {**({} if identifier is None else {"identifier": identifier}), **query}
        json = isinstance(data, dict)
        headers = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if json else {})}
        body = orjson.dumps(data) if json else data
        url = self.pool.endpoint + route
        async with self.http.request(method, url, params=params, data=body, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def managed(self, call: str, identifier: str | None = "user-1", **query: Any) -> Answer:
        return await self.send("POST", f"/.management/{call}", identifier, **{"api-version": POOL_VERSION, **query})

    async def boot(self, identifier: str = "user-1") -> str:
        """Which container answers."""
        return (await self.send("GET", "/anything", identifier)).json["boot"]

    async def arm(self, method: str, body: Any = None, path: str = "", url: str = "", **query: Any) -> Answer:
        """A call to the control plane about the pool, or about another resource."""
        headers = {"Authorization": f"Bearer {self.sim.tokens.issue(MANAGEMENT)}"}
        whole = self.sim.sessions.arm_base_url + (url or self.pool.resource_id + path)
        data = None if body is None else orjson.dumps(body)
        params = {"api-version": ARM_VERSION, **query}
        async with self.http.request(method, whole, params=params, data=data, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def properties(self) -> dict[str, Any]:
        return (await self.arm("GET")).json["properties"]

    async def status(self) -> dict[str, int]:
        return (await self.properties())["templateUpdateStatus"]["activeTemplate"]["status"]


@asynccontextmanager
async def pools_with(command: tuple[str, ...] | None = STAND_IN, **options: Any) -> AsyncIterator[Sessions]:
    """A simulator whose containers are the stand-in (None: the real adapter), and one who calls it."""
    more = {"container_command": command or LIGHT_CONTAINER, **options}
    async with running_simulator(vms=0, instances=1, **more) as running, aiohttp.ClientSession() as http:
        yield Sessions(running, http)
