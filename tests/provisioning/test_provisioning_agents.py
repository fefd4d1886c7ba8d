"""Agents as processes without a worker: reuse, refusal, limits, and a validation that fails when data is not right."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from afield.connectors.runner.spec import MARK
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.instructing import Prepared
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import Placed, data_agents_at, warehouse_at
from afield.provisioning.agents.recount import Recount, difference
from afield.provisioning.agents.recount_files import Files
from afield.provisioning.agents.report import Badge, Report
from afield.provisioning.assets import OUTPUT, Shelf
from afield.provisioning.brief import Brief, DemoMode
from afield.provisioning.company import About, Company, IndustryGuess, Statement
from afield.provisioning.datamodel import DataModel
from afield.provisioning.making import make
from afield.provisioning.pipeline import ATTEMPT, HOME, ORDER, JobOrder, names_for
from afield.provisioning.progress import LineKind, Teller, read_lines
from afield.provisioning.settings import hand_down, handed_down
from afield.provisioning.warehouse.base import Limits, checked_name

pytestmark = pytest.mark.slow

TODAY = date(2026, 3, 18)
URL = "https://www.trailhead.example"
CONTEXT = "Find out why the returns of rain jackets rose so much, store by store and month by month."


def an_order(rows: int = 5_000, **more: object) -> JobOrder:
    job_id = uuid4()
    dataset, agent = names_for(job_id, "www.trailhead.example")
    brief = Brief(
        customer_url=URL, mode=DemoMode.CRAZY_FROG, use_case_context=CONTEXT, target_persona="Head of Store Operations",
        special_focus=("return rate",),
    )  # fmt: skip
    return JobOrder(
        job_id=job_id, brief=brief, dataset_name=dataset, agent_id=agent, today=TODAY, rows=rows, seed=11, **more
    )  # type: ignore[arg-type]  # fmt: skip


class Job:
    """A job's folder, and its agents as processes. The company is known from the start."""

    def __init__(self, home: Path, order: JobOrder) -> None:
        self.home, self.order, self.shelf = home, order, Shelf(home, order.job_id)
        company = Company(
            url=URL,
            name="Trailhead Outfitters",
            industry=IndustryGuess(industry="retail", score=0.8),
            statements=(Statement(about=About.PRODUCT, text="Rain jackets", source=URL, found_in="text"),),
        )
        with self.shelf.making(AgentName.RESEARCH, "0" * 32) as folder:
            (folder / OUTPUT).write_text(company.model_dump_json())

    def run(self, agent: AgentName, round_: int = 0) -> int:
        order = self.order.model_copy(update={"round": round_})
        env = {"PATH": os.environ["PATH"], HOME: str(self.home), ORDER: order.model_dump_json(), ATTEMPT: agent.slug}
        command = [sys.executable, "-m", "afield.provisioning.agent_process", agent.slug]
        return subprocess.run(command, env=env, check=False, stderr=subprocess.DEVNULL, timeout=60).returncode

    def run_all(self, last: AgentName) -> None:
        for agent in list(AgentName)[1:]:
            assert self.run(agent) == 0, (agent, self.said(agent))
            if agent is last:
                return

    def said(self, agent: AgentName) -> list[tuple[LineKind, str]]:
        lines = read_lines((self.shelf.spool / f"{agent.slug}.jsonl").read_bytes())
        return [(line.kind, line.message) for _, line in lines]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A finished one."""
    made = Job(tmp_path_factory.mktemp("home"), an_order())
    made.run_all(AgentName.VALIDATOR)
    return made


def test_a_demo_passes_and_one_with_other_data_in_the_warehouse_does_not(job: Job) -> None:
    report = job.shelf.output(AgentName.VALIDATOR, Report)
    assert report.passed, report.failures
    assert {verdict.badge for verdict in report.verdicts} <= {Badge.PASSED, Badge.WARNING}
    agent = asyncio.run(data_agents_at(job.home).get(job.order.agent_id))
    assert agent.published_context == agent.staging_context
    _the_recount_agrees_with_the_warehouse_and_sees_what_is_wrong(job)

    _reload(job, seed=99)
    job.shelf.discard(AgentName.VALIDATOR, job.shelf.latest(AgentName.VALIDATOR).name)
    assert job.run(AgentName.VALIDATOR) == 1
    kind, why = job.said(AgentName.VALIDATOR)[-1]
    assert (kind, why.split(".")[0]) == (LineKind.ERROR, "The demo did not pass its validation")
    report = job.shelf.output(AgentName.VALIDATOR, Report)
    assert not report.passed
    assert any("where the files say" in failure or "should not be there" in failure for failure in report.failures)
    assert "❌ failed" in (job.shelf.latest(AgentName.VALIDATOR) / "report.md").read_text()

    said = job.said(AgentName.VALIDATOR)
    assert job.run(AgentName.VALIDATOR) == 1
    assert job.said(AgentName.VALIDATOR) == said, "what was refused was tried again by itself"


def _reload(job: Job, seed: int) -> None:
    """The same tables in the warehouse, with the rows of another seed."""
    model = job.shelf.output(AgentName.MODEL, DataModel)
    folder = job.home / f"seed-{seed}"
    made = make(model, job.order.brief, seed, TODAY, job.order.rows, folder, lambda _share, _what: None)

    async def load() -> None:
        async with warehouse_at(job.home) as warehouse:
            await warehouse.load(model, made, folder, job.order.dataset_name)

    asyncio.run(load())


def _the_recount_agrees_with_the_warehouse_and_sees_what_is_wrong(job: Job) -> None:
    model = job.shelf.output(AgentName.MODEL, DataModel)
    prepared = job.shelf.output(AgentName.INSTRUCTIONS, Prepared)
    dataset = job.shelf.output(AgentName.DATA, MadeData).dataset
    recount = Recount(Files(model, dataset, job.shelf.latest(AgentName.DATA)))
    name = job.shelf.output(AgentName.INFRASTRUCTURE, Placed).name
    results = asyncio.run(_queried(job.home, name, prepared))
    for question in prepared.golden:
        expected = recount.table(question.query)
        columns, rows = results[question.id]
        assert difference(question.query, expected, columns, rows) == "", question.text
        assert difference(question.query, expected, columns, rows[:-1]) != "", question.text
        place = columns.index(question.query.measures[0])
        wrong = [list(row) for row in rows]
        wrong[0][place] = (wrong[0][place] or 0) * 1.01 + 1  # type: ignore[operator]
        assert difference(question.query, expected, columns, wrong) != "", question.text


async def _queried(
    home: Path, name: str, prepared: Prepared
) -> dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    async with warehouse_at(home) as warehouse:
        found = {}
        for key, sql in prepared.sql.items():
            result = await warehouse.query(name, sql, Limits())
            found[key] = (result.columns, list(result.rows))
        return found


def test_an_agent_that_wants_too_much_memory_is_ended_and_says_so(job: Job) -> None:
    hand_down(job.home, {"AFIELD_PROVISION_MEMORY_MB": "256", "AFIELD_DATABASE_URL": "secret", "PATH": "/nowhere"})
    assert handed_down(job.home) == {"AFIELD_PROVISION_MEMORY_MB": "256"}
    assert (job.home / "provisioning" / "environment.json").stat().st_mode & 0o077 == 0
    before = job.shelf.latest(AgentName.DATA)
    job.order = job.order.model_copy(update={"rows": 3_000_000})
    assert job.run(AgentName.DATA) == 3
    assert job.said(AgentName.DATA)[-1] == (
        LineKind.ERROR, "It used more than 256 MiB of memory, which is what one agent may use.",
    )  # fmt: skip
    assert job.shelf.latest(AgentName.DATA) == before


def test_an_artefact_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, uuid4())
    with pytest.raises(RuntimeError), shelf.making(AgentName.STORY, "a" * 32) as folder:
        (folder / OUTPUT).write_text("{}")
        raise RuntimeError
    assert shelf.finished(AgentName.STORY, "a" * 32) is None
    assert shelf.assets() == []
    with shelf.making(AgentName.STORY, "b" * 32) as folder:
        (folder / OUTPUT).write_text("{}")
    found = shelf.finished(AgentName.STORY, "b" * 32)
    assert found == shelf.latest(AgentName.STORY)
    assert [asset.path for asset in shelf.assets()] == [f"demo-story-agent/{'b' * 32}/{OUTPUT}"]


def test_what_is_said_is_read_line_by_line_and_half_lines_wait(tmp_path: Path) -> None:
    spool = tmp_path / "spool" / "one.jsonl"
    tell = Teller(spool, "Research Agent")
    tell.log("token Bearer abcdefghijk", api_key="very secret")
    for share in (0.101, 0.102, 0.5):
        tell.progress(share)
    tell.close()
    whole = spool.read_bytes()
    lines = [line for _, line in read_lines(whole + b'{"at":')]
    assert [line.kind for line in lines] == [LineKind.LOG, LineKind.PROGRESS]
    assert "abcdefghijk" not in whole.decode()
    assert "very secret" not in whole.decode()
    assert lines[0].at.astimezone(UTC) <= datetime.now(UTC)
    assert list(read_lines(b"")) == list(read_lines(b'{"half":')) == []


def test_the_runners_mark_is_where_agents_look_for_it() -> None:
    assert ATTEMPT == MARK


@pytest.mark.parametrize("host", ["www.example.com", "", "xn--bcher-kva.example", "127.0.0.1", "a" * 200, "---"])
def test_names_hold_the_jobs_id_and_keep_the_services_rules(host: str) -> None:
    job_id = uuid4()
    dataset, agent = names_for(job_id, host)
    assert job_id.hex in dataset
    assert job_id.hex in agent
    assert len(agent) <= 63
    data_agents_at(Path("/nowhere"))._path(agent)  # type: ignore[attr-defined]
    assert checked_name(dataset) == dataset
