"""Answering a question, message by message: understood, compiled, computed, drawn, told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import structlog

from afield.errors import AfieldError
from afield.provisioning.chat.agent import Agent
from afield.provisioning.chat.answering import sentences
from afield.provisioning.chat.charts import chart_of, instructions
from afield.provisioning.chat.conversation import Conversation, Turn
from afield.provisioning.chat.messages import (
    Chart,
    ChartQuery,
    ChartResult,
    Data,
    DataQuery,
    Message,
    Schema,
    SchemaQuery,
    SchemaResult,
    Scribe,
    TextType,
)
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Reading, Understood
from afield.provisioning.chat.planner import planned
from afield.provisioning.chat.showing import result_of, sources_of
from afield.provisioning.chat.suggesting import next_questions
from afield.provisioning.chat.understand import understand
from afield.provisioning.semantic.answer import Answer
from afield.provisioning.semantic.compile import compile_sql
from afield.provisioning.semantic.execute import answer_of

RESULT = "result"
"""What the rows of an answer are called; its chart refers to them."""
_log = structlog.get_logger(__name__)


async def answer(question: str, conversation: Conversation, agent: Agent) -> AsyncIterator[Message]:
    """The messages of one answer, as they come about. The conversation remembers the question, whatever becomes of it.

    Nothing raises for a question: what goes wrong is an error message that says what to do.
    """
    scribe = Scribe()
    reading = await _read(question, conversation, agent)
    if isinstance(reading, Understood):
        async for message in _answered(question, reading, conversation, agent, scribe):
            yield message
        return
    offered = reading.options if isinstance(reading, Ask) else reading.suggestions
    conversation.remember(Turn(question=question, reading=reading, offered=offered))
    for message in _returned(reading, offered, scribe):
        yield message


async def _read(question: str, conversation: Conversation, agent: Agent) -> Reading:
    if agent.planner:
        return await planned(agent.planner, question, agent.known, conversation.state, agent.planner_seconds)
    return await asyncio.to_thread(understand, question, conversation.state, agent.known)


def _returned(reading: Ask | Outside, offered: tuple[Option, ...], scribe: Scribe) -> Iterator[Message]:
    """A question back, or a refusal, with what can be asked."""
    yield scribe.text(TextType.FINAL_RESPONSE, reading.question if isinstance(reading, Ask) else reading.reason)
    if offered:
        yield scribe.text(TextType.FOLLOWUP_QUESTIONS, *(option.wording for option in offered))


async def _answered(
    question: str, reading: Understood, conversation: Conversation, agent: Agent, scribe: Scribe
) -> AsyncIterator[Message]:
    """What was understood, the tables, the SQL, the rows, the chart, the words."""
    yield scribe.text(TextType.PROGRESS, f"Understood as: {reading.wording}", *reading.shown, *reading.notes)
    sources = sources_of(reading.query, agent)
    yield scribe.schema(Schema(query=SchemaQuery(question=question)))
    yield scribe.schema(Schema(result=SchemaResult(datasources=sources)))
    yield scribe.data(Data(query=DataQuery(question=reading.wording, name=RESULT, datasources=sources)))
    try:
        sql = await asyncio.to_thread(
            compile_sql, reading.query, agent.model, agent.warehouse.dialect, agent.known.today
        )
        yield scribe.data(Data(generated_sql=sql))
        rows = await agent.warehouse.query(agent.dataset, sql, agent.limits)
        found = answer_of(reading.query, agent.model, sql, rows)
    except AfieldError as error:
        _log.warning("chat_failed", conversation=str(conversation.id), dataset=agent.dataset, code=error.code)
        conversation.remember(Turn(question=question, reading=reading, failed=error.code))
        yield scribe.error(str(error))
        return
    offered = next_questions(reading.query, agent.model, agent.known.today)
    conversation.remember(Turn(question=question, reading=reading, offered=offered))
    for message in _shown(reading, found, offered, agent, scribe):
        yield message


def _shown(
    reading: Understood, found: Answer, offered: tuple[Option, ...], agent: Agent, scribe: Scribe
) -> Iterator[Message]:
    yield scribe.data(Data(result=result_of(RESULT, found, agent.model)))
    spec = chart_of(reading.query, agent.model, found, agent.known.today)
    if spec:
        yield scribe.chart(Chart(query=ChartQuery(instructions=instructions(reading.query), data_result_name=RESULT)))
        yield scribe.chart(Chart(result=ChartResult(vega_config=spec)))
    yield scribe.text(TextType.FINAL_RESPONSE, *sentences(reading.query, agent.model, found, agent.known.today))
    if offered:
        yield scribe.text(TextType.FOLLOWUP_QUESTIONS, *(option.wording for option in offered))
