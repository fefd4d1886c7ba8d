"""Simulated session pools as a connector meets them, with a proxy between that loses requests and replies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from code_proxy import CodeProxy, running_proxy

from afield.clock import SystemClock
from afield.connectors.base import Connector, Intent, TargetContext
from afield.connectors.session_pool.connector import SessionPoolConnector
from afield.connectors.session_pool.endpoint import POOLS_VERSION
from afield.connectors.session_pool.interpreter import InterpreterPoolConnector
from afield.connectors.session_pool.own import OWN
from afield.connectors.tokens import Refresh
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing.sessions import PoolAccess, SessionsAccess, SessionsAdmin, read_sessions_access

SETTINGS: JsonObject = {
    "min_interval": 0.05,
    "max_interval": 0.2,
    "max_visibility_delay": 4,
    "request_timeout": 20,
    "clock_skew": 0,
}

C = TypeVar("C", bound=Connector[Any, Any])


class SignedIn:
    """Tokens for Azure Resource Manager, asked for anew each time."""

    def __init__(self, secret: Mapping[str, str]) -> None:
        self._secret = secret

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        return (await refresh(self._secret)).token.value


@dataclass
class PoolWorld:
    """The simulated cloud, and connectors bound to one of its pools."""

    access: SessionsAccess
    admin: SessionsAdmin
    proxy: CodeProxy
    settings: JsonObject = field(default_factory=lambda: dict(SETTINGS))
    notes: MemoryNotes = field(default_factory=MemoryNotes)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)

    def by_proxy(self, endpoint: str) -> str:
        """The same endpoint, through the proxy."""
        return self.proxy.url + urlsplit(endpoint).path

    def context(self, address: JsonObject, settings: JsonObject | None = None) -> TargetContext:
        access = self.access
        signing: JsonObject = {
            "management_url": access.arm_base_url,
            "authority_url": access.authority,
            "ca_file": access.ca_file,
        }
        secret = {name: getattr(access, name) for name in ("tenant_id", "client_id", "client_secret")}
        return TargetContext(
            target_id=uuid7(),
            name="pool",
            address=signing | address,
            settings=self.settings | (settings or {}),
            secret=secret,
            tokens=SignedIn(secret),
            artifacts=self.artifacts,
            notes=self.notes,
            clock=SystemClock(),
        )

    @asynccontextmanager
    async def connector(self, kind: type[C], settings: JsonObject | None = None, **address: Any) -> AsyncIterator[C]:
        connector = await kind.open(self.context(address, settings))
        try:
            yield connector
        finally:
            await connector.close()


def new_intent(code: str = "print(6 * 7)", language: str = "python", **spec: Any) -> Intent:
    execution_id = uuid7()
    return Intent(
        execution_id=execution_id,
        attempt=1,
        key=attempt_key(execution_id, 1),
        spec={"language": language, "files": [{"content": code}]} | spec,
        sent_after=SystemClock().now(),
    )


@asynccontextmanager
async def pool_world(ready: Mapping[str, Any]) -> AsyncIterator[PoolWorld]:
    """A fresh proxy before the pools of a simulator; sessions that runs had for themselves are gone afterwards."""
    access = read_sessions_access(ready)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(access.custom.endpoint))
    async with aiohttp.ClientSession() as session, running_proxy(lambda: origin) as proxy:
        world = PoolWorld(access, SessionsAdmin(session, ready["admin"]["base_url"]), proxy)
        yield world
        await world.admin.clear_faults()
        await _tidy(world, SessionPoolConnector, access.custom)
        await _tidy(world, InterpreterPoolConnector, access.interpreter)


async def _tidy(world: PoolWorld, kind: type[Any], pool: PoolAccess) -> None:
    left = [one["identifier"] for one in await world.admin.sessions(pool.name)]
    async with world.connector(kind, endpoint=pool.endpoint) as connector:
        for identifier in left:
            if identifier.startswith(OWN):
                await connector.stop_session(identifier)


async def more_ready(ready: Mapping[str, Any], number: int) -> None:
    """Have so many containers wait in each pool."""
    access = read_sessions_access(ready)
    async with (
        pool_world(ready) as world,
        world.connector(SessionPoolConnector, pool_id=access.custom.resource_id) as c,
    ):
        await c._doors.endpoint.url()
        api = c._doors.endpoint._api
        assert api is not None
        scale = {"scaleConfiguration": {"maxConcurrentSessions": 30, "readySessionInstances": number}}
        for pool in (access.custom, access.interpreter):
            await api._object("PATCH", pool.resource_id, {"api-version": POOLS_VERSION}, {"properties": scale})
            await world.admin.wake(pool.name)
            await world.admin.wait("ready", pool=pool.name, at_least=1, timeout=50)


async def two_wait(world: PoolWorld, pool: PoolAccess) -> None:
    """Until two containers wait: one that has to be started takes longer than an attempt may be held back here."""
    await world.admin.wait("ready", pool=pool.name, at_least=2, timeout=50)
