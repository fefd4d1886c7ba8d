"""The local pool's connector is held to the conformance suite, on a real process with real jails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import aiohttp
import pytest
from code_proxy import CodeProxy, running_proxy

from afield.clock import Clock, SystemClock
from afield.connectors.adapter.client import Door
from afield.connectors.adapter.reply import Reply
from afield.connectors.local_pool.connector import LocalPoolConnector
from afield.connectors.local_pool.home import PoolHome, Running
from afield.connectors.registry import AnyConnector
from afield.errors import CredentialError
from afield.model.jsontypes import JsonObject
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault
from afield.testing.harness import target_context
from afield.testing.notes import MemoryNotes

SETTINGS: JsonObject = {
    "min_interval": 0.05,
    "max_interval": 0.2,
    "max_visibility_delay": 2,
    "request_timeout": 10,
    "linger": 120,
}


class ByProxy:
    """The pool's doors, but one goes through a proxy."""

    def __init__(self, real: object, proxy: CodeProxy) -> None:
        self._real = real
        self._proxy = proxy

    async def door(self, *, rejected: Door | None = None) -> Door:
        door = await self._real.door(rejected=rejected)
        return Door(self._proxy.url, door.token)

    def lost(self, door: Door) -> bool:
        return False

    def denied(self, reply: Reply) -> CredentialError:
        return self._real.denied(reply)


class LocalPoolHarness:
    """One pool for all cases, and a proxy of its own."""

    clock: Clock = SystemClock()
    settings = SETTINGS
    patience = timedelta(seconds=30)
    unsupported: Mapping[Fault, str] = {Fault.SLOW_TO_SHOW: "a run is known before it is told"}

    def __init__(self, home: Path, running: Running, proxy: CodeProxy) -> None:
        self.connector = cast("type[AnyConnector]", LocalPoolConnector)
        self.home, self.running, self.proxy = home, running, proxy
        self.notes = MemoryNotes()

    async def open(self) -> AnyConnector:
        context = target_context({"home": str(self.home)}, self.clock, settings=self.settings, notes=self.notes)
        connector = await LocalPoolConnector.open(context)
        connector._client._doors = ByProxy(connector._doors, self.proxy)
        return cast("AnyConnector", connector)

    def spec(self, *, long: bool = False) -> JsonObject:
        code = "import time; time.sleep(60)" if long else "print(6 * 7)"
        limits: JsonObject = {"wall_s": 100, "cpu_s": 100}
        return {"language": "python", "files": [{"content": code}], "limits": limits}

    def bad_spec(self) -> JsonObject:
        return {"language": "python", "files": []}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        self.proxy.faults.arm(fault, times)

    async def switch_off(self) -> None:
        self.proxy.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        headers = {"Authorization": f"Bearer {self.running.token}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{self.running.url}/runs") as answer:
            runs = (await answer.json())["runs"]
        return sum(execution_id.hex in run["run_id"] for run in runs)


class TestLocalPoolConformance(ConnectorConformance):
    """All cases."""

    @pytest.fixture
    async def harness(self, pool_folder: Path) -> AsyncIterator[LocalPoolHarness]:
        running = await asyncio.to_thread(PoolHome(pool_folder).running)
        assert running is not None
        async with running_proxy(lambda: running.url) as proxy:
            yield LocalPoolHarness(pool_folder, running, proxy)
