"""The chat about finished jobs: who may ask, what was said before, and what stays open between questions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from afield.errors import ConflictError, NotFoundError
from afield.kernel import Kernel
from afield.provisioning.agents.chat_door import chat_about
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import HERE, Place, Placed, open_warehouse
from afield.provisioning.asked import Asked
from afield.provisioning.assets import Shelf
from afield.provisioning.chat.agent import Agent
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.messages import Message
from afield.provisioning.datamodel import DataModel
from afield.provisioning.jobs import Jobs
from afield.provisioning.llm.account import Account
from afield.provisioning.llm.question_planner import QuestionPlanner
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import Job, JobStatus
from afield.provisioning.warehouse.base import Limits, Warehouse
from afield.security.people import Principal

MOST_OPEN = 32
"""Datasets whose words are kept in memory."""

_GET = "select job_id, owner, memory from afield.provision_chat where id = %s"
_PUT = """
    insert into afield.provision_chat as c (id, job_id, owner, created_at, used_at, memory)
    values (%(id)s, %(job_id)s, %(owner)s, %(now)s, %(now)s, %(memory)s)
    on conflict (id) do update set used_at = excluded.used_at, memory = excluded.memory
    where c.job_id = excluded.job_id and c.owner = excluded.owner returning c.id
    """


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation about a job, by the person who leads it."""

    job: Job
    owner: str
    conversation: Conversation


class Conversations:
    """For one process. Close it before the jobs."""

    def __init__(self, kernel: Kernel, jobs: Jobs, settings: ProvisionSettings, llm: LlmSettings | None = None) -> None:
        self._kernel, self._jobs, self._settings = kernel, jobs, settings
        self._llm = llm or LlmSettings()
        self._db = kernel.ledger.database
        self._warehouses = {HERE: open_warehouse(jobs.home)}
        self._agents: OrderedDict[UUID, Agent] = OrderedDict()
        self._opening: dict[UUID, asyncio.Lock] = {}
        self._opening_warehouse = asyncio.Lock()

    async def close(self) -> None:
        """Let go of the warehouses."""
        await asyncio.gather(*(warehouse.close() for warehouse in self._warehouses.values()))

    async def begin(self, asked: Asked, who: Principal) -> Talk:
        """The conversation, or a new one. Raises NotFoundError, also for what is somebody else's; ConflictError when
        the job has not completed, or its data has been deleted."""
        conversation, job_id = Conversation(), asked.job_id
        if asked.conversation_id is not None:
            conversation, job_id = await self._remembered(asked.conversation_id, who)
        if job_id is not None:
            job = await self._jobs.get(job_id, who)
        else:
            job = await self._jobs.named(who, dataset=asked.dataset, agent=asked.agent)
        _check(job, asked)
        return Talk(job, who.name, conversation)

    async def _remembered(self, conversation_id: UUID, who: Principal) -> tuple[Conversation, UUID]:
        row = await self._db.one(_GET, (conversation_id,))
        if row is None or row[1] != who.name:
            hint = "Leave the conversation's id out to begin a new one."
            raise NotFoundError(f"There is no conversation {conversation_id}.", hint=hint)
        job_id, _, memory = row
        return Conversation.load(orjson.dumps(memory).decode()), job_id

    async def answer(self, talk: Talk, question: str) -> AsyncGenerator[Message, None]:
        """The messages of one answer, as they come about; then the conversation is kept."""
        agent = await self._agent(talk.job)
        try:
            messages = cast("AsyncGenerator[Message, None]", answer(question, talk.conversation, agent))
            async with aclosing(messages):
                async for message in messages:
                    yield message
        finally:
            await self._keep(talk)

    async def _keep(self, talk: Talk) -> None:
        values = {
            "id": talk.conversation.id,
            "job_id": talk.job.id,
            "owner": talk.owner,
            "now": self._kernel.clock.now(),
            "memory": Jsonb(orjson.loads(talk.conversation.dump())),
        }
        await self._db.one(_PUT, values)

    async def _agent(self, job: Job) -> Agent:
        """What answers for a job. Its words are read once."""
        async with self._opening.setdefault(job.id, asyncio.Lock()):
            if job.id not in self._agents:
                self._agents[job.id] = await self._opened(job)
            self._agents.move_to_end(job.id)
        while len(self._agents) > MOST_OPEN:
            forgotten, _ = self._agents.popitem(last=False)
            self._opening.pop(forgotten, None)
        return self._agents[job.id]

    async def _opened(self, job: Job) -> Agent:
        model, placed = await self._jobs.read(job, _needed)
        warehouse = await self._warehouse(placed.place)
        limits = Limits(seconds=self._settings.chat_seconds, scanned_bytes=self._settings.scanned_bytes)
        agent = await chat_about(model, warehouse, job.dataset_name, job.today, limits)
        agent = replace(agent, project=placed.project or agent.project)
        if not self._llm.configured:
            return agent
        account = Account(Shelf(self._jobs.home, job.id).folder)
        return replace(agent, planner=QuestionPlanner(self._llm, account, agent.planner_seconds))

    async def _warehouse(self, place: Place) -> Warehouse:
        """One for each place, kept open."""
        async with self._opening_warehouse:
            if place not in self._warehouses:
                opened = await asyncio.to_thread(open_warehouse, self._jobs.home, place, self._settings)
                self._warehouses[place] = opened
        return self._warehouses[place]


def _needed(shelf: Shelf) -> tuple[DataModel, Placed]:
    return shelf.output(AgentName.MODEL, DataModel), shelf.output(AgentName.INFRASTRUCTURE, Placed)


def _check(job: Job, asked: Asked) -> None:
    if asked.dataset not in {None, job.dataset_name} or asked.agent not in {None, job.agent_id}:
        raise ConflictError("The conversation is about another demo.", hint="Leave the dataset and the agent out.")
    if job.cleaned_at is not None:
        raise ConflictError(f"The data of job {job.id} has been deleted.", hint="Clone the job to make it anew.")
    if job.status is not JobStatus.COMPLETED:
        hint = "Follow its status; only a demo that passed its validation answers questions."
        raise ConflictError(f"Job {job.id} is {job.status}.", hint=hint)
