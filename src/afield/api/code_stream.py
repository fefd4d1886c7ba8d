"""A run as server-sent events: what it prints as it prints it, and the result at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias
from uuid import UUID

import orjson
import psycopg
import structlog
from fastapi.responses import StreamingResponse

from afield.api.code_bodies import RunReportBody
from afield.api.problems import problem_of
from afield.api.sse import HEARTBEAT, MEDIA_TYPE
from afield.coderunner.conversation import Conversation
from afield.coderunner.requests import RunRequest
from afield.coderunner.service import CodeRunner
from afield.errors import AfieldError, UnavailableError
from afield.model.jsontypes import JsonObject

_Message: TypeAlias = "JsonObject | AfieldError | None"

log = structlog.get_logger(__name__)

_ROOM = 256  # messages that may wait for the client
_FIRST_S = 1.0  # so long an error may take to be answered with its own status
_OPENING = b": afield run\n\n"
_HEARTBEAT = b": heartbeat\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def streamed(
    runner: CodeRunner, request: RunRequest, *, user: str, tenant_id: UUID, closing: asyncio.Event
) -> StreamingResponse:
    """The run as a response. A client that leaves ends it. Raises as `CodeRunner.run`, for what is found out at once;
    later trouble is an event `error`."""
    stream = _RunStream(closing)
    try:
        await stream.start(runner, request, user, tenant_id)
    except BaseException:
        stream.end()
        raise
    return StreamingResponse(stream.pieces(), media_type=MEDIA_TYPE, headers=_HEADERS)


class _RunStream:
    """The messages of one run, and the run itself."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._messages: asyncio.Queue[_Message] = asyncio.Queue()
        self._room = asyncio.Semaphore(_ROOM)
        self._running: asyncio.Task[None] | None = None
        self._coming: asyncio.Task[_Message] | None = None

    async def start(self, runner: CodeRunner, request: RunRequest, user: str, tenant_id: UUID) -> None:
        """Begin, and wait a moment for the first message. Raises what `CodeRunner.run` raises meanwhile."""
        self._running = asyncio.create_task(self._run(runner, request, user, tenant_id))
        self._running.add_done_callback(lambda _: self._messages.put_nowait(None))
        self._coming = asyncio.create_task(self._next())
        await asyncio.wait({self._coming}, timeout=_FIRST_S)
        if self._coming.done() and isinstance(error := self._coming.result(), AfieldError):
            raise error

    async def _run(self, runner: CodeRunner, request: RunRequest, user: str, tenant_id: UUID) -> None:
        """Its last message is the report, or what went wrong."""
        conversation = Conversation(self._tell)
        conversation.end_input()
        try:
            report = await runner.run(request, user=user, tenant_id=tenant_id, talk=conversation)
            if report.result is not None:
                await conversation.retell(report.result)
            await self._tell({"type": "result", **RunReportBody.of(report).model_dump(mode="json")})
        except AfieldError as error:
            self._messages.put_nowait(error)
        except psycopg.Error as error:
            log.warning("run.database_away", error=type(error).__name__)
            self._messages.put_nowait(UnavailableError("The database cannot be reached right now."))

    async def _tell(self, message: JsonObject) -> None:
        await self._room.acquire()
        self._messages.put_nowait(message)

    async def _next(self) -> _Message:
        message = await self._messages.get()
        self._room.release()
        return message

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The messages as events, until the last one, or until the server stops."""
        closed = asyncio.create_task(self._closing.wait())
        try:
            yield _OPENING
            while self._coming is not None and not closed.done():
                await asyncio.wait({self._coming, closed}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if not self._coming.done():
                    yield _HEARTBEAT
                    continue
                message = self._coming.result()
                if message is None:
                    return
                yield _encoded(message)
                self._coming = asyncio.create_task(self._next())
        finally:
            closed.cancel()
            self.end()

    def end(self) -> None:
        """End what still goes on."""
        for task in (self._running, self._coming):
            if task is not None:
                task.cancel()


def _encoded(message: JsonObject | AfieldError) -> bytes:
    if isinstance(message, AfieldError):
        return _event("error", problem_of(message).model_dump(mode="json"))
    return _event(str(message["type"]), {name: value for name, value in message.items() if name != "type"})


def _event(name: str, data: JsonObject) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
