"""The session_pool_interpreter connector is held to the conformance suite, by both contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from pool_world import SETTINGS, PoolWorld, pool_world, two_wait

from afield.clock import Clock, SystemClock
from afield.connectors.base import Intent
from afield.connectors.registry import AnyConnector
from afield.connectors.session_pool.interpreter import InterpreterPoolConnector
from afield.connectors.session_pool.own import own_session
from afield.model.jsontypes import JsonObject
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault

pytestmark = pytest.mark.slow


class InterpreterHarness:
    """A pool of its own."""

    clock: Clock = SystemClock()
    patience = timedelta(seconds=12)

    def __init__(self, world: PoolWorld, contract: str) -> None:
        self.connector = cast("type[AnyConnector]", InterpreterPoolConnector)
        self.world = world
        self.settings: JsonObject = SETTINGS | {"contract": contract}
        self.contract = contract
        self.unsupported: Mapping[Fault, str] = {
            Fault.SLOW_TO_SHOW: "an answer is noted before it is told",
            Fault.REQUEST_LOST: "whether an attempt without an answer ran can only be told by a person",
            Fault.DENIED: "a look at attempts in doubt reads the connector's own notes",
            Fault.CANCEL_TOO_LATE: "an execution cannot be cancelled",
        }
        if contract == "old":
            told = "it answers when it has ended, and the answer is noted"
            self.unsupported |= dict.fromkeys((Fault.LISTING_CUT, Fault.OUTPUT_AWAY, Fault.UNKNOWN_WORD), told)

    async def open(self) -> AnyConnector:
        address: JsonObject = {"endpoint": self.world.by_proxy(self.world.access.interpreter.endpoint)}
        return await self.connector.open(self.world.context(address, self.settings))

    def keep(self) -> None:
        """Marks and sessions stay."""

        async def release(self: object, intent: Intent) -> None:
            return

        self.connector = type("Keeping", (self.connector,), {"release": release})

    def spec(self, *, long: bool = False) -> JsonObject:
        code = "import time; time.sleep(60)" if long else "print(6 * 7)"
        return {"language": "python", "files": [{"content": code}]}

    def bad_spec(self) -> JsonObject:
        return {"language": "python", "files": [{"content": ""}], "stdin": "an interpreter takes none"}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        self.world.proxy.faults.arm(fault, times)

    async def switch_off(self) -> None:
        self.world.proxy.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        counts = await self.world.admin.counts(self.world.access.interpreter.name)
        own = own_session(Intent(execution_id=execution_id, attempt=1, key="", spec={}, sent_after=self.clock.now()))
        return sum(counts["runs"].get(own, {}).values())


class _Common(ConnectorConformance):
    __test__ = False

    async def test_collecting_twice_gives_the_same(self, harness: InterpreterHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: InterpreterHarness) -> None:
        harness.keep()
        await super().test_an_output_that_is_away_is_an_error_and_leaves_nothing(harness)


class TestInterpreterNewContract(_Common):
    """All cases, asynchronously: an execution has an id."""

    __test__ = True

    @pytest.fixture
    async def harness(self, pools_ready: Mapping[str, Any]) -> AsyncIterator[InterpreterHarness]:
        async with pool_world(pools_ready) as world:
            await two_wait(world, world.access.interpreter)
            yield InterpreterHarness(world, "new")


class TestInterpreterOldContract(_Common):
    """All cases; the answer is the end, and there is no id."""

    __test__ = True

    @pytest.fixture
    async def harness(self, pools_ready: Mapping[str, Any]) -> AsyncIterator[InterpreterHarness]:
        async with pool_world(pools_ready) as world:
            await two_wait(world, world.access.interpreter)
            yield InterpreterHarness(world, "old")
