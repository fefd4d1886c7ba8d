"""OpenSSH's sshd on the loopback, as the current user, with keys of its own; and a line to it that can be cut."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from afield.model.jsontypes import JsonObject

_SSHD = Path("/usr/sbin/sshd")
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
"""


@dataclass(frozen=True)
class SshServer:
    """Where it listens, and the keys to it."""

    folder: Path
    port: int
    host_key: asyncssh.SSHKey
    user_key: asyncssh.SSHKey

    @property
    def known_hosts_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {_line(self.host_key)}"

    @property
    def fingerprint(self) -> str:
        return self.host_key.get_fingerprint()

    @property
    def address(self) -> JsonObject:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "host_keys": [self.known_hosts_line],
        }

    @property
    def secret(self) -> dict[str, str]:
        return {"private_key": self.user_key.export_private_key().decode()}

    def let_in(self, *keys: asyncssh.SSHKey) -> None:
        """From now on, only who has one of these keys."""
        (self.folder / "authorized_keys").write_text("".join(f"{_line(key)}\n" for key in keys))


def _line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


@contextmanager
def running_sshd(folder: Path) -> Iterator[SshServer]:
    if not _SSHD.exists():
        pytest.skip("there is no OpenSSH server: apt-get install openssh-server openssh-client")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = SshServer(folder, _free_port(), *(asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)))
    server.host_key.write_private_key(folder / "host_key")
    (folder / "host_key").chmod(0o600)
    server.let_in(server.user_key)
    (folder / "config").write_text(_CONFIG.format(port=server.port, folder=folder))
    command = [_SSHD, "-D", "-f", folder / "config", "-E", folder / "log"]
    process = subprocess.Popen(command)
    try:
        while not _listens(server.port):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.01)
        yield server
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Line:
    """A line to a server: what the server says is swallowed while `deaf`, and all connections can be cut."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.deaf = False
        self.deaf_after = 1 << 60  # bytes from the client
        self._to_port = to_port
        self._writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers |= {writer, there}
        with suppress(ConnectionError):
            await asyncio.gather(self._pass(reader, there), self._pass(there_reader, writer, back=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        while data := await reader.read(65536):
            if not back:
                self.deaf_after -= len(data)
                self.deaf = self.deaf or self.deaf_after <= 0
            if not (back and self.deaf):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    line = Line(port)
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.cut()
        server.close()
        await server.wait_closed()
