"""The in-process remote as the conformance suite wants it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import cast
from uuid import UUID

from afield.clock import Clock
from afield.connectors.registry import AnyConnector
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.clock import FakeClock
from afield.testing.connector import MemoryConnector
from afield.testing.faults import Fault
from afield.testing.harness import target_context
from afield.testing.remote import MemoryRemote


class MemoryHarness:
    """A `harness.Harness` for `MemoryConnector` and what is derived from it, in simulated time."""

    unsupported: Mapping[Fault, str] = {}

    def __init__(self, connector: type[MemoryConnector] = MemoryConnector) -> None:
        self.connector = cast("type[AnyConnector]", connector)
        self.clock: Clock = FakeClock()
        self.remote = MemoryRemote(name=f"remote-{uuid7().hex}", clock=self.clock, page_size=1)
        self.settings: JsonObject = {}
        self.patience = timedelta(hours=2)

    async def open(self) -> AnyConnector:
        return await self.connector.open(target_context({"remote": self.remote.name}, self.clock))

    def spec(self, *, long: bool = False) -> JsonObject:
        return {"seconds": 100_000.0 if long else 60.0, "prints": "forty-two", "fails": False}

    def bad_spec(self) -> JsonObject:
        return {"seconds": "many"}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        self.remote.faults.arm(fault, times)

    async def switch_off(self) -> None:
        self.remote.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        return self.remote.count(execution_id)
