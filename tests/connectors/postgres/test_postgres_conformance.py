"""The postgres connector is held to the conformance suite, with queries that write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from postgres_world import MARK, SETTINGS, Target

from afield.clock import Clock, SystemClock
from afield.connectors.base import Intent
from afield.connectors.postgres.attempts import Attempts
from afield.connectors.postgres.connector import PostgresConnector
from afield.connectors.registry import AnyConnector
from afield.model.jsontypes import JsonObject
from afield.testing.conformance import ConnectorConformance
from afield.testing.faults import Fault, Faults

_THE_SAME_LINE = (
    "the query runs on the connection that carries the reply: when it breaks before the reply, the server ends the "
    "transaction, so it is a request that was lost"
)


class PostgresHarness:
    """A database with a journal of what was committed."""

    clock: Clock = SystemClock()
    patience = timedelta(seconds=20)
    settings = SETTINGS

    def __init__(self, target: Target) -> None:
        self.connector = cast("type[AnyConnector]", PostgresConnector)
        self.target = target
        self.faults = Faults()
        self.unsupported: Mapping[Fault, str] = {
            Fault.REPLY_LOST: _THE_SAME_LINE,
            Fault.THROTTLED: "PostgreSQL does not throttle",
            Fault.THROTTLED_WITH_PATIENCE: "PostgreSQL does not throttle",
            Fault.SLOW_TO_SHOW: "a committed row is shown",
            Fault.REJECTED: "an error of the query is its outcome, not a refusal to start it",
            Fault.CANCEL_TOO_LATE: "it is answered so only when the query has really ended",
        }

    async def open(self) -> AnyConnector:
        connector = await self.connector.open(self.target.context())
        attempts = cast("PostgresConnector", connector)._attempts
        for name, fault in (("claim", Fault.REQUEST_LOST), ("rows", Fault.LISTING_CUT), ("result", Fault.OUTPUT_AWAY)):
            setattr(attempts, name, self._failing(getattr(attempts, name), fault))
        return connector

    def _failing(self, work: Callable[..., Awaitable[Any]], fault: Fault) -> Callable[..., Awaitable[Any]]:
        async def call(*given: object) -> object:
            if self.faults.happens(fault):
                raise psycopg.OperationalError("the connection was lost")
            return await work(*given)

        return call

    def keep(self) -> None:
        """Rows stay."""

        async def release(self: object, intent: Intent) -> None:
            return

        self.connector = type("Keeping", (self.connector,), {"release": release})

    def spec(self, *, long: bool = False) -> JsonObject:
        if not long:
            return {"query": MARK, "read_only": False}
        return {"query": f"with made as ({MARK}) select pg_sleep(600) from made", "read_only": False}

    def bad_spec(self) -> JsonObject:
        return {"query": "commit"}

    async def switch_on(self, fault: Fault, times: int | None = 1) -> None:
        if fault is Fault.DENIED:
            await self.target.ask(f"alter role {self.target.user} nologin")
        elif fault is Fault.UNKNOWN_WORD:
            await self.target.ask("update steps.afield_attempt set state = 'pondering'")
        else:
            self.faults.arm(fault, times)

    async def switch_off(self) -> None:
        await self.target.ask(f"alter role {self.target.user} login")
        self.faults.clear()

    async def count(self, execution_id: UUID) -> int:
        """What was committed, and what still runs or was broken off on request."""
        name = f"%{execution_id.hex}%"
        done = f"select attempt from journal where attempt like '{name}'"
        busy = f"select key from steps.afield_attempt where state in ('started', 'cancelled') and key like '{name}'"
        there = await self.target.ask("select to_regclass('steps.afield_attempt')")
        return len(await self.target.ask(f"{done} union {busy}" if there[0][0] else done))


class TestPostgresConformance(ConnectorConformance):
    """All cases."""

    @pytest.fixture
    def harness(self, target: Target) -> PostgresHarness:
        return PostgresHarness(target)

    async def test_collecting_twice_gives_the_same(self, harness: PostgresHarness) -> None:
        harness.keep()
        await super().test_collecting_twice_gives_the_same(harness)

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: PostgresHarness) -> None:
        harness.keep()
        await super().test_an_output_that_is_away_is_an_error_and_leaves_nothing(harness)

    async def test_a_cancel_is_verified_by_looking(self, harness: PostgresHarness) -> None:
        harness.keep()  # nothing but the row shows that it ran
        harness.settings = harness.settings | {"visibility_delay": 1}  # the answer arrives before the next look
        await super().test_a_cancel_is_verified_by_looking(harness)


def test_the_harness_names_what_there_is() -> None:
    assert all(hasattr(Attempts, name) for name in ("claim", "rows", "result"))
