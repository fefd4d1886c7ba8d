"""A simulated AMC behind a kernel, and the workflows product over HTTP on top of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from web_world import Json, Web, serving

from afield.api.app import create_app
from afield.kernel import Kernel
from afield.model.target import DEFAULT_TENANT
from afield_sim.testing import Simulator, running_simulator

SQL = "SELECT campaign, SUM(impressions) AS impressions FROM sponsored_ads_traffic GROUP BY campaign"
WINDOW = {"type": "ALL"}
PATH = "/api/workflows"
LIMITS = {
    "min_interval": 0.1,
    "max_interval": 0.4,
    "visibility_delay": 0.1,
    "max_visibility_delay": 0.5,
    "request_timeout": 5,
    "clock_skew": 5,
}


@dataclass(frozen=True, slots=True)
class AmcWorld:
    """The simulator, and a served API with a target for each of its instances."""

    sim: Simulator
    web: Web
    kernel: Kernel

    @property
    def instance(self) -> str:
        return self.sim.instances[0]

    async def save(self, **more: Any) -> Json:
        """A saved workflow."""
        body = {"name": "Weekly reach", "instance_id": self.instance, "sql_query": SQL, "time_window": WINDOW, **more}
        made = await self.web.post(f"{PATH}/", body)
        assert made.status == 201, made.content
        workflow: Json = made.json
        return workflow

    async def execute(self, workflow: Json, **more: Any) -> Json:
        """A recorded run."""
        made = await self.web.post(f"{PATH}/{workflow['workflow_id']}/execute", more)
        assert made.status == 201, made.content
        run: Json = made.json
        return run

    async def until_complete(self, execution_id: str) -> Json:
        """Follow the events until nothing more is to be expected; the run's status then."""
        path = f"/api/v1/events/stream?after=0&execution={execution_id}"
        async with self.web.session.get(self.web.url + path) as stream:
            async for line in stream.content:
                if not line.startswith(b"data:"):
                    continue
                if (await self.web.get(f"/api/v1/executions/{execution_id}")).json["complete"]:
                    status: Json = (await self.web.get(f"{PATH}/executions/{execution_id}/status")).json
                    return status
        raise AssertionError("the stream ended")

    async def cross_reference(self, *, fresh: bool) -> Json:
        query = {"instance_id": self.instance, "fresh": str(fresh).lower()}
        answer = await self.web.get(f"{PATH}/executions/cross-reference", params=query)
        assert answer.status == 200, answer.content
        shown: Json = answer.json
        return shown

    async def calls(self, kind: str) -> int:
        """How many calls of this kind the simulator has answered."""
        counters = await self.sim.admin.counters()
        return sum(int(kinds.get(kind, 0)) for kinds in counters["calls"].values())


@asynccontextmanager
async def amc_world(kernel: Kernel, instances: int = 1) -> AsyncIterator[AmcWorld]:
    """A world on an open kernel."""
    async with running_simulator(instances=instances) as sim, serving(create_app(kernel)) as web:
        amc = sim.amc
        secret = {
            "client_id": amc.client_id,
            "client_secret": amc.client_secret,
            "refresh_token": amc.refresh_token,
        }
        await kernel.credentials.add(DEFAULT_TENANT, "ads", "amc", secret)
        for number, instance in enumerate(amc.instances):
            address = {
                "instance_id": instance,
                "entity_id": amc.entity_id,
                "marketplace_id": amc.marketplace_id,
                "base_url": amc.base_url,
                "token_url": amc.lwa_token_url,
            }
            await kernel.add_target(
                connector="amc", name=f"amc-{number}", address=address, settings=dict(LIMITS), credential="ads"
            )
        yield AmcWorld(sim, web, kernel)
