"""Processes that live and die in milliseconds: forked from one that has imported everything already.

The parent writes one line of JSON per life to the nursery's standard input, and reads a line when it is born and one
when it is dead.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import select
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Nursery:
    """The parent's side."""

    def __init__(self, victim: str = "crash_victim") -> None:
        """`victim`: the module whose `live` a life is, beside this one."""
        self._victim = victim
        self._process: Process | None = None
        self._numbers = itertools.count()
        self._born: dict[int, asyncio.Future[int]] = {}
        self._dead: dict[int, asyncio.Future[int]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, self._victim, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None and self._process.stdin is not None and self._reading is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "pid" in said:
                self._born[said["life"]].set_result(said["pid"])
            else:
                self._dead[said["life"]].set_result(said["code"])

    async def live(self, arguments: list[str], *, killed_after: float | None) -> int:
        """One life; the exit code, or minus the signal that ended it."""
        assert self._process is not None and self._process.stdin is not None
        life = next(self._numbers)
        loop = asyncio.get_running_loop()
        self._born[life], self._dead[life] = loop.create_future(), loop.create_future()
        self._process.stdin.write(json.dumps({"life": life, "arguments": arguments}).encode() + b"\n")
        pid = await self._born[life]
        await asyncio.wait({self._dead[life]}, timeout=killed_after)
        if not self._dead[life].done():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return await self._dead[life]


# ------------------------------------------------------------------------------------------- the nursery's own side


def _say(**words: Any) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _bear(live: Callable[..., None], order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(2, 1)  # the parent reads standard output
        live(*order["arguments"])
        code = 0
    finally:
        os._exit(code)


def _reap(lives: dict[int, int]) -> None:
    while lives:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _say(life=lives.pop(pid), code=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Bear and reap until the parent closes the pipe, and the last one is dead."""
    live = importlib.import_module(sys.argv[1]).live  # imported once, for all
    lives: dict[int, int] = {}
    waiting, pending = True, b""
    while waiting or lives:
        ready, _, _ = select.select([0] if waiting else [], [], [], 0.01)
        if ready:
            read = os.read(0, 65536)
            waiting = bool(read)
            *lines, pending = (pending + read).split(b"\n")
            for order in map(json.loads, lines):
                pid = _bear(live, order)
                lives[pid] = order["life"]
                _say(life=order["life"], pid=pid)
        _reap(lives)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
