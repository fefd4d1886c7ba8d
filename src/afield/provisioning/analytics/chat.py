"""Asking a data agent: the service's stream as typed messages, one by one as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TypeAlias, cast
from uuid import uuid4

from google.api_core.rest_streaming import ResponseIterator
from google.cloud import geminidataanalytics as api

from afield.errors import AfieldError, NotFoundError
from afield.model.jsontypes import JsonObject, JsonValue
from afield.provisioning.analytics.answer import Outcome, outcome
from afield.provisioning.analytics.endpoint import Clients
from afield.provisioning.analytics.failures import BrokenAnswerError, PassingError, translated
from afield.provisioning.analytics.reading import Said, read
from afield.provisioning.analytics.record import Version
from afield.provisioning.analytics.wire import json_of, message_of

_ANSWER_SECONDS = 300.0
_SILENCE_SECONDS = 120.0  # between two pieces of a stream
_PAGE = 100
_ASKING = "Asking the data agent"
_Item: TypeAlias = "JsonObject | AfieldError | None"
"""What the reading thread hands over: a message, why there are no more, or that it was all."""


class GoogleChat:
    """Chats with the data agents of one project."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def ask(
        self,
        agent_id: str,
        question: str,
        *,
        version: Version = Version.PUBLISHED,
        history: Sequence[JsonObject] = (),
        conversation_id: str | None = None,
        seconds: float = _ANSWER_SECONDS,
    ) -> AsyncIterator[Said]:
        """The answer's messages. With a conversation, the service remembers what was said; without, `history` has the
        messages before, the user's and the agent's (`Said.raw`), as they were.

        Raises AfieldError; BrokenAnswerError when the stream breaks off or takes longer than `seconds` in all. A
        question is never asked twice by itself: each time costs, and a conversation would have it twice.
        """
        request = self._request(agent_id, question, version, history, conversation_id)
        try:
            async with asyncio.timeout(seconds), aclosing(self._stream(request, min(seconds, _SILENCE_SECONDS))) as raw:
                async for message in raw:
                    yield read(message, datetime.now(UTC))
        except TimeoutError:
            hint = "Ask for less at once, or allow more time."
            raise BrokenAnswerError(f"The answer took longer than {seconds:g} s.", hint=hint) from None

    async def answer(
        self, agent_id: str, question: str, *, version: Version = Version.PUBLISHED, seconds: float = _ANSWER_SECONDS
    ) -> Outcome:
        """One question without a conversation, and what its answer comes to. Raises like `ask`."""
        said = self.ask(agent_id, question, version=version, seconds=seconds)
        return outcome([one.message async for one in said])

    async def begin(self, agent_id: str, conversation_id: str, title: str = "") -> None:
        """Begin a conversation. Raises ConflictError: there is one of this name."""
        given = api.Conversation(agents=[self._clients.endpoint.agent(agent_id)], title=title[:63])
        request = api.CreateConversationRequest(
            parent=self._clients.endpoint.parent,
            conversation_id=conversation_id,
            conversation=given,
            request_id=str(uuid4()),
        )
        await self._clients.call(
            f"Beginning the conversation {conversation_id}",
            lambda seconds: self._clients.chats.create_conversation(request, timeout=seconds),
        )

    async def said(self, conversation_id: str) -> tuple[JsonObject, ...]:
        """All that was said in a conversation, by both, as it was. Raises NotFoundError."""
        request = api.ListMessagesRequest(parent=self._clients.endpoint.conversation(conversation_id), page_size=_PAGE)

        def listed(seconds: float) -> tuple[JsonObject, ...]:
            found = self._clients.chats.list_messages(request, timeout=seconds)
            return tuple(json_of(one.message) for one in found)

        return await self._clients.call(f"Reading the conversation {conversation_id}", listed)

    async def end(self, conversation_id: str) -> None:
        """Delete a conversation. Nothing happens when it is not there."""
        request = api.DeleteConversationRequest(name=self._clients.endpoint.conversation(conversation_id))
        with suppress(NotFoundError):
            await self._clients.call(
                f"Deleting the conversation {conversation_id}",
                lambda seconds: self._clients.chats.delete_conversation(request, timeout=seconds),
            )

    def _request(
        self, agent_id: str, question: str, version: Version, history: Sequence[JsonObject], conversation_id: str | None
    ) -> api.ChatRequest:
        about: JsonObject = {"dataAgent": self._clients.endpoint.agent(agent_id), "contextVersion": version.value}
        asked: JsonObject = {"userMessage": {"text": question}}
        messages: list[JsonValue] = [asked] if conversation_id else [*history, asked]
        body: JsonObject = {"parent": self._clients.endpoint.parent, "messages": messages}
        if conversation_id:
            name = self._clients.endpoint.conversation(conversation_id)
            body["conversationReference"] = {"conversation": name, "dataAgentContext": about}
        else:
            body["dataAgentContext"] = about
        return message_of(api.ChatRequest, body)

    async def _stream(self, request: api.ChatRequest, silence: float) -> AsyncGenerator[JsonObject]:
        """The raw messages. A thread of its own reads, as the library blocks; a daemon, so that a stream nobody wants
        any more holds no process up."""
        items: asyncio.Queue[_Item] = asyncio.Queue()
        loop, unwanted = asyncio.get_running_loop(), threading.Event()

        def hand_over(item: _Item) -> None:
            with suppress(RuntimeError):  # the loop is closed; nobody is there to take it
                loop.call_soon_threadsafe(items.put_nowait, item)

        def read() -> None:
            try:
                self._read(request, silence, unwanted, hand_over)
                hand_over(None)
            except AfieldError as error:
                hand_over(error)
            except Exception as error:  # noqa: BLE001 - the thread's outermost edge: whoever waits has to be told
                hand_over(BrokenAnswerError(f"The answer could not be read ({type(error).__name__})."))

        threading.Thread(target=read, name="data-agent-answer", daemon=True).start()
        try:
            while (item := await items.get()) is not None:
                if isinstance(item, AfieldError):
                    raise item
                yield item
        finally:
            unwanted.set()

    def _read(
        self, request: api.ChatRequest, silence: float, unwanted: threading.Event, hand_over: Callable[[_Item], None]
    ) -> None:
        begun = False
        try:
            with translated(_ASKING):
                stream = cast(ResponseIterator, self._clients.chats.chat(request, timeout=silence))
                try:
                    for message in stream:
                        begun = True
                        if unwanted.is_set():
                            return
                        hand_over(json_of(message))
                finally:
                    stream.cancel()  # type: ignore[no-untyped-call]
        except (PassingError, ValueError) as error:  # ValueError: what the library says of an unfinished array
            if not begun and isinstance(error, PassingError):
                raise
            hint = "Ask again. What was shown of the answer does not count."
            raise BrokenAnswerError("The answer broke off.", hint=hint) from error
