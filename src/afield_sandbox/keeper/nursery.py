"""The nursery's process, seen from outside: started, asked for lanes, ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from afield_sandbox import leftovers
from afield_sandbox.errors import TooWeakError
from afield_sandbox.keeper import folders
from afield_sandbox.keeper.cgroups import Slot
from afield_sandbox.keeper.channel import Channel
from afield_sandbox.keeper.lane import Lane
from afield_sandbox.wire import NurserySettings, Walls, pack, pack_settings, unpack

ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/box/code",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108  a link to the private folder
    "USER": "sandbox",
    "LD_BIND_NOW": "1",  # for the nursery alone: else every worker would look up the same symbols
}
_PROGRAM: Final = Path(__file__).parents[1] / "nursery" / "__main__.py"
_START_SECONDS: Final = 20.0
_END_SECONDS: Final = 5.0


class Nursery:
    """One process and all that is inside."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel, settings: NurserySettings) -> None:
        self._process = process
        self._channel = channel
        self._settings = settings

    @classmethod
    async def start(cls, settings: NurserySettings) -> Nursery:
        """Build it. Raises TooWeakError, with the kernel's word, when the host does not allow it."""
        if settings.walls is Walls.LANDLOCK:
            settings = replace(settings, folder=await asyncio.to_thread(folders.make, settings.folder))
        channel = Channel()
        python, number = Path(sys._base_executable), channel.far.fileno()  # type: ignore[attr-defined]
        process = await asyncio.create_subprocess_exec(
            python, "-I", "-S", "-B", "-X", "utf8", _PROGRAM, str(number),
            env=ENVIRONMENT, pass_fds=[number], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        channel.far.close()
        nursery = cls(process, channel, settings)
        try:
            await nursery._greet()
        except BaseException:
            await nursery.close()
            raise
        return nursery

    async def _greet(self) -> None:
        self._channel.send(pack_settings(self._settings))
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
            lane.close()
            raise
        return lane

    async def close(self) -> None:
        """End it, and all that is inside. Without namespaces it ends by itself, when it has ended all the others."""
        self._channel.close()
        if self._settings.walls is Walls.LANDLOCK:
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._process.wait()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._settings.walls is Walls.LANDLOCK:
            await asyncio.to_thread(leftovers.remove, self._settings.folder)


def _hint() -> str:
    return "It needs user namespaces (or root), a full /proc and Linux 5.12; containers often forbid them."
