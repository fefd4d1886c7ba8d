"""What the contest's attacks reach for: things that are really there, and notice when somebody gets at them."""

from __future__ import annotations

import asyncio
import secrets
from asyncio.subprocess import Process
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from afield.model.jsontypes import JsonObject


class Canaries:
    """A file that anybody may read and write, a process, and two listeners. The file and the process's command line
    hold a secret, and so do the notes that some solutions leave behind."""

    def __init__(self, folder: Path) -> None:
        """`folder`: new, for this alone."""
        self._folder = folder
        self._file = folder / "canary"
        self._secret = secrets.token_hex(16)
        self._stack = AsyncExitStack()
        self._process: Process | None = None
        self._port = 0
        self._connections = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await asyncio.to_thread(self._plant)
            name = f"\0{self._name}"
            for server in (
                await asyncio.start_server(self._knock, "127.0.0.1", 0),
                await asyncio.start_unix_server(self._knock, name),
            ):
                stack.push_async_callback(_close, server)
                self._port = self._port or server.sockets[0].getsockname()[1]
            self._process = await asyncio.create_subprocess_exec(
                *("sh", "-c", "cat", self._secret),  # ends with its input, and so with us
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.push_async_callback(self._end_process)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def bait(self) -> JsonObject:
        """Where they are, for those who reach for them, and the secret for those who leave notes."""
        assert self._process is not None, "started"
        return {
            "secret": self._secret,
            "file": str(self._file),
            "pid": self._process.pid,
            "port": self._port,
            "name": self._name,
        }

    async def reached(self, outputs: Iterable[str]) -> int:
        """How often somebody got at something: the secret in a program's output, connections, harm done."""
        told = sum(self._secret in output for output in outputs)
        harmed = not await asyncio.to_thread(self._unharmed)
        killed = self._process is None or self._process.returncode is not None
        return told + self._connections + harmed + killed

    @property
    def _name(self) -> str:
        return f"afield-demo-{self._secret[:8]}"

    def _plant(self) -> None:
        self._folder.mkdir()
        self._folder.chmod(0o777)
        self._file.write_text(self._secret)
        self._file.chmod(0o666)

    def _unharmed(self) -> bool:
        return self._file.is_file() and self._file.read_text() == self._secret

    async def _knock(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        writer.close()

    async def _end_process(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


async def _close(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()
