"""The way to a machine over ssh: one connection, shared by all calls, made again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncssh

from afield.connectors.runner.machine import LostError, Machine, NotReachedError, quoted
from afield.connectors.ssh.login import Login

_PIECE = 64 * 1024


class SshMachine(Machine):
    """Runs operations in sessions of one connection."""

    def __init__(self, login: Login, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._login = login
        self._connection: asyncssh.SSHClientConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            with suppress(asyncssh.Error, OSError):
                await connection.wait_closed()

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The connection. Raises NotReachedError, CredentialError."""
        async with self._one_at_a_time:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._login.connect()
            return self._connection

    @asynccontextmanager
    async def running(self, command: tuple[str, ...], payload: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        connection, process = await self._session(quoted(command))
        try:
            with self._told(connection):
                process.stdin.write(payload)
                process.stdin.write_eof()
            yield self._pieces(connection, process)
        finally:
            process.close()

    async def _session(self, command: str) -> tuple[asyncssh.SSHClientConnection, asyncssh.SSHClientProcess[bytes]]:
        """A session that runs the command; over a new connection when the one there was turns out to be closed."""
        old = self._connection
        connection = await self.connection()
        try:
            return connection, await self._start(connection, command)
        except asyncssh.ChannelOpenError as error:
            await asyncio.sleep(0)  # lets asyncssh finish closing
            if connection is old and connection.is_closed():
                return await self._session(command)
            raise NotReachedError("no_session", f"the machine opens no session: {error.reason}") from error

    async def _start(self, connection: asyncssh.SSHClientConnection, command: str) -> asyncssh.SSHClientProcess[bytes]:
        with self._told(connection):
            return await connection.create_process(command, encoding=None, stderr=asyncssh.DEVNULL)

    async def _pieces(
        self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]
    ) -> AsyncIterator[bytes]:
        with self._told(connection):
            while piece := await process.stdout.read(_PIECE):
                yield piece

    @contextmanager
    def _told(self, connection: asyncssh.SSHClientConnection) -> Iterator[None]:
        """What breaks off here may have been carried out. A connection that broke is not used again."""
        try:
            yield
        except asyncssh.ChannelOpenError:
            raise
        except (asyncssh.Error, OSError) as error:
            connection.abort()
            if self._connection is connection:
                self._connection = None
            raise LostError(f"the connection was lost ({type(error).__name__})") from error
