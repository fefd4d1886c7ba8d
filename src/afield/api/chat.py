"""Questions about a demo's data, in plain words; and what a website looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field, StringConstraints, model_validator

from afield.api.bodies import Given, Json, Shown
from afield.api.provision_bodies import Url
from afield.api.provision_runtime import ProvisioningDep
from afield.api.runtime import PrincipalDep, RuntimeDep
from afield.api.sse import MEDIA_TYPE
from afield.errors import AfieldError
from afield.provisioning.asked import Asked
from afield.provisioning.chat.messages import Message, TextType

if TYPE_CHECKING:  # its libraries are heavy, and only there with the extra `provisioning`
    from afield.provisioning.conversations import Conversations, Talk

router = APIRouter(prefix="/api", tags=["provisioning"])

_STATUSES = {"dataset_missing": 404, "warehouse_unavailable": 503}


class ChatBody(Given):
    """A question, and to whom: a dataset, a data agent, or a conversation that goes on."""

    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    dataset_id: Annotated[str | None, Field(max_length=1024)] = None
    agent_id: Annotated[str | None, Field(max_length=100)] = None
    conversation_id: UUID | None = None

    @model_validator(mode="after")
    def _knows_whom(self) -> Self:
        if not (self.dataset_id or self.agent_id or self.conversation_id):
            raise ValueError("name a dataset_id, an agent_id or a conversation_id; a job's status tells the first two")
        return self

    def asked(self) -> Asked:
        """Whom it is for. A dataset's full name begins with its project."""
        dataset = self.dataset_id.rpartition(".")[2] if self.dataset_id else None
        return Asked(dataset=dataset, agent=self.agent_id or None, conversation_id=self.conversation_id)


class ChatAnswerBody(Shown):
    """The answer in short, and all its messages in the shapes of the Conversational Analytics API."""

    response: str
    conversation_id: UUID
    sql: str | None
    data: list[Json] | None
    chart: Json | None
    follow_up_questions: list[str]
    messages: list[Json]


class ChatFailedError(AfieldError):
    """The question was understood, and could not be answered."""


@router.post(
    "/chat",
    response_model=ChatAnswerBody,
    responses={200: {"description": "With `Accept: text/event-stream`, each message as it comes about, then `done`."}},
)
async def chat(
    body: ChatBody, request: Request, runtime: RuntimeDep, provisioning: ProvisioningDep, principal: PrincipalDep
) -> Response:
    """Ask a demo's data. What was understood is shown; a question that could mean two things is asked back, and one the
    data cannot answer is refused with what could be asked instead, both with 200."""
    conversations = await provisioning.conversations()
    talk = await conversations.begin(body.asked(), principal)
    if MEDIA_TYPE in request.headers.get("accept", ""):
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        pieces = _pieces(conversations, talk, body.message, runtime.closing)
        return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=headers)
    async with aclosing(conversations.answer(talk, body.message)) as answer:
        messages = [message async for message in answer]
    return Response(await asyncio.to_thread(_answer, talk, messages), media_type="application/json")


async def _pieces(
    conversations: Conversations, talk: Talk, question: str, closing: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    async with aclosing(conversations.answer(talk, question)) as answer:
        async for message in answer:
            yield b"event: message\ndata: " + orjson.dumps(message.wire()) + b"\n\n"
            if closing.is_set():
                return
    yield b"event: done\ndata: " + orjson.dumps({"conversation_id": talk.conversation.id}) + b"\n\n"


def _answer(talk: Talk, messages: Sequence[Message]) -> bytes:
    """As JSON. Raises ChatFailedError."""
    texts: dict[TextType, list[str]] = {kind: [] for kind in TextType}
    shown: dict[str, Any] = {"sql": None, "data": None, "chart": None}
    for content in (message.system_message for message in messages):
        if content is None:
            continue
        if content.error is not None:
            raise _failed(talk.conversation.turns[-1].failed, content.error.text)
        if content.text is not None:
            texts[content.text.text_type] += content.text.parts
        if content.data is not None:
            shown["sql"] = content.data.generated_sql or shown["sql"]
            shown["data"] = content.data.result.data if content.data.result else shown["data"]
        if content.chart is not None and content.chart.result is not None:
            shown["chart"] = content.chart.result.vega_config
    body = {
        "response": " ".join(texts[TextType.FINAL_RESPONSE]),
        "conversation_id": talk.conversation.id,
        "follow_up_questions": texts[TextType.FOLLOWUP_QUESTIONS],
        "messages": [message.wire() for message in messages],
    }
    return orjson.dumps(body | shown)


def _failed(code: str, text: str) -> ChatFailedError:
    failed = ChatFailedError(text)
    failed.code, failed.status = code or "query_failed", _STATUSES.get(code, 422)
    return failed


# ------------------------------------------------------------------------------------------- branding


class BrandingQuery(Given):
    """A website."""

    customer_url: Url


class FoundBody(Shown):
    """One thing, and where it was found."""

    value: str
    source: str
    found_in: str


class BrandingBody(Shown):
    """How a website looks; empty where nothing could be read."""

    url: str
    name: str | None = None
    colours: tuple[FoundBody, ...] = ()
    logos: tuple[FoundBody, ...] = ()
    fonts: tuple[FoundBody, ...] = ()
    images: tuple[FoundBody, ...] = ()
    notes: tuple[str, ...] = ()


@router.post("/extract-branding")
async def extract_branding(body: BrandingQuery, provisioning: ProvisioningDep) -> BrandingBody:
    """The colours, logos, fonts and pictures of a website. It is fetched and read in a process of its own."""
    return BrandingBody.model_validate_json(await provisioning.brander.look_at(body.customer_url))
