"""Whole jobs with a language model: one that is good and wants too much, one that does everything wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from provision_world import Site, a_site
from sqlglot import exp
from wired_world import Clouds, Wired, local, running_clouds

from afield.provisioning.agents.chat_door import chat_about
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.instructing import Prepared
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import warehouse_at
from afield.provisioning.agents.registry import agent_of
from afield.provisioning.agents.report import Report
from afield.provisioning.chat.agent import Agent as ChatAgent
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.company import Company
from afield.provisioning.datamodel import DataModel
from afield.provisioning.llm.account import CHAT, Account, total
from afield.provisioning.llm.namelists import namelists
from afield.provisioning.llm.question_planner import QuestionPlanner
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.modeling import base_model
from afield.provisioning.story import Story
from afield.provisioning.storytelling import story_for
from afield.provisioning.warehouse.base import Limits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EVIL = (
    "x'); DROP TABLE orders; --",
    "__import__('os').system()",
    "<script>alert()</script>",
    "{{ config }}",
    "SELECT secrets; SELECT",
)
BENIGN = "Farmer's Choice"


@pytest.fixture(autouse=True)
def never_blocking() -> None:
    """Agents may block: each has a process to itself, and here a thread."""


@pytest.fixture
async def clouds() -> AsyncIterator[Clouds]:
    async with running_clouds() as running:
        yield running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as running:
        yield running


def names_for_list(old: tuple[str, ...], number: int) -> list[str]:
    """A good answer by its form: the names in it are good, or want to be more than names."""
    first = [*EVIL, BENIGN] if number == 0 else []
    return [*first, *(f"{'ABCDEFGH'[number]}{chr(97 + n)} Trail" for n in range(len(old)))][: len(old)]


async def scripted(clouds: Clouds, job: Wired) -> None:
    """What the model says to the story's tasks."""
    company = job.shelf.output(AgentName.RESEARCH, Company)
    before = story_for(job.order.brief, company)
    lists = namelists(before, base_model(job.order.brief, company))
    assert len(lists[0].old) > len(EVIL)
    for number, wanted in enumerate(lists):
        said = {"names": names_for_list(wanted.old, number)}
        await clouds.llm.tell({"kind": "said", "value": said, "when": {"contains": f'"now": "{wanted.old[0]}"'}})
    words = {"title": "Trailhead keeps walking", "opening": "DROP TABLE orders; and then `rm -rf`."}
    await clouds.llm.tell({"kind": "said", "value": words, "when": {"contains": "Reword the title"}})


async def test_a_whole_job_with_a_good_model_that_wants_to_write_sql(
    clouds: Clouds, site: Site, tmp_path: Path
) -> None:
    job = Wired(tmp_path, site.url, local(), clouds.llm_settings(price_input=1.0, price_output=2.0))
    await clouds.llm.tell(
        {"kind": "said", "value": {"industry": "retail"}, "when": {"contains": "Choose the industry"}}
    )
    await job.run(AgentName.RESEARCH)
    assert job.shelf.output(AgentName.RESEARCH, Company).industry.by_model
    await scripted(clouds, job)
    await job.run(*list(AgentName)[1:])

    story = job.shelf.output(AgentName.STORY, Story)
    new = {one.new for one in story.renames}
    assert BENIGN in new and not new & set(EVIL)
    assert story.title == "Trailhead keeps walking" and "rm -rf" not in story.opening
    kept = await job.warnings(AgentName.STORY)
    assert sum("keeps its name" in line for line in kept) == len(EVIL)
    assert any("stay for the opening" in line for line in kept)
    assert job.shelf.output(AgentName.VALIDATOR, Report).passed
    await _nothing_of_it_is_code(job)
    await _usage_is_booked(clouds, job)
    await _another_model_is_another_input(job)
    await _questions_are_planned(clouds, job)


async def _nothing_of_it_is_code(job: Wired) -> None:
    """The SQL names what the model has; what the language model said is a quoted value there, or a cell."""
    model = job.shelf.output(AgentName.MODEL, DataModel)
    known = {table.name for table in model.tables} | {c.name for table in model.tables for c in table.columns}
    said = {word.lower() for word in (*EVIL, BENIGN)} | {"trail"}
    prepared = job.shelf.output(AgentName.INSTRUCTIONS, Prepared)
    for sql in prepared.sql.values():
        (statement,) = sqlglot.parse(sql, read="duckdb")
        assert isinstance(statement, exp.Query)
        assert any(table.name in known for table in statement.find_all(exp.Table))
        named = [identifier.name.lower() for identifier in statement.find_all(exp.Identifier)]
        assert not any(word in name for name in named for word in said)
    everything = job.shelf.folder.rglob("*.json")
    assert not any(evil in path.read_text() for path in everything for evil in EVIL)
    place = next((t.name, c.name) for t in model.tables for c in t.columns if BENIGN in c.values)
    async with warehouse_at(job.home) as warehouse:
        sql = f"SELECT DISTINCT {place[1]} AS v FROM {place[0]}"
        found = {row[0] for row in (await warehouse.query(job.order.dataset_name, sql, Limits())).rows}
    assert any(str(value).startswith(BENIGN) for value in found)


async def _usage_is_booked(clouds: Clouds, job: Wired) -> None:
    """Over all agents, as the server counted it."""
    used = Account(job.shelf.folder).by_asker()
    counted = await clouds.llm.counters()
    assert set(used) == {AgentName.RESEARCH, AgentName.STORY}
    assert total(used).requests == sum(counted["requests"].values())
    cost = (total(used).input_tokens + 2 * total(used).output_tokens) / 1_000_000
    assert total(used).cost == pytest.approx(cost)
    (line,) = [line for line in await job.said(AgentName.STORY) if "tokens sent" in line.message]
    assert line.data["usage"]["requests"] == used[AgentName.STORY].requests  # type: ignore[index, call-overload]


