"""Jobs from a website to a validated demo: two at once, a killed worker, a site that refuses, cancel, retry."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from provision_world import (
    ADA,
    BOB,
    TRACE,
    World,
    a_world,
    is_end_of,
    is_progress_of,
    settings_for,
    working,
)

from afield.errors import ConflictError, NotFoundError
from afield.kernel import open_kernel
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import data_agents_at, warehouse_at
from afield.provisioning.agents.report import Report
from afield.provisioning.asked import Asked
from afield.provisioning.assets import Shelf
from afield.provisioning.clean_up import Cleaner
from afield.provisioning.conversations import Conversations
from afield.provisioning.job_log import Entry
from afield.provisioning.progress import LineKind
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import Change, Job, Status
from afield.provisioning.warehouse.base import DatasetMissingError, Limits
from afield.sessions import SessionDesk

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("AFIELD_PROVISION_ALLOW_LOOPBACK", "true")
    monkeypatch.setenv("AFIELD_PROVISION_AGENTS", "4")
    async with open_kernel(settings_for(tmp_path / "home", database_url)) as kernel, a_world(kernel) as made:
        yield made


def began(log: list[Entry]) -> list[str]:
    """Which agents began, in order."""
    return [entry.agent for entry in log if entry.kind is LineKind.STAGE and entry.data["status"] == "running"]


async def attempts(world: World, job: Job) -> list[int]:
    _, steps = await SessionDesk(world.kernel, job.tenant_id).get(job.session_id)
    return [step.attempt for step in steps]


def _report(shelf: Shelf) -> tuple[Report, str]:
    return shelf.output(AgentName.VALIDATOR, Report), (shelf.latest(AgentName.VALIDATOR) / "report.md").read_text()


async def rows_in(world: World, job: Job) -> object:
    made = await asyncio.to_thread(Shelf(world.home, job.id).output, AgentName.DATA, MadeData)
    table = made.dataset.files[0].table
    async with warehouse_at(world.home) as warehouse:
        return (await warehouse.query(job.dataset_name, f"select count(*) as n from {table}", Limits())).rows[0][0]


async def test_two_jobs_for_one_company_at_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    async with working(world.kernel):
        jobs = [await world.start(), await world.start()]
        jobs = [await world.ended(job) for job in jobs]
    assert [job.status for job in jobs] == [Status.COMPLETED] * 2, [(await world.log(job))[-4:] for job in jobs]
    for job in jobs:
        view, recent = await world.jobs.status(job.id, ADA)
        assert [(agent.name, agent.status, agent.percent) for agent in view.agents] == [
            (name, Status.COMPLETED, 100.0) for name in AgentName
        ]
        assert (view.current_phase, view.percent, view.errors) == ("Completed", 100.0, ())
        assert all(agent.started_at < agent.ended_at for agent in view.agents)  # type: ignore[operator]
        assert job.company_name == "Trailhead Outfitters"
        log = await world.log(job)
        assert [entry.number for entry in log] == list(range(1, len(log) + 1))
        assert began(log) == list(AgentName)
        assert (log[-1].kind, recent[-1]) == (LineKind.DONE, log[-1])
        report, text = await asyncio.to_thread(_report, Shelf(world.home, job.id))
        assert report.passed
        assert report.golden_passed >= 12
        assert text.count("✅ passed") > 12
        assert (await data_agents_at(world.home).get(job.agent_id)).published_context is not None
    _printed_once(capsys.readouterr().out, [entry for job in jobs for entry in await world.log(job)])
    await _answers_questions(world, jobs[1])
    await _the_second_is_left_alone(world, *jobs)


async def _answers_questions(world: World, job: Job) -> None:
    """A conversation goes on in another process, and is nobody else's."""
    first = await _chat(world)
    talk = await first.begin(Asked(agent=job.agent_id), ADA)
    said = [message.wire()["systemMessage"] async for message in first.answer(talk, "What was the total revenue?")]
    assert "generatedSql" in json.dumps(said)
    await first.close()
    second = await _chat(world)
    again = await second.begin(Asked(conversation_id=talk.conversation.id), ADA)
    assert [turn.question for turn in again.conversation.turns] == ["What was the total revenue?"]
    said = [message.wire()["systemMessage"] async for message in second.answer(again, "and by month?")]
    assert "vegaConfig" in json.dumps(said)
    for asked in (Asked(dataset=job.dataset_name), Asked(conversation_id=talk.conversation.id)):
        with pytest.raises(NotFoundError):
            await second.begin(asked, BOB)
    await second.close()


async def _chat(world: World) -> Conversations:
    return await asyncio.to_thread(Conversations, world.kernel, world.jobs, ProvisionSettings())


