"""The CAPI Instruction Generator: golden questions with their SQL, and the data agent on staging."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from afield.model.jsontypes import JsonObject
from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.data_agents import DataAgentRecord
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import Placed, data_agents_at
from afield.provisioning.agents.writing import tell_all
from afield.provisioning.analytics.context import context_of
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.golden import golden_questions
from afield.provisioning.instructions import Instructions, instructions_for
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.query import GoldenQuestion
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.story import Story

YAML = "instructions.yaml"


class InstructInput(Frozen):
    """All that the data agent is told about."""

    brief: Brief
    company: Company
    story: Story
    model: DataModel
    dataset: Dataset
    placed: Placed
    agent_id: str
    project_id: str


class Prepared(Frozen):
    """The data agent on staging, and the questions it is to be validated with. `sql` by the question's id."""

    agent_id: str
    instructions: Instructions
    golden: tuple[GoldenQuestion, ...]
    sql: dict[str, str]


class InstructionsAgent(Agent[InstructInput, Prepared]):
    """Writes what the data agent is told, and creates it on staging."""

    name = AgentName.INSTRUCTIONS
    output = Prepared

    def gather(self, order: JobOrder, shelf: Shelf) -> InstructInput:
        return InstructInput(
            brief=order.brief,
            company=shelf.output(AgentName.RESEARCH, Company),
            story=shelf.output(AgentName.STORY, Story),
            model=shelf.output(AgentName.MODEL, DataModel),
            dataset=shelf.output(AgentName.DATA, MadeData).dataset,
            placed=shelf.output(AgentName.INFRASTRUCTURE, Placed),
            agent_id=order.agent_id,
            project_id=order.project_id,
        )

    async def work(self, given: InstructInput, bench: Bench) -> Prepared:
        golden = golden_questions(given.model, given.dataset, given.brief)
        bench.tell.progress(0.3, f"{len(golden)} golden questions")
        told = instructions_for(given.brief, given.company, given.story, given.model, golden)
        compiled = {
            one.id: compile_sql(one.query, given.model, given.placed.dialect, given.dataset.today) for one in golden
        }
        (bench.folder / YAML).write_text(told.system_instruction, encoding="utf-8")
        agent = DataAgentRecord(
            agent_id=given.agent_id,
            display_name=told.display_name,
            description=told.description,
            dataset=given.placed.name,
            labels={"job": str(bench.order.job_id), "made-by": "afield"},
            staging_context=_context(told, given, compiled, bench),
            updated_at=datetime.now(UTC),
        )
        async with data_agents_at(bench.home, given.placed.place, bench.settings) as agents:
            await agents.stage(agent)
        return Prepared(agent_id=given.agent_id, instructions=told, golden=golden, sql=compiled)

    def summary(self, made: Prepared) -> Summary:
        message = f"{len(made.golden)} golden questions; data agent {made.agent_id} is on staging"
        return Summary(message=message, data={"golden": len(made.golden), "capi_agent_id": made.agent_id})


def _context(told: Instructions, given: InstructInput, sql: Mapping[str, str], bench: Bench) -> JsonObject:
    """What the data agent is told, as its service wants it. What Google's does not take is said in the job's log."""
    placed = given.placed
    if not placed.place.in_google:
        return told.context(given.project_id or "local", placed.name, sql)
    fitted = context_of(told, placed.project, placed.name, sql)
    tell_all(bench, fitted.cuts)
    most: JsonObject = {"bigQueryMaxBilledBytes": str(bench.settings.scanned_bytes)}
    return fitted.context | {"options": {"datasource": most}}
