"""Many machines to log in to: OpenSSH's server on the loopback, one port for each, as the current user."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from afield.model.jsontypes import JsonObject
from benchmarks.harness import free_port

_CONFIG = """\
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
SetEnv HOME={folder}/home
MaxStartups 1000
MaxSessions 50
"""
_MOST_PORTS = 16  # that one server listens on


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where they listen, by name, and the keys to them. Each has a folder of its own."""

    folder: Path
    ports: dict[str, int]
    host_key: str

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def key_file(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def place(self, name: str) -> Path:
        """The folder that stands for the machine's home."""
        return self.folder / name

    def address(self, name: str) -> JsonObject:
        """The address of an ssh target."""
        port = self.ports[name]
        return {
            "host": "127.0.0.1",
            "port": port,
            "user": self.user,
            "host_keys": [self.line(port)],
            "state_dir": str(self.place(name) / "state"),
        }

    def line(self, port: int) -> str:
        """The host's line of a known_hosts file."""
        return f"[127.0.0.1]:{port} {self.host_key}"

    def runs(self) -> int:
        """How many scripts have left a line in the journals of all."""
        journals = [self.place(name) / "journal" for name in self.ports]
        return sum(len(one.read_text().splitlines()) for one in journals if one.exists())

    def clean(self) -> None:
        """New folders for all."""
        for name in self.ports:
            shutil.rmtree(self.place(name), ignore_errors=True)
            self.place(name).mkdir()


def find_sshd() -> str | None:
    """The program; None where it is not installed (Debian: apt-get install openssh-server openssh-client)."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_hosts(program: str, folder: Path, count: int) -> Iterator[Hosts]:
    """As many as wanted; they end with the context. Raises RuntimeError when a server does not start."""
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it refuses to start without, as root
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    for name, key in (("host_key", host_key), ("user_key", user_key)):
        key.write_private_key(folder / name)
        (folder / name).chmod(0o600)
    user_key.write_public_key(folder / "user_key.pub")
    names = [f"host-{number + 1:02}" for number in range(count)]
    hosts = Hosts(folder, _ports(names), host_key.export_public_key().decode().strip())
    hosts.known_hosts.write_text("".join(f"{hosts.line(port)}\n" for port in hosts.ports.values()))
    (folder / "home").mkdir()  # what the user's own start-up files cost is nobody's merit or fault
    hosts.clean()
    with ExitStack() as servers:
        ports = list(hosts.ports.values())
        for first in range(0, count, _MOST_PORTS):
            servers.enter_context(_serving(program, folder, ports[first : first + _MOST_PORTS]))
        yield hosts


def _ports(names: list[str]) -> dict[str, int]:
    ports: set[int] = set()
    while len(ports) < len(names):
        ports.add(free_port())
    return dict(zip(names, ports, strict=True))


@contextmanager
def _serving(program: str, folder: Path, ports: Sequence[int]) -> Iterator[None]:
    """One server process, once it listens on all its ports."""
    config = folder / f"config-{ports[0]}"
    config.write_text("".join(f"Port {port}\n" for port in ports) + _CONFIG.format(folder=folder))
    process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if sum("listening" in one for one in said) == len(ports):
                break
        else:
            raise RuntimeError(f"sshd did not start: {''.join(said)}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield
    finally:
        process.terminate()
        process.wait(20)