def _printed_once(out: str, entries: list[Entry]) -> None:
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{") and "job_id" in line]
    assert sorted((line["number"], line["message"]) for line in lines) == sorted((e.number, e.message) for e in entries)
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert {line["severity"] for line in lines} == {"INFO", "NOTICE"}


async def _the_second_is_left_alone(world: World, first: Job, second: Job) -> None:
    """Expiry takes the first job's dataset, agent and files, and nothing of the second's."""
    before = await rows_in(world, second)
    await world.jobs.change(second.id, ADA, Change(pinned=True, expires_at=first.created_at))
    await world.jobs.remove(first.id, ADA)
    assert await Cleaner(world.kernel).round() == 1
    assert not await asyncio.to_thread(Shelf(world.home, first.id).folder.exists)
    assert await rows_in(world, second) == before
    async with warehouse_at(world.home) as warehouse:
        with pytest.raises(DatasetMissingError):
            await warehouse.query(first.dataset_name, "select 1 as n", Limits())
    with pytest.raises(NotFoundError):
        await data_agents_at(world.home).get(first.agent_id)
    with pytest.raises(ConflictError, match="deleted"):
        await world.jobs.assets(first.id, ADA)
    assert (await world.jobs.get(first.id, ADA)).status is Status.COMPLETED


async def test_a_worker_killed_while_data_is_made_repeats_nothing(world: World, database_url: str) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("provision_victim.py")), database_url, str(world.home),
        stdout=asyncio.subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    job = await world.start(rows=400_000)
    try:
        await world.until(job, is_progress_of(AgentName.DATA))
    finally:
        victim.kill()
        await victim.wait()
    async with working(world.kernel):
        await world.until(job, is_end_of(AgentName.DATA))
        view, _ = await world.jobs.status(job.id, ADA)
        assert [agent.status for agent in view.agents[:4]] == [Status.COMPLETED] * 4
        await world.until(job, lambda e: e.agent == AgentName.INFRASTRUCTURE and e.kind is LineKind.STAGE)
        await world.jobs.cancel(job.id, ADA)
        assert (await world.ended(job)).status is Status.CANCELLED
    log = await world.log(job)
    assert began(log) == list(AgentName)[:5], "an agent was repeated"
    assert await attempts(world, job) == [1, 1, 1, 1, 1, 0, 0]
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    view, _ = await world.jobs.status(job.id, ADA)
    assert [agent.status for agent in view.agents[4:]] == [Status.CANCELLED] * 3


async def test_a_site_that_refuses_fails_the_job_and_retry_goes_on_from_there(world: World) -> None:
    world.site.status = 404
    async with working(world.kernel):
        job = await world.ended(await world.start())
        view, _ = await world.jobs.status(job.id, ADA)
        assert (job.status, view.current_phase) == (Status.FAILED, AgentName.RESEARCH)
        (error,) = view.errors
        assert error.startswith("Research Agent (")
        assert "Failed to scrape URL: " in error
        assert began(await world.log(job)) == [AgentName.RESEARCH], "the same failure again was not told at once"
        asked = world.site.asked
        world.site.status = 200
        last = (await world.log(job))[-1].number
        await world.jobs.retry(job.id, ADA)
        await world.until(job, is_end_of(AgentName.STORY), last)
        assert world.site.asked > asked
        await world.jobs.cancel(job.id, ADA)
        stopped = await world.ended(job, last)
        assert stopped.status is Status.CANCELLED
        last, asked = (await world.log(job))[-1].number, world.site.asked
        await world.jobs.retry(job.id, ADA)
        with pytest.raises(ConflictError, match="not tried again"):
            await world.jobs.retry(job.id, ADA)
        await world.until(job, is_end_of(AgentName.MODEL), last)
        await world.jobs.cancel(job.id, ADA)
        assert (await world.ended(job, last)).status is Status.CANCELLED
    assert world.site.asked == asked, "research was done again"
    assert began(await world.log(job)).count(AgentName.STORY) == 1


async def test_jobs_are_their_owners(world: World) -> None:
    job = await world.start()
    assert [one.id for one in (await world.jobs.history(ADA))[0]] == [job.id]
    assert await world.jobs.history(BOB) == ([], 0)
    for verb in (world.jobs.get, world.jobs.status, world.jobs.assets, world.jobs.cancel, world.jobs.retry,
                 world.jobs.clone, world.jobs.remove):  # fmt: skip
        with pytest.raises(NotFoundError):
            await verb(job.id, BOB)
    with pytest.raises(NotFoundError):
        await world.jobs.follow(job.id, BOB, 0)
    with pytest.raises(NotFoundError):
        await world.jobs.named(BOB, dataset=job.dataset_name, agent=None)
    assert (await world.jobs.named(ADA, dataset=job.dataset_name, agent=None)).id == job.id
