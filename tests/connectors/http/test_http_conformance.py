"""The http connector is held to the conformance suite: requests that may be repeated, and those that may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from http_world import Service, running_service

from afield.clock import Clock, SystemClock
from afield.connectors.base import Intent
from afield.connectors.http.connector import HttpConnector
from afield.connectors.registry import AnyConnector
from afield.model.jsontypes import JsonObject
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault
from afield.testing.harness import target_context
from afield.testing.notes import MemoryNotes


class HttpHarness:
    """A service of its own."""

    clock: Clock = SystemClock()
    patience = timedelta(seconds=3)
    unsupported: Mapping[Fault, str] = {
        Fault.LISTING_CUT: "a look asks nobody: it reads the connector's own notes",
        Fault.SLOW_TO_SHOW: "an answer is noted before it is told",
        Fault.DENIED: "a look asks nobody, so only a submission can find the credential refused",
        Fault.REJECTED: "an answer that says no is the outcome of the request, not a refusal to start it",
        Fault.UNKNOWN_WORD: "the states are the connector's own",
        Fault.OUTPUT_AWAY: "the answer is in the notes",
        Fault.CANCEL_TOO_LATE: "a request cannot be cancelled",
    }

    def __init__(self, service: Service, *, idempotent: bool) -> None:
        self.connector = cast("type[AnyConnector]", HttpConnector)
        self.service = service
        self.idempotent = idempotent
        self.notes = MemoryNotes()
        self.settings: JsonObject = {
            "min_interval": 0.05,
            "max_interval": 0.2,
            "visibility_delay": 0,
            "max_visibility_delay": 0.3,
            "request_timeout": 5,
        }

    async def open(self) -> AnyConnector:
        address: JsonObject = {"base_url": self.service.url}
        return await self.connector.open(target_context(address, self.clock, settings=self.settings, notes=self.notes))

    def keep(self) -> None:
        """Answers are not forgotten any more."""

        async def release(self: object, intent: Intent) -> None:
            return

        self.connector = type("Keeping", (self.connector,), {"release": release})

    def spec(self, *, long: bool = False) -> JsonObject:
        return {"method": "POST", "path": "/things", "json_body": {"a": 1}, "idempotent": self.idempotent}

    def bad_spec(self) -> JsonObject:
        return {"method": "BREW", "path": "/pot"}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        self.service.faults.arm(fault, times)

    async def switch_off(self) -> None:
        self.service.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        return sum(execution_id.hex in key for key in self.service.done)


class TestHttpConformance(ConnectorConformance):
    """All cases, with requests that must not be repeated."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[HttpHarness]:
        async with running_service() as service:
            harness = HttpHarness(service, idempotent=False)
            lost = "whether a request without an answer arrived can only be told by a person"
            harness.unsupported = harness.unsupported | {Fault.REQUEST_LOST: lost}
            yield harness

    async def test_collecting_twice_gives_the_same(self, harness: HttpHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)


class TestHttpConformanceIdempotent(ConnectorConformance):
    """All cases, with requests that the service carries out once, however often they come."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[HttpHarness]:
        async with running_service() as service:
            yield HttpHarness(service, idempotent=True)

    async def test_collecting_twice_gives_the_same(self, harness: HttpHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)

    async def test_a_lost_reply_is_unknown_and_found_by_looking(self, harness: HttpHarness) -> None:
        pytest.xfail("a request that may be repeated is repeated, not looked for")