async def _another_model_is_another_input(job: Wired) -> None:
    """And without one, the input is what it is without language models at all."""
    for name in AgentName:
        agent = agent_of(name)
        given = agent.gather(job.order, job.shelf)
        plain = agent.digest(given, agent.beside(job.order, LlmSettings()))
        assert plain == agent.digest(given)
        asks = name in {AgentName.RESEARCH, AgentName.STORY}
        one, other = (agent.digest(given, agent.beside(job.order, LlmSettings(model=m))) for m in ("a:one", "a:two"))
        assert (one != other, one != plain) == (asks, asks)


async def _questions_are_planned(clouds: Clouds, job: Wired) -> None:
    """The model fills the chat's typed query; what is not in the data model is read without it."""
    model = job.shelf.output(AgentName.MODEL, DataModel)
    today = job.shelf.output(AgentName.DATA, MadeData).dataset.today
    measure = model.measures[0].name
    good = {"outcome": "planned", "query": {"measures": [measure]}}
    evil = {"outcome": "planned", "query": {"measures": [f"{measure}; DROP TABLE orders"]}}
    async with warehouse_at(job.home) as warehouse:
        agent = await chat_about(model, warehouse, job.order.dataset_name, today, Limits())
        planner = QuestionPlanner(job.llm, Account(job.shelf.folder), 20)
        agent = ChatAgent(known=agent.known, warehouse=warehouse, dataset=agent.dataset, planner=planner)
        await clouds.llm.tell({"kind": "said", "value": good})
        (sql,) = await _sql("Wie viel haben wir eingenommen?", agent)
        assert "SELECT" in sql
        await clouds.llm.tell({"kind": "said", "value": evil, "times": None})
        (sql,) = await _sql(f"{model.measures[0].label} by month?", agent)
        assert "DROP" not in sql.upper()
    await clouds.llm.forget()
    account = Account(job.shelf.folder)
    assert account.by_asker()[CHAT].requests == 1 + 1 + job.llm.retries
    assert account.spent().requests == total(account.by_asker()).requests - account.by_asker()[CHAT].requests


async def _sql(question: str, agent: ChatAgent) -> list[str]:
    messages = [one.system_message async for one in answer(question, Conversation(), agent)]
    assert not [one for one in messages if one and one.error]
    return [one.data.generated_sql for one in messages if one and one.data and one.data.generated_sql]


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"kind": "malformed"}, {}, "no answer of the form"),
    ({"kind": "refusal", "filtered": True}, {}, "would not answer"),
    ({"kind": "throttled", "retry_after": 0}, {}, "takes no more requests"),
    ({"kind": "throttled", "quota": True, "retry_after": None}, {}, "nothing left to be spent"),
    ({"kind": "endless", "chunk": 8, "pause_seconds": 0.05}, {"seconds": 0.5}, "took longer than 0.5 s"),
    ({"kind": "endless", "chunk": 1_000_000, "pause_seconds": 0}, {}, "did not end properly"),
    ({"kind": "cut"}, {}, "did not end properly"),
    ({"kind": "failure", "status": 500}, {}, "status 500"),
    ({"kind": "filled"}, {"api_key": "another"}, "does not accept the key"),
    ({"kind": "filled"}, {"base_url": "", "model": "nobody:nothing"}, "cannot be used"),
]


async def test_a_model_that_misbehaves_leads_to_the_offline_demo_and_the_log_says_so(
    clouds: Clouds, site: Site, tmp_path: Path
) -> None:
    offline = Wired(tmp_path, site.url, local(), LlmSettings())
    await offline.run(AgentName.RESEARCH, AgentName.STORY)
    expected = offline.shelf.output(AgentName.STORY, Story)
    company = offline.shelf.output(AgentName.RESEARCH, Company)
    for wrong, settings, why in WRONG:
        await clouds.llm.reset()
        await clouds.llm.tell(wrong | {"times": None})
        job = Wired(tmp_path, site.url, local(), clouds.llm_settings(retries=1, **settings))
        job.has_researched(company)
        await job.run(AgentName.STORY)
        assert job.shelf.output(AgentName.STORY, Story) == expected, (wrong, settings)
        said = await job.warnings(AgentName.STORY)
        assert any(why in line for line in said), (wrong, said)
        if wrong["kind"] in {"throttled", "endless", "cut", "failure"}:
            answers = (await clouds.llm.counters())["answers"]
            assert sum(answers.values()) <= 2, "a provider that lets it down is not asked again"
    await clouds.llm.reset()
    await clouds.llm.tell({"kind": "said", "value": {"industry": "retail"}}, {"kind": "refusal", "times": None})
    job = Wired(tmp_path, site.url, local(), clouds.llm_settings(retries=0, requests=1))
    await job.run(AgentName.RESEARCH, AgentName.STORY)
    assert job.shelf.output(AgentName.STORY, Story) == expected
    assert all("used up" in line for line in await job.warnings(AgentName.STORY)), "the limit is one agent's"
    assert Account(job.shelf.folder).spent().requests == 1
    job = Wired(tmp_path, site.url, local(), clouds.llm_settings(retries=0))
    await job.run(*AgentName)
    assert job.shelf.output(AgentName.VALIDATOR, Report).passed
    for agent in (AgentName.RESEARCH, AgentName.STORY):
        assert any("would not answer" in line or "no answer of the form" in line for line in await job.warnings(agent))
