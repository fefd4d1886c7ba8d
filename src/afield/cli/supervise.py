"""Keeping a few processes running on one machine: start, restart when they die, stop together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import IO

import structlog

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_STOP_WITHIN = 9.0  # a process takes eight for what is under way


class Child:
    """One process of ours, restarted when it dies unless it is being stopped.

    Its standard input is a pipe that we hold and never write to: when we die, whatever kills us, it reads the end of
    it and stops by itself (`afield ... --with-parent`).
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = None,
    ) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", "afield", *arguments, "--with-parent"]
        self._environment = dict(environment or os.environ)
        self._output = output
        self._process: Process | None = None
        self._stopping = False
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start it once; `keep` watches over it."""
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C is for us; we stop it in order
        )
        log.info("process.started", name=self.name, pid=self._process.pid)

    async def keep(self) -> None:
        """Start it again whenever it dies; after quick deaths, with growing pauses. Returns once it is stopped."""
        pause = _FIRST_PAUSE
        while not self._stopping:
            if self._process is None:
                await self.start()
            assert self._process is not None
            began = asyncio.get_running_loop().time()
            code = await self._process.wait()
            if self._told_to_stop():
                return
            self.deaths += 1
            lived = asyncio.get_running_loop().time() - began
            pause = _FIRST_PAUSE if lived > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            log.warning("process.died", name=self.name, pid=self._process.pid, code=code, restart_in=pause)
            await asyncio.sleep(pause)
            if not self._told_to_stop():
                await self.start()

    def _told_to_stop(self) -> bool:
        return self._stopping

    def kill(self) -> bool:
        """SIGKILL, as a fault would; `keep` starts it again. False when it does not run at the moment."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if it has not ended after nine seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            log.error("process.killed", name=self.name, pid=process.pid)
            process.kill()
            await process.wait()
