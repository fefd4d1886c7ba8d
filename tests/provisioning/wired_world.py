"""Jobs with a language model and in Google Cloud, both simulated. Agents run in this process, as in their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from afield.provisioning.agent_process import Attempt
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.registry import agent_of
from afield.provisioning.assets import OUTPUT, Shelf
from afield.provisioning.brief import Brief
from afield.provisioning.company import Company
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import JobOrder, names_for
from afield.provisioning.progress import Line, Severity, Teller, read_lines
from afield.provisioning.settings import ProvisionSettings
from afield_sim.analytics.service import AnalyticsService
from afield_sim.app import serve
from afield_sim.bigquery.service import BigQueryService
from afield_sim.clock import Clock
from afield_sim.llm.service import LlmService
from afield_sim.testing import AnalyticsAdmin, BigQueryAdmin, LlmAccess, LlmAdmin, read_llm_access

TODAY = date(2026, 3, 18)
FEW = 5_000
PROJECT = "acme-demos"


@dataclass(frozen=True)
class Clouds:
    """A language model, BigQuery and data agents, on one address."""

    url: str
    model: LlmAccess
    llm: LlmAdmin
    bigquery: BigQueryAdmin
    analytics: AnalyticsAdmin

    def llm_settings(self, **more: Any) -> LlmSettings:
        given = {
            "model": self.model.model,
            "base_url": self.model.base_url,
            "api_key": self.model.api_key,
            "seconds": 10,
        }
        return LlmSettings.model_validate(given | more)

    def google(self, **more: Any) -> ProvisionSettings:
        """Settings of an installation whose demos go to Google Cloud."""
        return local(warehouse="bigquery", google_endpoint=self.url, google_project=PROJECT, **more)


def local(**more: Any) -> ProvisionSettings:
    return ProvisionSettings.model_validate({"allow_loopback": True, **more})


@asynccontextmanager
async def running_clouds() -> AsyncIterator[Clouds]:
    """The three services without the rest of the simulator, which starts in no time."""
    clock = Clock()
    server = await serve([BigQueryService(clock), AnalyticsService(clock), LlmService(7, clock)], "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            url = server.base_url
            model = read_llm_access(server.describe())
            yield Clouds(url, model, LlmAdmin(session, url), BigQueryAdmin(session, url), AnalyticsAdmin(session, url))
    finally:
        await server.stop()


class Wired:
    """One job without a worker."""

    def __init__(self, home: Path, site: str, settings: ProvisionSettings, llm: LlmSettings) -> None:
        job_id = uuid4()
        dataset, agent = names_for(job_id, "www.trailhead.example")
        self.home, self.settings, self.llm = home, settings, llm
        self.shelf = Shelf(home, job_id)
        self.order = JobOrder(
            job_id=job_id, brief=Brief(customer_url=site), dataset_name=dataset, agent_id=agent, today=TODAY, rows=FEW,
            project_id=settings.project_for(""), warehouse=settings.warehouse, seed=11,
        )  # fmt: skip

    async def run(self, *agents: AgentName) -> None:
        """Let agents work, in this order; all of them have to succeed."""
        for agent in agents:
            objection = await self._run(agent)
            assert objection == "", (agent, objection)

    def has_researched(self, company: Company) -> None:
        """As if the first agent had come to this."""
        with self.shelf.making(AgentName.RESEARCH, "0" * 32) as folder:
            (folder / OUTPUT).write_text(company.model_dump_json())

    async def _run(self, agent: AgentName) -> str:
        tell = Teller(self.shelf.spool / f"{agent.slug}.jsonl", agent.value)
        attempt = Attempt(
            order=self.order, home=self.home, shelf=self.shelf, settings=self.settings, llm=self.llm, tell=tell,
            refused=self.shelf.folder / "refused",
        )  # fmt: skip
        try:
            return await asyncio.to_thread(lambda: asyncio.run(attempt.work(agent_of(agent))))
        finally:
            tell.close()

    async def said(self, agent: AgentName) -> list[Line]:
        spool = self.shelf.spool / f"{agent.slug}.jsonl"
        return [line for _, line in read_lines(await asyncio.to_thread(spool.read_bytes))]

    async def warnings(self, agent: AgentName) -> list[str]:
        return [line.message for line in await self.said(agent) if line.severity is Severity.WARNING]
