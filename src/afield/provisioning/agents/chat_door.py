"""The chat, as the validator uses it: one question, one answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date

from afield.provisioning.chat.agent import Agent, known_of, values_of
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.messages import DataResult, Message, TextType
from afield.provisioning.chat.outcomes import Understood
from afield.provisioning.datamodel import DataModel
from afield.provisioning.warehouse.base import Limits, Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the chat answered. `problem`: why there are no rows."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()
    sql: str = ""
    understood: str = ""
    problem: str = ""


async def chat_about(model: DataModel, warehouse: Warehouse, dataset: str, today: date, limits: Limits) -> Agent:
    """What answers questions about a dataset: knows the words of its model and of its data."""
    values = await values_of(model, warehouse, dataset, today)
    known = await asyncio.to_thread(known_of, model, values, today)
    return Agent(known=known, warehouse=warehouse, dataset=dataset, limits=limits)


async def ask(question: str, agent: Agent) -> Told:
    """Ask at the beginning of a conversation, as a person would."""
    conversation = Conversation()
    messages = [message async for message in answer(question, conversation, agent)]
    reading = conversation.turns[-1].reading
    if not isinstance(reading, Understood):
        return Told(problem=f"The chat gave no answer: {' '.join(_said(messages))}")
    return _told(messages, reading.wording)


def _told(messages: list[Message], understood: str) -> Told:
    sql, result, problem = "", None, ""
    for content in (message.system_message for message in messages):
        if content is not None and content.error is not None:
            problem = content.error.text
        if content is not None and content.data is not None:
            sql, result = content.data.generated_sql or sql, content.data.result or result
    if result is None:
        return Told(understood=understood, sql=sql, problem=problem or "The chat gave no rows.")
    columns = tuple(field.name for field in result.result_schema.fields)
    return Told(columns=columns, rows=_rows(result, columns), sql=sql, understood=understood, problem=problem)


def _rows(result: DataResult, columns: tuple[str, ...]) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(row.get(name) for name in columns) for row in result.data)


def _said(messages: list[Message]) -> list[str]:
    contents = (message.system_message for message in messages)
    texts = [content.text for content in contents if content is not None and content.text is not None]
    return [part for text in texts if text.text_type is TextType.FINAL_RESPONSE for part in text.parts]
