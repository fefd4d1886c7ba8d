"""Jobs from a website to a validated demo: two at once, killed workers and agents, a site that refuses, retry."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from provision_points import Point
from provision_world import (
    ADA,
    TRACE,
    Points,
    Terminal,
    Workers,
    World,
    a_world,
    afield,
    in_terminal,
    is_end_of,
    processes_of,
    served,
    settings_for,
    some_points,
    some_workers,
    working,
)
from pyleak import no_event_loop_blocking, no_task_leaks

from afield.api.app import create_app
from afield.errors import ConflictError, NotFoundError
from afield.kernel import open_kernel
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.instructing import YAML
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import data_agents_at, warehouse_at
from afield.provisioning.agents.report import Report
from afield.provisioning.assets import Shelf
from afield.provisioning.clean_up import Cleaner
from afield.provisioning.datamodel import DataModel
from afield.provisioning.job_log import Entry
from afield.provisioning.progress import LineKind
from afield.provisioning.store import Change, Job, JobStatus
from afield.provisioning.story import Story
from afield.provisioning.warehouse.base import DatasetMissingError, Limits
from afield.sessions import SessionDesk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(360)]

CONTEXT = "Find out why the returns of rain jackets rose so much, store by store and month by month."
ADVANCED = ("--context", CONTEXT, "--persona", "Head of Store Operations", "--focus", "return rate")
LONGEST_BLOCK_S = 1.0


@pytest.fixture
async def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("AFIELD_PROVISION_ALLOW_LOOPBACK", "true")
    monkeypatch.setenv("AFIELD_PROVISION_NICENESS", "0")
    monkeypatch.setenv("AFIELD_PROVISION_AGENTS", "4")
    async with open_kernel(settings_for(tmp_path / "home", database_url)) as kernel, a_world(kernel) as made:
        yield made


def began(log: list[Entry]) -> list[str]:
    """Which agents began, in order."""
    return [entry.agent for entry in log if entry.kind is LineKind.STAGE and entry.data["status"] == "running"]


async def attempts(world: World, job: Job) -> list[int]:
    _, steps = await SessionDesk(world.kernel, job.tenant_id).get(job.session_id)
    return [step.attempt for step in steps]


async def rows_in(world: World, job: Job) -> object:
    made = await asyncio.to_thread(Shelf(world.home, job.id).output, AgentName.DATA, MadeData)
    table = made.dataset.files[0].table
    async with warehouse_at(world.home) as warehouse:
        return (await warehouse.query(job.dataset_name, f"select count(*) as n from {table}", Limits())).rows[0][0]


# ------------------------------------------------------------------- two jobs, and what happens to one of them


async def test_two_jobs_for_one_company_while_workers_and_agents_are_killed(world: World, database_url: str) -> None:
    command = ("provision", world.site.url, *ADVANCED, "--as", "ada")
    async with (
        some_points(world.home) as points,
        some_workers(database_url, world.home) as workers,
        in_terminal(world.home, database_url, *command) as terminal,
    ):
        crashed = await _through_crashes(world, points, workers)
        assert await terminal.process.wait() == 0
        await world.ended(crashed)
        printed = await asyncio.to_thread(workers.printed.read_text)
    plain = next(job for job in (await world.jobs.history(ADA))[0] if job.id != crashed.id)
    for job in (crashed, plain):
        await _is_complete(world, job)
    await _nothing_finished_was_repeated(world, crashed, points)
    assert await attempts(world, plain) == [1] * 7
    assert began(await world.log(plain)) == list(AgentName)
    _printed_at_most_once(printed, {str(job.id): await world.log(job) for job in (crashed, plain)}, str(crashed.id))
    _lived(terminal)
    await asyncio.to_thread(_the_brief_reached_everybody, Shelf(world.home, plain.id))
    talk = await _over_http(world, plain)
    await _from_the_command_line(world, database_url, plain, talk)
    await _the_second_is_left_alone(world, crashed, plain)


async def _through_crashes(world: World, points: Points, workers: Workers) -> Job:
    """Before an agent, after an artefact was written, in the midst of making data, in the midst of the load."""
    before = points.hold(AgentName.STORY, Point.BEGUN)
    written = points.hold(AgentName.MODEL, Point.MADE)
    making = points.hold(AgentName.DATA, Point.MIDST)
    loading = points.hold(AgentName.INFRASTRUCTURE, Point.MIDST)
    job = await world.start_with(points)
    async with asyncio.timeout(240):
        story = await before
        await workers.kill()
        story.go_on()
        await workers.start()
        (await written).kill()
        data = await making
        await workers.kill()
        data.kill()
        await workers.start()
        (await loading).kill()
    return job


async def _is_complete(world: World, job: Job) -> None:
    view, recent = await world.jobs.status(job.id, ADA)
    log = await world.log(job)
    assert view.job.status is JobStatus.COMPLETED, log[-4:]
    assert [(agent.name, agent.status, agent.percent) for agent in view.agents] == [
        (name, JobStatus.COMPLETED, 100.0) for name in AgentName
    ]
    assert (view.current_phase, view.percent, view.errors) == ("Completed", 100.0, ())
    assert all(agent.started_at < agent.ended_at for agent in view.agents)  # type: ignore[operator]
    assert view.job.company_name == "Trailhead Outfitters"
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert (log[-1].kind, recent[-1]) == (LineKind.DONE, log[-1])
    assert [entry.kind for entry in log].count(LineKind.DONE) == 1
    report, text = await asyncio.to_thread(_report, Shelf(world.home, job.id))
    assert report.passed
    assert report.golden_passed >= 12
    assert text.count("✅ passed") > 12


def _report(shelf: Shelf) -> tuple[Report, str]:
    return shelf.output(AgentName.VALIDATOR, Report), (shelf.latest(AgentName.VALIDATOR) / "report.md").read_text()


async def _nothing_finished_was_repeated(world: World, job: Job, points: Points) -> None:
    """Only what was killed in its midst is made twice; what was made before its process died is found."""
    made = Counter(agent for agent, point in points.passed if point is Point.MADE)
    assert made == dict.fromkeys(AgentName, 1)
    worked = Counter(agent for agent, point in points.passed if point is Point.WORKS)
    assert worked == dict.fromkeys(AgentName, 1) | {AgentName.DATA: 2, AgentName.INFRASTRUCTURE: 2}
    assert await attempts(world, job) == [1, 1, 2, 2, 2, 1, 1]
    log = await world.log(job)
    twice = [AgentName.MODEL, AgentName.DATA, AgentName.INFRASTRUCTURE]
    assert began(log) == sorted([*AgentName, *twice], key=list(AgentName).index)
    assert [entry.agent for entry in log if "made before" in entry.message] == [AgentName.MODEL]
    ends = [entry.data["status"] for entry in log if is_end_of(entry.agent)(entry)]
    assert ends == ["completed"] * 7, "an attempt that another one follows is no end"
    left = await asyncio.to_thread(lambda: [*world.home.rglob(".new-*"), *world.home.rglob("*.tmp*")])
    assert left == []


def _printed_at_most_once(out: str, logs: dict[str, list[Entry]], traced: str) -> None:
    """A line that was being printed when its worker died may be lost, and none is there twice."""
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")]
    named = Counter((line["job_id"], line["number"], line["message"], line["severity"]) for line in lines)
    known = {(job, entry.number, entry.message, entry.severity) for job, log in logs.items() for entry in log}
    assert set(named) <= known
    assert set(named.values()) == {1}
    assert len(known - set(named)) <= 2 * 3
    assert {line.get("trace_id") for line in lines if line["job_id"] == traced} == {TRACE}


def _lived(terminal: Terminal) -> None:
    """The picture showed agents, how far they were, and what they said, while they worked."""
    frames = terminal.frames()
    assert len(frames) > 8
    middle = [frame for frame in frames if "Demo Story Agent" in frame and "running" in frame]
    assert any("Research Agent" in frame and " 100 " in frame and "pending" in frame for frame in middle)
    assert any("golden questions passed" in frame and "Demo Validator" in frame for frame in frames)


def _the_brief_reached_everybody(shelf: Shelf) -> None:
    story = shelf.output(AgentName.STORY, Story).model_dump_json().lower()
    model = shelf.output(AgentName.MODEL, DataModel).model_dump_json().lower()
    instructions = (shelf.latest(AgentName.INSTRUCTIONS) / YAML).read_text().lower()
    questions = " ".join(v.question for v in shelf.output(AgentName.VALIDATOR, Report).verdicts).lower()
    for text in (story, model, instructions, questions):
        assert "return rate" in text
    for text in (story, model, instructions):
        assert "rain jackets" in text
    for text in (story, instructions):
        assert "head of store operations" in text


# ------------------------------------------------------------------- what can be done with a finished job


async def _from_the_command_line(world: World, database_url: str, job: Job, talk: str) -> None:
    async def run(*arguments: str) -> str:
        code, out, err = await afield(world.home, database_url, *arguments)
        assert code == 0, err
        return out

    identity = str(job.id)
    commands = [
        ("provision", "watch", identity, "--json"),
        ("provision", "status", identity),
        ("provision", "assets", identity, "--json"),
        ("chat", identity, "and by quarter?", "--conversation", talk, "--as", "local"),  # began in another process
    ]
    watched, status, assets, chat = [await run(*command) for command in commands]
    told: list[dict[str, Any]] = [json.loads(line) for line in watched.splitlines()]
    assert [(line["job_id"], line["number"]) for line in told] == [
        (identity, entry.number) for entry in await world.log(job)
    ]
    assert all(words in status for words in ("Demo Validator", "completed", "Trailhead Outfitters", "100 %"))
    assert any(asset["path"].endswith("report.md") for asset in json.loads(assets)["assets"])
    assert "SUM(" in chat.upper()
    assert "Q4" in chat


async def _over_http(world: World, job: Job) -> str:
    """Starting, following and asking leave no task behind, and never hold the loop up; the conversation."""
    app = create_app(world.kernel)
    async with (
        no_task_leaks(action="raise"),
        no_event_loop_blocking(action="raise", threshold=LONGEST_BLOCK_S),
        served(app) as url,
        aiohttp.ClientSession(url) as session,
    ):
        started = await session.post("/api/provision/start", json={"customer_url": world.site.url})
        new = (await started.json())["job_id"]
        async with session.get(f"/api/provision/stream/{new}") as following:  # a client that goes away
            assert await following.content.readline() == b"retry: 1000\n"
        assert (await session.post(f"/api/provision/cancel/{new}")).status == 202
        status = await (await session.get(f"/api/provision/status/{job.id}")).json()
        assert (status["status"], status["dataset_full_name"]) == ("completed", job.dataset_name)
        replayed = await (await session.get(f"/api/provision/stream/{job.id}")).text()
        assert replayed.count("\nid: ") == len(await world.log(job))
        yaml = await session.get(f"/api/provision/download-yaml/{job.id}")
        assert "system_instruction:" in await yaml.text()
        metadata = await (await session.get(f"/api/provision/metadata/{job.id}")).json()
        assert metadata["company"]["name"] == metadata["story"]["company"] == "Trailhead Outfitters"
        assert metadata["report"]["verdicts"]
        branding = await (await session.post("/api/extract-branding", json={"customer_url": world.site.url})).json()
        assert branding["name"] == "Trailhead Outfitters"
        return await _asked(session, {"dataset_id": status["dataset_full_name"]})


async def _asked(session: aiohttp.ClientSession, whom: dict[str, str]) -> str:
    answer = await session.post("/api/chat", json=whom | {"message": "What was the total revenue?"})
    told = await answer.json()
    assert answer.status == 200, told
    assert told["data"][0]["revenue"] > 0
    refused = await session.post("/api/chat", json=whom | {"message": "What will the weather be?"})
    told_no = await refused.json()
    assert (told_no["sql"], bool(told_no["response"]), bool(told_no["follow_up_questions"])) == (None, True, True)
    talk: str = told["conversation_id"]
    more = {"message": "and by month?", "conversation_id": talk}
    streamed = await session.post("/api/chat", json=more, headers={"accept": "text/event-stream"})
    events = await streamed.text()
    assert events.count("event: message") >= 6
    assert events.rstrip().endswith(f'data: {{"conversation_id":"{talk}"}}')
    assert "vegaConfig" in events
    return talk


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
    async with data_agents_at(world.home) as agents:
        with pytest.raises(NotFoundError):
            await agents.get(first.agent_id)
        assert (await agents.get(second.agent_id)).published_context is not None
    with pytest.raises(ConflictError, match="deleted"):
        await world.jobs.assets(first.id, ADA)
    assert (await world.jobs.get(first.id, ADA)).status is JobStatus.COMPLETED


# ------------------------------------------------------------------- failing, stopping, going on


async def test_a_site_that_refuses_fails_the_job_and_retry_goes_on_from_there(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.site.status = 404
    async with some_points(world.home) as points, working(world.kernel):
        midst = points.hold(AgentName.MODEL, Point.WORKS)
        job = await world.ended(await world.start_with(points))
        view, _ = await world.jobs.status(job.id, ADA)
        assert (job.status, view.current_phase) == (JobStatus.FAILED, AgentName.RESEARCH)
        (error,) = view.errors
        assert error.startswith("Research Agent (")
        assert "Failed to scrape URL: " in error
        log = await world.log(job)
        assert began(log) == [AgentName.RESEARCH], "the same failure again was not told at once"
        assert [entry.kind for entry in log][-3:] == [LineKind.ERROR, LineKind.STAGE, LineKind.DONE]
        _printed_once(capsys.readouterr().out, log)
        with pytest.raises(ConflictError, match="cannot be cancelled"):
            await world.jobs.cancel(job.id, ADA)
        asked = world.site.asked
        world.site.status = 200
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.executable", str(points.python))
            await world.jobs.retry(job.id, ADA)
        held = await midst
        assert world.site.asked > asked
        assert held.pid in await asyncio.to_thread(processes_of, job.id)
        await world.jobs.cancel(job.id, ADA)
        stopped = await world.ended(job, log[-1].number)
        assert stopped.status is JobStatus.CANCELLED
        assert await asyncio.to_thread(processes_of, job.id) == []
        last, asked = (await world.log(job))[-1].number, world.site.asked
        await world.jobs.retry(job.id, ADA)
        with pytest.raises(ConflictError, match="not tried again"):
            await world.jobs.retry(job.id, ADA)
        await world.until(job, is_end_of(AgentName.MODEL), last)
        await world.jobs.cancel(job.id, ADA)
        assert (await world.ended(job, last)).status is JobStatus.CANCELLED
    assert world.site.asked == asked, "research was done again"
    assert began(await world.log(job)).count(AgentName.STORY) == 1


def _printed_once(out: str, log: list[Entry]) -> None:
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{") and "job_id" in line]
    assert [(line["number"], line["message"]) for line in lines] == [(entry.number, entry.message) for entry in log]
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert [line["severity"] for line in lines] == [entry.severity for entry in log]
