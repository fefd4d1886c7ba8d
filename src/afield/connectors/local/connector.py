"""The local connector: the runner on the machine the worker runs on. Only used for targets that name it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import ClassVar

from afield.connectors.base import TargetContext
from afield.connectors.runner.connector import RunnerConnector
from afield.connectors.runner.machine import Machine, NotReachedError, pieces_of
from afield.connectors.runner.spec import RUNNER_LIMITS, RunnerAddress

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "SHELL", "TMPDIR")


class LocalAddress(RunnerAddress):
    """This machine."""


class LocalMachine(Machine):
    """Runs operations as child processes. Nothing else of the worker's environment gets into scripts: there are
    secrets in it."""

    @asynccontextmanager
    async def running(self, command: tuple[str, ...], payload: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment, start_new_session=True
            )
        except OSError as error:
            raise NotReachedError("no_shell", f"this machine cannot start /bin/sh ({error.strerror})") from error
        assert process.stdin is not None, "it was asked for"
        assert process.stdout is not None, "it was asked for"
        feeding = asyncio.create_task(_feed(process.stdin, payload))
        try:
            yield pieces_of(process.stdout)
        finally:
            feeding.cancel()
            await _end(process)


async def _feed(stdin: asyncio.StreamWriter, payload: bytes) -> None:
    """Hand over the payload. An operation that has read enough may close its end before."""
    with suppress(ConnectionError):
        stdin.write(payload)
        await stdin.drain()
    stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """An operation that answered whole has ended; another one is given up."""
    assert process.stdout is not None, "it was asked for"
    if process.returncode is None and not process.stdout.at_eof():
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()


class LocalConnector(RunnerConnector[LocalAddress]):
    """Scripts on this machine, as the worker's user."""

    name: ClassVar[str] = "local"
    Address = LocalAddress

    @classmethod
    async def _way(cls, context: TargetContext, address: LocalAddress) -> Machine:
        return LocalMachine(RUNNER_LIMITS.overridden(context.settings).request_timeout.total_seconds())
