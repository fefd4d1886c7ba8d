"""A run that is watched and talked to: one WebSocket, from its first message to its result."""

from __future__ import annotations

import asyncio
import codecs
from typing import TypeAlias

import aiohttp
import orjson

from afield.connectors.adapter.client import AdapterClient, Socket
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import Run, UnreadableError, parse_run
from afield.connectors.base import NO_ROOM, NotSent, Refused, Unknown
from afield.connectors.talk import Talk
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

_HEARTBEAT_S = 20.0
_MOST_MESSAGE = 512 * 1024 * 1024

Told: TypeAlias = Run | Reply | NoReply | NotSent | Refused | Unknown


async def converse(client: AdapterClient, identifier: str, body: JsonObject, talk: Talk) -> Told:
    """Run it, handing on what is printed and typed. A reply means that no conversation began, and nothing was sent.
    Leaving ends the run there. Raises CredentialError."""
    socket = await client.connect("/connect", identifier, heartbeat_s=_HEARTBEAT_S, most=_MOST_MESSAGE)
    if isinstance(socket, Reply | NoReply):
        return socket
    try:
        await _say(socket, {"type": "init", "interactive": talk.interactive, **body})
        reach(FaultPoint.AFTER_SEND)
        return await _Conversation(socket, talk).to_its_end()
    except (aiohttp.ClientError, OSError) as error:
        return NoReply(f"the conversation broke off ({type(error).__name__})")
    finally:
        await socket.close()


class _Conversation:
    """Both directions of a socket."""

    def __init__(self, socket: Socket, talk: Talk) -> None:
        self._socket = socket
        self._talk = talk
        self._stage = "run"
        self._begun = False  # the adapter has taken it

    async def to_its_end(self) -> Told:
        typing = asyncio.create_task(self._type()) if self._talk.interactive else None
        try:
            return await self._listen()
        finally:
            if typing is not None:
                typing.cancel()
                await asyncio.gather(typing, return_exceptions=True)

    async def _listen(self) -> Told:
        async for said in self._socket:
            try:
                message = orjson.loads(said.data)
                told = await self._hear(message) if isinstance(message, dict) else None
            except (orjson.JSONDecodeError, UnreadableError, TypeError):
                return Unknown(Reason("unreadable", "It was taken, and what is said of it cannot be read."))
            if told is not None:
                return told
        code = self._socket.close_code
        return NoReply(f"the conversation ended without a result (close code {code})")

    async def _hear(self, message: JsonObject) -> Told | None:
        match message.get("type"):
            case "runtime":
                self._begun = True
            case "stage":
                self._stage = str(message.get("stage"))
                await self._talk.stage(self._stage)
            case "data":
                data = str(message.get("data")).encode("utf-8", "replace")
                await self._talk.printed(self._stage, str(message.get("stream")), data)
            case "exit":
                await self._ended(message)
            case "result":
                return parse_run({"status": "finished", **message})
            case "error":
                return self._refused(message)
        return None

    async def _ended(self, message: JsonObject) -> None:
        code, signal = message.get("code"), message.get("signal")
        whole = code if isinstance(code, int) and not isinstance(code, bool) else None
        stage = str(message.get("stage") or self._stage)
        await self._talk.ended(stage, whole, signal if isinstance(signal, str) else None)

    def _refused(self, message: JsonObject) -> NotSent | Refused | Unknown:
        """What is refused before the adapter has named the runtime is refused for what it is."""
        text = str(message.get("message") or "The adapter gives no reason.")[:600]
        if message.get("code") == "busy":
            return NotSent(Reason(NO_ROOM, text))
        if self._begun:
            return Unknown(Reason("broke_off", text))
        return Refused(Reason(str(message.get("code") or "bad_submission"), text))

    async def _type(self) -> None:
        """Pass on what is typed, characters whole; and its end."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for typed in self._talk.typed():
            if typed.signal is not None:
                await _say(self._socket, {"type": "signal", "signal": typed.signal})
                continue
            text = decoder.decode(typed.data, final=not typed.data)
            if text:
                await _say(self._socket, {"type": "data", "stream": "stdin", "data": text})
            if not typed.data:
                await _say(self._socket, {"type": "data", "stream": "stdin", "data": ""})


async def _say(socket: Socket, message: JsonObject) -> None:
    await socket.send_str(orjson.dumps(message).decode())
