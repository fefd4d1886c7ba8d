"""A whole job in Google Cloud with a language model: a worker, agents as processes, everything else simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from provision_world import ADA, World, a_world, settings_for, working
from wired_world import PROJECT, Clouds, running_clouds

from afield.errors import NotFoundError
from afield.kernel import open_kernel
from afield.provisioning.agents.instructing import Prepared
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import Place, Placed, data_agents_at
from afield.provisioning.agents.report import Report
from afield.provisioning.analytics.endpoint import Endpoint
from afield.provisioning.analytics.google import GoogleDataAgents
from afield.provisioning.asked import Asked
from afield.provisioning.assets import Out, Shelf
from afield.provisioning.clean_up import Cleaner
from afield.provisioning.conversations import Conversations
from afield.provisioning.llm.account import CHAT, Account
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import Change, Job, JobStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def clouds() -> AsyncIterator[Clouds]:
    async with running_clouds() as running:
        yield running


@pytest.fixture
async def world(
    clouds: Clouds, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Everything is set as a person would: in the worker's environment."""
    chosen = {
        "AFIELD_PROVISION_ALLOW_LOOPBACK": "true",
        "AFIELD_PROVISION_NICENESS": "0",
        "AFIELD_PROVISION_WAREHOUSE": "bigquery",
        "AFIELD_PROVISION_GOOGLE_PROJECT": "another-project",
        "AFIELD_PROVISION_GOOGLE_LOCATION": "EU",
        "AFIELD_PROVISION_GOOGLE_ENDPOINT": clouds.url,
        "AFIELD_PROVISION_SCANNED_BYTES": "900000000",
        "AFIELD_PROVISION_KEEP_DAYS": "3",
        "AFIELD_LLM_MODEL": clouds.model.model,
        "AFIELD_LLM_BASE_URL": clouds.model.base_url,
        "AFIELD_LLM_API_KEY": clouds.model.api_key,
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    async with open_kernel(settings_for(tmp_path / "home", database_url)) as kernel, a_world(kernel) as made:
        yield made


@pytest.fixture
async def client(clouds: Clouds) -> AsyncIterator[bigquery.Client]:
    """Google's own, to look at what was made."""
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    opened = bigquery.Client(project=PROJECT, credentials=nobody, client_options={"api_endpoint": clouds.url})
    yield opened
    opened.close()


@pytest.fixture
async def agents(clouds: Clouds) -> AsyncIterator[GoogleDataAgents]:
    async with GoogleDataAgents(Endpoint.at(clouds.url, PROJECT)) as opened:
        yield opened


async def output(world: World, job: Job, agent: AgentName, kind: type[Out]) -> Out:
    return await asyncio.to_thread(Shelf(world.home, job.id).output, agent, kind)


async def test_a_whole_job_in_google_cloud(
    world: World, clouds: Clouds, client: bigquery.Client, agents: GoogleDataAgents
) -> None:
    await clouds.llm.tell(
        {"kind": "said", "value": {"industry": "retail"}, "when": {"contains": "Choose the industry"}}
    )
    await clouds.analytics.fault("update_agent", denied={})
    async with working(world.kernel):
        job = await world.ended(await world.start(project_id=PROJECT))
        await _the_agent_waits_on_staging(world, job, agents)
        await clouds.analytics.clear_faults()
        last = (await world.log(job))[-1].number
        await world.jobs.retry(job.id, ADA)
        job = await world.ended(job, last)
    assert job.status is JobStatus.COMPLETED, [entry.message for entry in (await world.log(job))[-8:]]
    await _the_dataset_says_what_it_is(world, clouds, client, job)
    await _the_agent_answers_there(world, clouds, agents, job)
    await _the_chat_answers_here(world, clouds, job)
    await _cleaned_up(world, clouds, client, agents, job)


async def _the_agent_waits_on_staging(world: World, job: Job, agents: GoogleDataAgents) -> None:
    """The service did not let the validator publish it, so the job failed, for that reason."""
    assert job.status is JobStatus.FAILED
    view, _ = await world.jobs.status(job.id, ADA)
    assert any("Changing the data agent" in error and "403" in error for error in view.errors), view.errors
    staged = await agents.get(job.agent_id)
    assert staged.published_context is None
    assert staged.labels == {"job": str(job.id), "made-by": "afield"}
    assert staged.staging_context["options"] == {"datasource": {"bigQueryMaxBilledBytes": "900000000"}}
    assert "tables:" in str(staged.staging_context["systemInstruction"]), "the rest, as YAML"
    assert {"exampleQueries", "glossaryTerms", "schemaRelationships"} <= set(staged.staging_context)


async def _the_dataset_says_what_it_is(world: World, clouds: Clouds, client: bigquery.Client, job: Job) -> None:
    placed = await output(world, job, AgentName.INFRASTRUCTURE, Placed)
    assert (placed.full_name, placed.place) == (f"{PROJECT}.{job.dataset_name}", Place("bigquery", PROJECT, "EU"))
    dataset = await asyncio.to_thread(client.get_dataset, job.dataset_name)
    assert dataset.labels == {"made-by": "afield", "job": str(job.id)}
    assert dataset.default_table_expiration_ms == 3 * 24 * 3600 * 1000
    assert "Trailhead" in dataset.description
    assert dataset.location == "EU"
    report = await output(world, job, AgentName.VALIDATOR, Report)
    assert report.passed and report.golden_passed >= 12
    jobs = [one["configuration"] for one in await clouds.bigquery.jobs()]
    asked = [one["query"] for one in jobs if "query" in one and not one.get("dryRun")]
    assert len(asked) >= report.golden_passed + len(placed.rows)
    assert {one["maximumBytesBilled"] for one in asked} >= {"900000000"}


async def _the_agent_answers_there(world: World, clouds: Clouds, agents: GoogleDataAgents, job: Job) -> None:
    """Published, and what it was told is true there: its example queries run."""
    published = await agents.get(job.agent_id)
    assert published.published_context == published.staging_context
    prepared = await output(world, job, AgentName.INSTRUCTIONS, Prepared)
    found = await agents.chat.answer(job.agent_id, prepared.golden[0].text)
    assert found.answered and found.results[0].data, found
    assert f"`{PROJECT}`.`{job.dataset_name}`" in found.sql[0]
    assert (await clouds.analytics.calls(PROJECT))["create_agent"] == 1
    assert await clouds.analytics.calls("another-project") == {}


async def _the_chat_answers_here(world: World, clouds: Clouds, job: Job) -> None:
    """The local chat over BigQuery, its questions read by the language model; also where new demos go elsewhere now."""
    elsewhere = ProvisionSettings(warehouse="duckdb")
    chat = await asyncio.to_thread(Conversations, world.kernel, world.jobs, elsewhere)
    await clouds.llm.tell({"kind": "said", "value": {"outcome": "planned", "query": {"measures": ["revenue"]}}})
    try:
        talk = await chat.begin(Asked(dataset=job.dataset_name), ADA)
        messages = [one.system_message async for one in chat.answer(talk, "Wie viel wurde eingenommen?")]
    finally:
        await chat.close()
    assert not [one for one in messages if one and one.error], messages
    (rows,) = [one.data.result.data for one in messages if one and one.data and one.data.result]
    assert float(str(rows[0]["revenue"])) > 0
    (sources,) = [one.schema_.result for one in messages if one and one.schema_ and one.schema_.result]
    assert sources.datasources[0].bigquery_table_reference.project_id == PROJECT
    used = await asyncio.to_thread(Account(Shelf(world.home, job.id).folder).by_asker)
    assert set(used) == {AgentName.RESEARCH, AgentName.STORY, CHAT}
    assert used[CHAT].requests == 1
    assert sum(one.requests for one in used.values()) == sum((await clouds.llm.counters())["requests"].values())


async def _cleaned_up(
    world: World, clouds: Clouds, client: bigquery.Client, agents: GoogleDataAgents, job: Job
) -> None:
    """Both are deleted, wherever new demos go now; what cannot be deleted now is tried again."""
    past = world.kernel.clock.now() - timedelta(seconds=1)
    await world.jobs.change(job.id, ADA, Change(expires_at=past))
    cleaner = Cleaner(world.kernel, ProvisionSettings(warehouse="duckdb"))
    await clouds.analytics.fault("delete_agent", denied={})
    assert await cleaner.round() == 0
    assert (await world.jobs.get(job.id, ADA)).cleaned_at is None
    await clouds.analytics.clear_faults()
    assert await cleaner.round() == 1
    assert (await world.jobs.get(job.id, ADA)).cleaned_at is not None
    with pytest.raises(NotFound):
        await asyncio.to_thread(client.get_dataset, job.dataset_name)
    with pytest.raises(NotFoundError):
        await agents.get(job.agent_id)
    with pytest.raises(NotFoundError):
        await data_agents_at(world.home).get(job.agent_id)
