"""The chat: one JSON array, sent piece by piece."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import web

from .answers import Asked
from .chat import agent_context, check_messages, inline_context, provider_of, questions_of
from .cloud import Cloud
from .errors import invalid
from .gate import Call, Handler, cut_connection
from .times import show_time

Json = dict[str, Any]
_FIRST_PIECE = 0.5  # of a message; the client has to put it together


class ChatRoutes:
    """`:chat`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Method, path below the location, kind of call, handler."""
        return [("POST", ":chat", "chat", self.chat)]

    async def chat(self, call: Call) -> web.StreamResponse:
        """Answer the last message. Refused are only requests that are wrong; what goes wrong later is a message."""
        body = await call.body()
        provider = provider_of(body)
        messages = check_messages(body)
        context, conversation = self._context(body, provider)
        said = self._cloud.conversations.messages(conversation) if conversation else []
        asked = Asked(questions_of([*said, *messages]), context, call.project, str(call.http.url.origin()))
        if conversation:
            self._cloud.conversations.add(conversation, self._stamped({"userMessage": messages[-1]["userMessage"]}))
        return await self._stream(call, asked, conversation)

    def _context(self, body: Json, provider: str) -> tuple[Json, str]:
        """The context, and the conversation to keep it all in, if there is one."""
        if provider in {"inlineContext", "clientManagedResourceContext"}:
            return inline_context(body, provider), ""
        conversation, about = "", body[provider]
        if provider == "conversationReference":
            conversation, about = about.get("conversation") or "?", about.get("dataAgentContext", {})
        name = about.get("dataAgent", "")
        if conversation and name not in self._cloud.conversations.get(conversation)["agents"]:
            raise invalid(f"Data agent '{name}' is not part of conversation '{conversation}'.")
        return agent_context(self._cloud.agents.alive(name), about), conversation

    async def _stream(self, call: Call, asked: Asked, conversation: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=UTF-8"})
        await response.prepare(call.http)
        cut = call.faults.cut if self._cloud.faults.strikes(call.faults.cut) else None
        drip = call.faults.dripping if self._cloud.faults.strikes(call.faults.dripping) else None
        number = 0
        async for message in self._messages(call, asked):
            if drip:
                await asyncio.sleep(drip.seconds)
            piece = (b",\r\n" if number else b"[") + orjson.dumps(message)
            half = int(len(piece) * _FIRST_PIECE)
            await response.write(piece[:half])
            if cut and number >= cut.after:
                return cut_connection(call.http)
            await response.write(piece[half:])
            number += 1
            if conversation:
                self._cloud.conversations.add(conversation, message)
        await response.write(b"\r\n]" if number else b"[]")
        await response.write_eof()
        return response

    async def _messages(self, call: Call, asked: Asked) -> AsyncIterator[Json]:
        failing = call.faults.failing if self._cloud.faults.strikes(call.faults.failing) else None
        async for message in self._cloud.answers.to(asked):
            if failing and "text" in message and message["text"].get("textType") == "FINAL_RESPONSE":
                yield self._stamped({"systemMessage": {"error": {"text": failing.text}}})
                return
            yield self._stamped({"systemMessage": {"groupId": 0, **message}})

    def _stamped(self, message: Json) -> Json:
        return {"messageId": str(uuid.uuid4()), "timestamp": show_time(self._cloud.clock.now()), **message}
