"""Everything that is kept for one identifier: its files, its session, one execution at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.errors import BusyAnswerError
from afield_sandbox.adapter.interpreter.folder import MOST_FILES, Folder
from afield_sandbox.adapter.interpreter.frames import Answer, FrameError, Kind, Request, Room, read_answer
from afield_sandbox.adapter.interpreter.session import EndedError, Session
from afield_sandbox.adapter.offload import handle
from afield_sandbox.jail import LocalJail
from afield_sandbox.model import MIB

_MOST_OUTPUT = MIB
_MOST_CHANGED = 32 * MIB
_MOST_WAITING = 32
_TIMED_OUT = "Request timed out waiting for code execution to complete"
_ABORTED = "Execution aborted"


@dataclass(frozen=True, slots=True)
class Work:
    """An execution that is asked for."""

    kind: Kind
    code: str
    seconds: float
    most_output: int = _MOST_OUTPUT


@dataclass(frozen=True, slots=True)
class Done:
    """An execution that has ended."""

    answer: Answer
    ok: bool
    seconds: float


class Workspace:
    """One identifier's. `session` is None as long as nothing was executed, and after a session had to be ended."""

    def __init__(self, jail: LocalJail, clock: Clock, memory_bytes: int) -> None:
        self._jail = jail
        self._clock = clock
        self._memory = memory_bytes
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._forgotten = False
        self.folder = Folder()
        self.session: Session | None = None
        self.created_at = clock.now()
        self.used_at = clock.now()
        self._last = time.monotonic()

    @property
    def busy(self) -> bool:
        return self._waiting > 0

    @property
    def idle_s(self) -> float:
        """For how long nobody used it."""
        return 0.0 if self.busy else time.monotonic() - self._last

    def touch(self) -> None:
        """It is used."""
        self.used_at, self._last = self._clock.now(), time.monotonic()

    async def execute(self, work: Work) -> Done:
        """Run one execution, after those before it. Raises BusyAnswerError, and SandboxError when nothing could run."""
        if self._waiting >= _MOST_WAITING:
            raise BusyAnswerError(f"{self._waiting} executions of this identifier wait already.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._execute(work)
        finally:
            self._waiting -= 1
            self.touch()

    async def _execute(self, work: Work) -> Done:
        new = self.session is None or not self.session.alive
        request_id = uuid4().hex
        if new and not self._forgotten:
            self.session = await Session.start(self._jail, self._memory)
        if self._forgotten:
            await self.end_session()
            return Done(Answer(id=request_id, stderr=_ABORTED), ok=False, seconds=0.0)
        session = self.session
        assert session is not None
        put, removed = self.folder.changes(all_=new)
        room = Room(work.most_output, _MOST_CHANGED, MOST_FILES)
        request = Request(id=request_id, kind=work.kind, code=work.code, put=put, remove=removed, room=room)
        began = time.monotonic()
        answer, ok = await self._ask(session, request, work.seconds)
        return Done(answer, ok, time.monotonic() - began)

    async def _ask(self, session: Session, request: Request, seconds: float) -> tuple[Answer, bool]:
        """The answer, and whether it is a success. A session that does not answer properly is ended."""
        try:
            line = await session.ask(await handle(request.size, request.pack), seconds)
            answer = await handle(len(line), read_answer, line, request.id)
            self.folder.learn(answer.files(), answer.gone + answer.left_out, self._clock.now())
        except TimeoutError:
            text = _TIMED_OUT
        except (EndedError, FrameError):
            text = _ABORTED
        else:
            return answer, answer.error is None and not answer.status
        await self._end(session)
        return Answer(id=request.id, stderr=text), False

    async def _end(self, session: Session) -> None:
        await session.end()
        if self.session is session:
            self.session = None

    async def end_session(self) -> None:
        """Forget the variables; the files stay."""
        if self.session is not None:
            await self._end(self.session)

    async def forget(self) -> None:
        """Forget everything. What still waits is not run any more."""
        self._forgotten = True
        self.folder = Folder()
        await self.end_session()
