"""A conversation with a program while it runs, over a WebSocket.

Messages, their order and the close codes: the public source of Piston API v2, package 3.1.1. More than that: signals
arrive; input without data ends the input; the result is told before the close; a caller who goes away ends the run.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from afield_sandbox.adapter import piston
from afield_sandbox.adapter.asked import identifier_of
from afield_sandbox.adapter.desk import Desk
from afield_sandbox.adapter.errors import AdapterError
from afield_sandbox.adapter.identity import Identity
from afield_sandbox.adapter.records import Record
from afield_sandbox.adapter.submissions import Caps, Order, SocketBody, order_of, read_body
from afield_sandbox.errors import SandboxError
from afield_sandbox.jail import LocalJail
from afield_sandbox.keeper.run import Run
from afield_sandbox.model import MIB, Outcome, Stage, Stream

_INIT_SECONDS = 1.0
_MOST_INPUT = 64 * MIB
_ENDING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT})


class Close(IntEnum):
    """Why a conversation ends."""

    COMPLETED = 4999
    ALREADY_INITIALIZED = 4000
    INITIALIZATION_TIMEOUT = 4001
    NOTIFIED_ERROR = 4002
    NOT_YET_INITIALIZED = 4003
    ONLY_STDIN = 4004
    INVALID_SIGNAL = 4005


_REASONS: Mapping[Close, bytes] = {
    Close.COMPLETED: b"Job Completed",
    Close.ALREADY_INITIALIZED: b"Already Initialized",
    Close.INITIALIZATION_TIMEOUT: b"Initialization Timeout",
    Close.NOTIFIED_ERROR: b"Notified Error",
    Close.NOT_YET_INITIALIZED: b"Not yet initialized",
    Close.ONLY_STDIN: b"Can only write to stdin",
    Close.INVALID_SIGNAL: b"Invalid signal",
}


class _LeaveError(Exception):
    """The conversation ends. `message` is told first, where there is one."""

    def __init__(self, close: Close, message: str = "", code: str = "bad_request") -> None:
        super().__init__(message)
        self.close = close
        self.message = message
        self.code = code


class SocketRoutes:
    """`/connect`."""

    def __init__(self, jail: LocalJail, desk: Desk, caps: Caps, identity: Identity, *, max_message: int) -> None:
        self._jail = jail
        self._desk = desk
        self._caps = caps
        self._identity = identity
        self._max_message = max_message

    async def connect(self, request: web.BaseRequest, groups: Mapping[str, str]) -> web.StreamResponse:
        """GET /connect, upgraded."""
        identifier_of(request)
        socket = web.WebSocketResponse(max_msg_size=self._max_message, heartbeat=30.0)
        if not socket.can_prepare(request).ok:
            problem = AdapterError("This path is for WebSockets.", hint="Send the headers of an upgrade.")
            problem.status, problem.code = 426, "upgrade_required"
            raise problem
        socket.headers.update(self._identity.headers)
        await socket.prepare(request)
        try:
            await self._hold(socket)
        except _LeaveError as leave:
            if leave.message:
                await _send(socket, {"type": "error", "message": leave.message, "code": leave.code})
            await socket.close(code=leave.close, message=_REASONS[leave.close])
        except ConnectionError:  # the caller went away while we spoke
            pass
        return socket

    async def _hold(self, socket: web.WebSocketResponse) -> None:
        order, interactive = await self._init(socket)
        conversation = Conversation(socket, order, interactive=interactive)
        try:
            record = self._desk.take(order, conversation)
        except AdapterError as problem:
            raise _LeaveError(Close.NOTIFIED_ERROR, problem.message, problem.code) from None
        first = record.watcher is conversation
        listening = asyncio.create_task(conversation.listen(record, lambda: self._desk.stop(record)))
        talking = asyncio.create_task(conversation.talk(record) if first else conversation.repeat(record))
        try:
            await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
            await (talking if talking.done() else listening)
        finally:
            if first:
                self._desk.stop(record)
            listening.cancel()
            talking.cancel()
            await asyncio.gather(listening, talking, return_exceptions=True)

    async def _init(self, socket: web.WebSocketResponse) -> tuple[Order, bool]:
        """What the first message asks for."""
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                message = await _next(socket)
        except TimeoutError:
            raise _LeaveError(Close.INITIALIZATION_TIMEOUT) from None
        if message.pop("type", None) != "init":
            raise _LeaveError(Close.NOT_YET_INITIALIZED)
        languages = self._jail.languages()
        try:
            if piston.MEMBERS & message.keys():
                return piston.order_of(message, languages, self._caps), True
            body = read_body(SocketBody, orjson.dumps(message))
            return order_of(body, languages, self._caps), body.interactive
        except (AdapterError, SandboxError) as problem:
            raise _LeaveError(Close.NOTIFIED_ERROR, problem.message, problem.code) from None


class Conversation:
    """The two directions of one socket. A watcher of the run."""

    def __init__(self, socket: web.WebSocketResponse, order: Order, *, interactive: bool) -> None:
        self.interactive = interactive
        self._socket = socket
        self._order = order
        self._messages: asyncio.Queue[dict[str, object] | None] = asyncio.Queue()
        self._stage = Stage.RUN
        self._record: Record | None = None
        self._ran = False
        self._input = bytearray()
        self._input_ended = False

    def compiled(self, outcome: Outcome) -> None:
        """Tell what the compiler said."""
        for stream, data in ((Stream.STDOUT, outcome.stdout), (Stream.STDERR, outcome.stderr)):
            if data:
                self.printed(stream, data)
        self._messages.put_nowait(_exit(Stage.COMPILE, outcome.exit_code, outcome.signal, outcome.message))

    def running(self, run: Run) -> None:
        """Tell that it runs now, and pass on what was said too early."""
        if not self._ran:
            self._messages.put_nowait({"type": "stage", "stage": Stage.RUN})
        self._ran = True
        if self._input:
            run.write(bytes(self._input))
        if self._input_ended:
            run.end_input()

    def printed(self, stream: Stream, data: bytes) -> None:
        """Pass on output."""
        self._messages.put_nowait({"type": "data", "stream": stream, "data": data.decode("utf-8", "replace")})

    def ended(self) -> None:
        """Nothing more will be printed."""
        self._messages.put_nowait(None)

    async def talk(self, record: Record) -> None:
        """Tell everything, from the first message to the result. Ends by raising."""
        await self._introduce()
        if self._order.language.compile is not None:
            await _send(self._socket, {"type": "stage", "stage": Stage.COMPILE})
        while (message := await self._messages.get()) is not None:
            await _send(self._socket, message)
        await self._conclude(record)

    async def repeat(self, record: Record) -> None:
        """Tell the result of a run that somebody else began. Ends by raising."""
        await self._introduce()
        await record.wait(None)
        await self._conclude(record)

    async def _introduce(self) -> None:
        language = self._order.language
        await _send(self._socket, {"type": "runtime", "language": language.name, "version": language.version})

    async def _conclude(self, record: Record) -> None:
        if record.problem is not None:
            raise _LeaveError(Close.NOTIFIED_ERROR, record.problem.message, record.problem.code)
        result = orjson.loads(record.result)
        if self._ran:
            exit_ = _exit(Stage.RUN, result["exit_code"], result["signal"], result["message"])
            await _send(self._socket, exit_)
        said = {"type": "result", "run_id": record.run_id, "status": record.status}
        await _send(self._socket, said | {"result": orjson.Fragment(record.result)})
        raise _LeaveError(Close.COMPLETED)

    async def listen(self, record: Record, stop: Callable[[], object]) -> None:
        """Pass on what the caller says. Ends by raising, ConnectionError when the caller goes away."""
        self._record = record if record.watcher is self else None
        while True:
            message = await _next(self._socket)
            match message.get("type"):
                case "data":
                    self._hear(message)
                case "signal":
                    self._send_signal(message, stop)
                case "init":
                    raise _LeaveError(Close.ALREADY_INITIALIZED)
                case _:
                    raise _LeaveError(Close.NOTIFIED_ERROR, "A message is of no known type.")

    def _hear(self, message: Mapping[str, object]) -> None:
        text = message.get("data")
        if message.get("stream") != "stdin" or not isinstance(text, str):
            raise _LeaveError(Close.ONLY_STDIN)
        data = text.encode("utf-8", "replace")
        self._input += data  # kept for another worker, should this one be lost before the program begins
        if len(self._input) > _MOST_INPUT:
            raise _LeaveError(Close.NOTIFIED_ERROR, f"More than {_MOST_INPUT} bytes of input.")
        self._input_ended |= not data
        run = self._active
        if run is not None and data:
            run.write(data)
        elif run is not None:
            run.end_input()

    @property
    def _active(self) -> Run | None:
        """The run, as long as it goes on; what it held is somebody else's afterwards."""
        return self._record.run if self._record is not None else None

    def _send_signal(self, message: Mapping[str, object], stop: Callable[[], object]) -> None:
        try:
            number = signal.Signals[str(message.get("signal"))]
        except KeyError:
            raise _LeaveError(Close.INVALID_SIGNAL) from None
        run = self._active
        if run is not None:
            run.signal(number)
        elif number in _ENDING:
            stop()


def _exit(stage: Stage, code: int | None, signal_: str | None, message: str) -> dict[str, object]:
    exit_: dict[str, object] = {"type": "exit", "stage": stage, "code": code, "signal": signal_}
    return exit_ | ({"error": message} if message else {})


async def _next(socket: web.WebSocketResponse) -> dict[str, Any]:
    """The caller's next message. Raises ConnectionError when there is none, _LeaveError for what is no message."""
    said = await socket.receive()
    if said.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
        raise ConnectionError("The caller has gone.")
    try:
        message = orjson.loads(said.data)
    except (orjson.JSONDecodeError, TypeError):
        message = None
    if not isinstance(message, dict):
        raise _LeaveError(Close.NOTIFIED_ERROR, "A message is no JSON object.")
    return message


async def _send(socket: web.WebSocketResponse, message: Mapping[str, object]) -> None:
    await socket.send_str(orjson.dumps(message).decode())
