"""A kept session: the driver in the jail, as a run that goes on until it is ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from afield_sandbox.errors import WorkerLostError
from afield_sandbox.jail import LocalJail
from afield_sandbox.keeper.run import Run
from afield_sandbox.model import MIB, File, Limits, Outcome, Stream, Submission

_DRIVER: Final = Path(__file__).with_name("driver.py").read_bytes()
_LONGEST_LIFE: Final = 3600.0
_MOST_SAID: Final = 128 * MIB  # in one answer; more ends the session
_TRIES: Final = 3


class EndedError(Exception):
    """The session ended before it had answered. `outcome` says how, None when the jail could not say."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__("the session ended")
        self.outcome = outcome


def limits(memory_bytes: int) -> Limits:
    """What a session may use in its whole life."""
    return Limits(
        wall_s=_LONGEST_LIFE,
        cpu_s=_LONGEST_LIFE,
        memory_bytes=memory_bytes,
        file_bytes=64 * MIB,
    )


class Session:
    """One conversation with one driver. Ask one thing at a time."""

    def __init__(self, jail: LocalJail, memory_bytes: int) -> None:
        self._jail = jail
        self._submission = Submission("python", (File("session.py", _DRIVER),), limits=limits(memory_bytes))
        self._line = bytearray()
        self._said = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._run: Run | None = None
        self._life: asyncio.Task[Outcome] | None = None

    @classmethod
    async def start(cls, jail: LocalJail, memory_bytes: int) -> Session:
        """A new one, ready. Raises BusyError, ClosedError, WorkerLostError."""
        for _ in range(_TRIES):
            session = cls(jail, memory_bytes)
            try:
                await session._ask(b"")
            except EndedError:
                await session.end()
            else:
                return session
        raise WorkerLostError(f"{_TRIES} sessions in turn ended before they began.", hint="Nothing ran.")

    @property
    def alive(self) -> bool:
        return self._life is not None and not self._life.done()

    async def ask(self, request: bytes, seconds: float) -> bytes:
        """Send a line and wait for the answer. Raises TimeoutError, EndedError; the session is of no use then."""
        async with asyncio.timeout(seconds):
            return await self._ask(request)

    async def _ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._said = 0
        if self._life is None:
            self._life = asyncio.create_task(self._live())
        if self._run is not None:
            self._run.write(request)
        either: set[asyncio.Future[bytes] | asyncio.Task[Outcome]] = {self._answer, self._life}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done():
            return self._answer.result()
        if (problem := self._life.exception()) and not isinstance(problem, WorkerLostError):
            raise problem
        raise EndedError(None if problem else self._life.result())

    async def _live(self) -> Outcome:
        program = await self._jail.compile(self._submission)
        async with self._jail.started(program, self._hear, interactive=True, keep_output=False) as run:
            self._run = run
            try:
                return await run.finish()
            finally:
                self._run = None

    def _hear(self, stream: Stream, data: bytes) -> None:
        self._said += len(data)
        if self._said > _MOST_SAID and self._run is not None:
            self._run.stop()
        if stream is not Stream.STDOUT:
            return
        head, newline, rest = data.partition(b"\n")
        self._line += head
        if newline:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(bytes(self._line))
            self._line = bytearray(rest)

    async def end(self) -> None:
        """End it, with everything in it."""
        if self._run is not None:
            self._run.stop()
        elif self._life is not None:
            self._life.cancel()
        if self._life is not None:
            await asyncio.wait({self._life})
            if not self._life.cancelled():
                self._life.exception()  # looked at: it was asked to end
