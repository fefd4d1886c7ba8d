"""The session_pool connector is held to the conformance suite, on a simulated pool whose containers run the adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from pool_world import SETTINGS, PoolWorld, pool_world, two_wait

from afield.clock import Clock, SystemClock
from afield.connectors.base import Accepted, Intent, Known, LookQuery
from afield.connectors.registry import AnyConnector
from afield.connectors.session_pool.connector import SessionPoolConnector
from afield.errors import CredentialError
from afield.model.jsontypes import JsonObject
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault
from afield.testing.harness import Bench


class CustomPoolHarness:
    """A pool of its own."""

    clock: Clock = SystemClock()
    settings = SETTINGS
    patience = timedelta(seconds=40)
    unsupported: Mapping[Fault, str] = {
        Fault.SLOW_TO_SHOW: "a run is known before it is told",
        Fault.DENIED: "a look about what was never sent asks nobody; shown by a case of its own",
    }

    def __init__(self, world: PoolWorld, session: str | None) -> None:
        self.connector = cast("type[AnyConnector]", SessionPoolConnector)
        self.world = world
        self.session = session

    async def open(self) -> AnyConnector:
        address: JsonObject = {"endpoint": self.world.by_proxy(self.world.access.custom.endpoint)}
        return await self.connector.open(self.world.context(address))

    def keep(self) -> None:
        """Sessions are not ended any more."""

        async def release(self: object, intent: Intent) -> None:
            return

        self.connector = type("Keeping", (self.connector,), {"release": release})

    def spec(self, *, long: bool = False) -> JsonObject:
        code = "import time; time.sleep(60)" if long else "print(6 * 7)"
        limits: JsonObject = {"wall_s": 100, "cpu_s": 100}
        return {"language": "python", "files": [{"content": code}], "limits": limits, "session": self.session}

    def bad_spec(self) -> JsonObject:
        return {"language": "python", "files": [], "session": "a/b"}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        self.world.proxy.faults.arm(fault, times)

    async def switch_off(self) -> None:
        self.world.proxy.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        counts = await self.world.admin.counts(self.world.access.custom.name)
        runs = [(run_id, n) for by_run in counts["runs"].values() for run_id, n in by_run.items()]
        return sum(n for run_id, n in runs if execution_id.hex in run_id)


class _Common(ConnectorConformance):
    __test__ = False

    async def test_a_credential_refused_by_the_pool_starts_nothing(self, harness: CustomPoolHarness) -> None:
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        connector = await harness.open()
        try:
            accepted = await connector.submit(intent)
            assert isinstance(accepted, Accepted)
            other = bench.intent(harness.spec())
            await harness.switch_on(Fault.DENIED, None)
            with pytest.raises(CredentialError):
                await connector.submit(other)
            with pytest.raises(CredentialError):
                known = Known(handle=accepted.handle, submitted_at=intent.sent_after)
                await connector.look(LookQuery(known=(known,)))
            assert await harness.count(other.execution_id) == 0
        finally:
            await connector.close()


class TestSessionPoolOwnSessions(_Common):
    """All cases, each run in a session of its own."""

    __test__ = True

    @pytest.fixture
    async def harness(self, pools_ready: Mapping[str, Any]) -> AsyncIterator[CustomPoolHarness]:
        async with pool_world(pools_ready) as world:
            await two_wait(world, world.access.custom)
            yield CustomPoolHarness(world, None)

    async def test_collecting_twice_gives_the_same(self, harness: CustomPoolHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: CustomPoolHarness) -> None:
        harness.keep()
        await super().test_an_output_that_is_away_is_an_error_and_leaves_nothing(harness)


class TestSessionPoolSharedSession(_Common):
    """All cases, in one session that many runs share."""

    __test__ = True

    @pytest.fixture
    async def harness(self, pools_ready: Mapping[str, Any]) -> AsyncIterator[CustomPoolHarness]:
        async with pool_world(pools_ready) as world:
            yield CustomPoolHarness(world, "shared-1")
