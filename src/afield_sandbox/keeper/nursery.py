"""The nursery's process, seen from outside: started, asked for lanes, ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from afield_sandbox.errors import TooWeakError, WorkerLostError
from afield_sandbox.keeper.cell import Cell
from afield_sandbox.keeper.cgroups import Slot
from afield_sandbox.keeper.channel import Channel
from afield_sandbox.wire import NurserySettings, pack, pack_settings, unpack

ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/box/code",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108  a link to the private folder
    "USER": "sandbox",
}
_PROGRAM: Final = Path(__file__).parents[1] / "nursery" / "__main__.py"
_START_SECONDS: Final = 20.0


class Lane:
    """A process inside that forks one worker at a time, into its own control groups."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.channel = Channel(credentials=True)

    async def open(self) -> None:
        """Wait for its first word and put it into its groups. Raises WorkerLostError."""
        hello = await self.channel.receive()
        if hello.sender is None or not hello.data:
            raise WorkerLostError("A lane ended before it was ready.")
        try:
            await asyncio.to_thread(self._slot.attach, hello.sender)
        except OSError as problem:
            raise WorkerLostError(f"A lane could not be put into its control groups: {problem}.") from problem

    async def cell(self) -> Cell:
        """The lane's next worker, ready. Raises WorkerLostError."""
        cell = Cell(self._slot)
        try:
            await cell.open(self.channel)
        except BaseException:
            cell.close()
            raise
        return cell


class Nursery:
    """One process and all that is inside."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    async def start(cls, settings: NurserySettings) -> Nursery:
        """Build it. Raises TooWeakError, with the kernel's word, when the host does not allow it."""
        channel = Channel()
        python, number = Path(sys._base_executable), channel.far.fileno()  # type: ignore[attr-defined]
        process = await asyncio.create_subprocess_exec(
            python, "-I", "-S", "-B", "-X", "utf8", _PROGRAM, str(number),
            env=ENVIRONMENT, pass_fds=[number], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        channel.far.close()
        nursery = cls(process, channel)
        try:
            await nursery._greet(settings)
        except BaseException:
            await nursery.close()
            raise
        return nursery

    async def _greet(self, settings: NurserySettings) -> None:
        self._channel.send(pack_settings(settings))
        async with asyncio.timeout(_START_SECONDS):
            hello = (await self._channel.receive()).data
        message = unpack(hello) if hello else {"error": "its first process ended without a word"}
        if "error" in message:
            raise TooWeakError(f"The jail cannot be built on this host: {message['error']}.", hint=_hint())

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id outside."""
        return self._process.pid

    async def lane(self, slot: Slot) -> Lane:
        """A new lane in these groups. Raises WorkerLostError."""
        lane = Lane(slot)
        try:
            self._channel.send(pack({"lane": True}), [lane.channel.far.fileno()])
            lane.channel.far.close()
            await lane.open()
        except BaseException:
            lane.channel.close()
            raise
        return lane

    async def close(self) -> None:
        """End it, and all that is inside."""
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _hint() -> str:
    return "It needs user namespaces (or root), a full /proc and Linux 5.12; containers often forbid them."
