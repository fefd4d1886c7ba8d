"""A process that has imported the commands already, and forks one for each call: starting one takes milliseconds.

Commands are run by `afield.cli.main.main`, as `python -m afield` runs them, in a process of their own, with the
caller's standard streams, folder and environment. Whatever has to be started for real (a worker, a terminal) is.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_MOST_BYTES = 1 << 20


class WarmCommands:
    """The tests' side."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def run(
        self, arguments: Sequence[str], given: bytes, environment: Mapping[str, str], cwd: Path
    ) -> tuple[int, bytes, bytes]:
        """A command to its end: exit code, output, errors."""
        return await asyncio.to_thread(self._run, arguments, given, environment, cwd)

    def _run(
        self, arguments: Sequence[str], given: bytes, environment: Mapping[str, str], cwd: Path
    ) -> tuple[int, bytes, bytes]:
        order = json.dumps([list(arguments), dict(environment), str(cwd)]).encode()
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            stdin.write(given)
            stdin.seek(0)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as calling:
                calling.connect(self._address)
                socket.send_fds(calling, [order], [stdin.fileno(), out.fileno(), err.fileno()])
                code = int(calling.recv(16))
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()


@contextmanager
def warm_commands(folder: Path) -> Iterator[WarmCommands]:
    """For a session of tests. Ends when its standard input is closed."""
    address = str(folder / "commands")
    process = subprocess.Popen([sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield WarmCommands(address)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


# ------------------------------------------------------------------------------------- the process's own side


def serve(address: str) -> None:
    """Fork for each call. Never returns: it is ended with its parent's pipe."""
    main = _commands()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(64)
        os.write(1, b"ready\n")
        if os.fork():
            os.read(0, 1)  # until the parent is gone
            os.killpg(0, signal.SIGTERM)
        while True:
            calling, _ = listening.accept()
            if os.fork() == 0:
                _answer(calling, main)
            calling.close()


def _commands() -> object:
    """All commands, imported; the function that runs one."""
    module = importlib.import_module("afield.cli.main")
    for place in module.PLACES.values():
        importlib.import_module(place.partition(":")[0])
    return module.main


def _answer(calling: socket.socket, main: object) -> None:
    """One call: a child that becomes the command, and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, streams, _, _ = socket.recv_fds(calling, _MOST_BYTES, 3)
    arguments, environment, cwd = json.loads(said)
    child = os.fork()
    if child == 0:
        calling.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["afield", *arguments]
        assert callable(main)
        main()
    _, status = os.waitpid(child, 0)
    calling.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    os.setpgid(0, 0)
    serve(sys.argv[1])
