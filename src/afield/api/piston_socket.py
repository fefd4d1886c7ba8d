"""Piston's WebSocket, `/api/v2/connect`: a program that is watched and talked to while it runs.

The first message, `init`, holds what `POST /api/v2/execute` takes; then come `data` for the program's input and
`signal`. Back go `runtime`, `stage`, `data`, `exit` and `error`. A client that goes away ends its program.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Final

import orjson
import psycopg
import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from afield.api.access import ForbiddenError, principal_of
from afield.api.agent_events import chosen_protocol
from afield.api.code_runtime import runner_of
from afield.api.piston import CEILINGS, PREFIX, enter, languages, run_request, tenant_of, without_result
from afield.api.runtime import Runtime
from afield.coderunner.conversation import Conversation, TooMuchSaidError
from afield.coderunner.piston import Asked, PistonError, read_request
from afield.errors import AfieldError
from afield.model.jsontypes import JsonObject
from afield.security.people import Action

log = structlog.get_logger(__name__)
router = APIRouter()

INIT_S = 1.0
"""Seconds within which the first message has to come."""


class Close(IntEnum):
    """Why a connection is closed: the codes of RFC 6455, then Piston's own."""

    GOING_AWAY = 1001
    REFUSED = 1008
    ALREADY_INITIALIZED = 4000
    INIT_TIMEOUT = 4001
    NOTIFIED_ERROR = 4002
    NOT_INITIALIZED = 4003
    ONLY_STDIN = 4004
    INVALID_SIGNAL = 4005
    COMPLETED = 4999


_TEXTS: Final[Mapping[Close, str]] = {
    Close.GOING_AWAY: "The server stops",
    Close.ALREADY_INITIALIZED: "Already Initialized",
    Close.INIT_TIMEOUT: "Initialization Timeout",
    Close.NOTIFIED_ERROR: "Notified Error",
    Close.NOT_INITIALIZED: "Not yet initialized",
    Close.ONLY_STDIN: "Can only write to stdin",
    Close.INVALID_SIGNAL: "Invalid signal",
    Close.COMPLETED: "Job Completed",
}


class _EndError(Exception):
    """The connection is to be closed; a message is told before."""

    def __init__(self, close: Close, message: str = "") -> None:
        super().__init__(message)
        self.close = close
        self.message = message


@router.websocket(f"{PREFIX}/connect")
async def connect(socket: WebSocket) -> None:
    """One program, from its first message to its end."""
    try:
        enter(socket, Action.RUN)
    except ForbiddenError as refused:
        return await socket.close(Close.REFUSED, refused.message)
    await socket.accept(chosen_protocol(socket.headers))
    await _Client(socket).serve()
    return None


class _Client:
    """Whoever is at the other end."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._conversation = Conversation(self._tell)
        self._left = False

    async def serve(self) -> None:
        """Until the program or the connection has ended."""
        try:
            close = await self._served()
            if not self._left:
                await self._socket.close(close, _TEXTS[close])
        except WebSocketDisconnect:
            log.debug("piston.client_left")

    async def _served(self) -> Close:
        try:
            fields = await self._first()
            asked = await self._asked(fields)
            await self._tell({"type": "runtime", "language": asked.runtime.language, "version": asked.runtime.version})
            await self._until_over(asked)
        except _EndError as end:
            if end.message:
                await self._tell({"type": "error", "message": end.message})
            return end.close
        return Close.COMPLETED

    async def _tell(self, message: JsonObject) -> None:
        """Says nothing to a client that has left: a run that is being recorded must not fail of it."""
        if self._left:
            return
        try:
            await self._socket.send_text(orjson.dumps(message).decode())
        except WebSocketDisconnect:
            self._left = True

    # ------------------------------------------------------------------ running

    async def _asked(self, fields: JsonObject) -> Asked:
        """What is to be run. The input that came with it gets no newline: more of it may follow."""
        try:
            asked = read_request(fields, await languages(self._socket), CEILINGS)
        except PistonError as refused:
            raise _EndError(Close.NOTIFIED_ERROR, refused.message) from None
        except (AfieldError, psycopg.Error) as error:
            raise _EndError(Close.NOTIFIED_ERROR, _told(error)) from error
        return replace(asked, spec=asked.spec.model_copy(update={"stdin": fields.get("stdin") or ""}))

    async def _until_over(self, asked: Asked) -> None:
        """Run it while listening. Whatever ends first ends the other."""
        runtime: Runtime = self._socket.app.state.runtime
        running = asyncio.create_task(self._run(asked))
        listening = asyncio.create_task(self._listen())
        closing = asyncio.create_task(runtime.closing.wait())
        tasks: tuple[asyncio.Task[object], ...] = (running, listening, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            first = running if running.done() else listening
            if not first.done():
                raise _EndError(Close.GOING_AWAY)
            first.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, asked: Asked) -> None:
        request = run_request(self._socket, asked)
        user, tenant_id = principal_of(self._socket).name, tenant_of(self._socket)
        try:
            report = await runner_of(self._socket).run(request, user=user, tenant_id=tenant_id, talk=self._conversation)
        except (AfieldError, psycopg.Error) as error:
            raise _EndError(Close.NOTIFIED_ERROR, _told(error)) from error
        if report.result is None:
            raise _EndError(Close.NOTIFIED_ERROR, without_result(report)[0])
        await self._conversation.retell(report.result)

    # ------------------------------------------------------------------ listening

    async def _first(self) -> JsonObject:
        """The fields of the first message."""
        try:
            async with asyncio.timeout(INIT_S):
                async for message in self._messages():
                    if message.get("type") == "init":
                        return message
                    if message.get("type") in {"data", "signal"}:
                        raise _EndError(Close.NOT_INITIALIZED)
        except TimeoutError:
            raise _EndError(Close.INIT_TIMEOUT) from None
        raise AssertionError("messages end with an exception")

    async def _listen(self) -> None:
        """Hand on what the client says, for as long as it is there."""
        async for message in self._messages():
            match message.get("type"):
                case "init":
                    raise _EndError(Close.ALREADY_INITIALIZED)
                case "data":
                    self._typed(message)
                case "signal":
                    name = message.get("signal")
                    if not isinstance(name, str) or name not in signal.Signals.__members__:
                        raise _EndError(Close.INVALID_SIGNAL)
                    self._conversation.signal(name)

    def _typed(self, message: JsonObject) -> None:
        """Input for the program. `eof` says that it was the last; Piston has no word for that."""
        if message.get("stream") != "stdin":
            raise _EndError(Close.ONLY_STDIN)
        try:
            self._conversation.say(str(message.get("data") or ""))
        except TooMuchSaidError:
            raise _EndError(Close.NOTIFIED_ERROR, "the program does not read its input") from None
        if message.get("eof") is True:
            self._conversation.end_input()

    async def _messages(self) -> AsyncIterator[JsonObject]:
        """What the client says, of any type. Raises WebSocketDisconnect when it leaves."""
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", 1000))
            try:
                message = orjson.loads(received.get("text") or received.get("bytes") or b"")
            except orjson.JSONDecodeError as error:
                raise _EndError(Close.NOTIFIED_ERROR, f"the message is not valid JSON: {error.msg}") from None
            if isinstance(message, dict):
                yield message


def _told(error: AfieldError | psycopg.Error) -> str:
    return str(error) if isinstance(error, AfieldError) else "The database cannot be reached right now."
