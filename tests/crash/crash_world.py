"""A ledger, a simulated cloud, and targets on it, for crash tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from crash_victim import settings_for

from afield.kernel import Kernel, Order, open_kernel
from afield.model.execution import Execution
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target
from afield_sim.testing import AmcAccess, Simulator, running_simulator

LIMITS: JsonObject = {
    "min_interval": 0.1,
    "max_interval": 0.4,
    "visibility_delay": 0.1,
    "max_visibility_delay": 1.0,
    "request_timeout": 2,
    "clock_skew": 5,
}
SPEC: JsonObject = {
    "sql_query": "SELECT campaign, SUM(impressions) AS impressions FROM sponsored_ads_traffic GROUP BY campaign",
    "time_window": {"type": "EXPLICIT", "start": "2025-01-01T00:00:00", "end": "2025-02-01T00:00:00"},
}


@dataclass
class World:
    """Everything a crash test has, on this side of the crash."""

    kernel: Kernel
    sim: Simulator
    url: str
    home: Path

    async def target(self, name: str, instance: str, **settings: float) -> Target:
        """A target on a simulated instance, with short delays."""
        return await self.kernel.add_target(
            connector="amc", name=name, address=amc_address(self.sim.amc, instance), settings=LIMITS | settings,
            credential="crash",
        )  # fmt: skip

    async def submit(self, target: Target, count: int) -> list[UUID]:
        """Record executions."""
        orders = [Order(target=target.name, spec=SPEC) for _ in range(count)]
        return [(await self.kernel.submit(order)).execution.id for order in orders]

    async def rows(self, ids: list[UUID]) -> list[Execution]:
        return [await self.kernel.ledger.execution(execution_id) for execution_id in ids]

    async def remote_executions(self, ids: list[UUID]) -> dict[UUID, int]:
        """How many executions each intent really produced, counted at the simulator."""
        ran = await self.sim.admin.executions()
        keys = (parse_attempt_key(one["workflow_id"]) for one in ran)
        counts = Counter(key[0] for key in keys if key is not None)
        return {execution_id: counts[execution_id] for execution_id in ids}


def amc_address(amc: AmcAccess, instance: str) -> JsonObject:
    """The address of a simulated instance."""
    return {
        "instance_id": instance,
        "entity_id": amc.entity_id,
        "marketplace_id": amc.marketplace_id,
        "base_url": amc.base_url,
        "token_url": amc.lwa_token_url,
    }


@asynccontextmanager
async def crash_world(url: str, home: Path, *, instances: int = 1) -> AsyncIterator[World]:
    """A world on an empty database."""
    async with running_simulator(instances=instances) as sim, open_kernel(settings_for(url, home)) as kernel:
        secret = {
            "client_id": sim.amc.client_id,
            "client_secret": sim.amc.client_secret,
            "refresh_token": sim.amc.refresh_token,
        }
        await kernel.credentials.add(DEFAULT_TENANT, "crash", "amc", secret)
        await sim.admin.put_settings(
            {"*": {"pending_seconds": 0.05, "running_seconds": 0.1, "concurrency": 1000}}, {"concurrency": 10_000}
        )
        yield World(kernel, sim, url, home)
