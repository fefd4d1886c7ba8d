"""One simulated AMC instance and connectors bound to it, for tests of the connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from afield.clock import SystemClock
from afield.connectors.amc.connector import AmcConnector
from afield.connectors.amc.spec import AmcSpec
from afield.connectors.base import Accepted, Intent, TargetContext
from afield.connectors.tokens import Refresh, Token
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing import Simulator, running_simulator

SQL = "SELECT campaign, COUNT(DISTINCT user_id) AS users FROM dsp_impressions GROUP BY campaign"
SPEC: JsonObject = AmcSpec(sql_query=SQL).model_dump(mode="json")
SETTINGS: JsonObject = {"request_timeout": 10, "visibility_delay": 0, "max_visibility_delay": 0, "min_interval": 1}


class Tokens:
    """A token source in memory: one refresh at a time."""

    def __init__(self, secret: Mapping[str, str]) -> None:
        self.secret = dict(secret)
        self.current: Token | None = None
        self.refreshes = 0
        self._one_at_a_time = asyncio.Lock()

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        async with self._one_at_a_time:
            if self.current is None or self.current.value == rejected:
                self.refreshes += 1
                grant = await refresh(self.secret)
                self.current = grant.token
                self.secret["refresh_token"] = grant.refresh_token or self.secret["refresh_token"]
            return self.current.value


@dataclass
class World:
    """The simulator, and how a connector gets there."""

    sim: Simulator
    tokens: Tokens
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)

    @property
    def instance(self) -> str:
        return self.sim.instances[0]

    @property
    def secret(self) -> dict[str, str]:
        amc = self.sim.amc
        names = ("client_id", "client_secret", "refresh_token")
        return {name: getattr(amc, name) for name in names}

    def address(self, **changes: Any) -> JsonObject:
        amc = self.sim.amc
        return {
            "instance_id": self.instance,
            "entity_id": amc.entity_id,
            "marketplace_id": amc.marketplace_id,
            "base_url": amc.base_url,
            "token_url": amc.lwa_token_url,
        } | changes

    @asynccontextmanager
    async def connector(self, settings: JsonObject | None = None, **address: Any) -> AsyncIterator[AmcConnector]:
        context = TargetContext(
            target_id=uuid7(),
            name="sales",
            address=self.address(**address),
            settings=SETTINGS | (settings or {}),
            secret=self.secret,
            tokens=self.tokens,
            artifacts=self.artifacts,
            notes=MemoryNotes(),
            clock=SystemClock(),
        )
        connector = await AmcConnector.open(context)
        try:
            yield connector
        finally:
            await connector.close()

    async def faults(self, **faults: Mapping[str, object]) -> None:
        await self.sim.admin.put_faults({self.instance: faults})

    async def settings(self, **settings: object) -> None:
        await self.sim.admin.put_settings({self.instance: settings})

    async def ran(self) -> list[dict[str, Any]]:
        """What really ran at the simulator."""
        return await self.sim.admin.executions(self.instance)

    async def saved(self) -> int:
        """How many calls about saved workflows there were."""
        counters = await self.sim.admin.counters()
        return int(counters["calls"].get(self.instance, {}).get("workflows", 0))

    async def calls(self, kind: str) -> int:
        counters = await self.sim.admin.counters()
        return int(counters["calls"].get(self.instance, {}).get(kind, 0))


@asynccontextmanager
async def running_world(**options: Any) -> AsyncIterator[World]:
    async with running_simulator(instances=1, **options) as sim:
        amc = sim.amc
        secret = {"client_id": amc.client_id, "client_secret": amc.client_secret, "refresh_token": amc.refresh_token}
        yield World(sim, Tokens(secret))


def new_intent(spec: JsonObject | None = None, *, age: timedelta = timedelta(), **changes: Any) -> Intent:
    execution_id = uuid7()
    intent = Intent(
        execution_id=execution_id,
        attempt=1,
        key=attempt_key(execution_id, 1),
        spec=SPEC if spec is None else spec,
        sent_after=now() - age,
    )
    return replace(intent, **changes)


def now() -> datetime:
    return SystemClock().now()


async def submitted(connector: AmcConnector, intent: Intent | None = None) -> str:
    """The handle of a new execution."""
    submission = await connector.submit(intent or new_intent())
    assert isinstance(submission, Accepted), submission
    return submission.handle


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def stub(handler: Handler) -> AsyncIterator[str]:
    """A server that answers every request by `handler`; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def free_url() -> str:
    """Where nobody listens (any more)."""

    async def never(_: web.Request) -> web.Response:
        return web.Response()

    async with stub(never) as url:
        return url
