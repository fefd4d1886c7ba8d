"""The first process of a worker's namespaces: waits with it, watches what no rlimit can, and ends everything after it.

It never runs foreign code. Foreign code cannot signal it (the kernel shields the first process of a namespace) and
cannot look into it (it is not dumpable).
"""

from __future__ import annotations

import mmap
import os
import resource
import select
import signal
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

from afield_sandbox import linux, wire
from afield_sandbox.nursery import enclosure, usage, worker

_MEMORY_INTERVAL = 0.02
_SHORTEST = 0.005
_MOST_BEFORE = 0.05
_MAX_KEPT_FILES = 1000


def run(descriptors: list[int], settings: wire.NurserySettings) -> NoReturn:
    """Become the init of a new worker. Does not return."""
    *_, job, line = descriptors
    keeper = socket.socket(fileno=line)
    try:
        proc = enclosure.close_worker(settings)
        page = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the worker: see there
        child = os.fork()
        if child == 0:
            worker.run(descriptors, proc, page)
        linux.set_dumpable(False)
        for descriptor in (*descriptors[:3], job, proc):
            os.close(descriptor)
        keeper.send(wire.pack({"ready": True}))
        Init(keeper, child, page).serve()
    except OSError as problem:
        with suppress(OSError):
            keeper.send(wire.pack({"error": str(problem)}))
    finally:
        os._exit(0)


class Init:
    """Watches one worker from its start to its end."""

    def __init__(self, keeper: socket.socket, child: int, page: mmap.mmap) -> None:
        self._keeper = keeper
        self._child = child
        self._page = page
        self._why = ""
        self._watch: wire.Watch | None = None
        self._cpu = 0.0

    def serve(self) -> None:
        """Until the worker has ended, by itself or not; then report, with nothing else left alive."""
        handle = os.pidfd_open(self._child)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(self._keeper, select.POLLIN)
        ended = False
        while not ended:
            ready = {descriptor for descriptor, _ in poll.poll(self._pause())}
            if self._keeper.fileno() in ready and not self._obey(self._keeper.recv(wire.PACKET)):
                return
            ended = handle in ready or bool(self._why)
            if not ended and not ready:
                ended = self._over_limit()
        self._report()

    def _pause(self) -> int:
        """Milliseconds until a limit could be reached at the earliest."""
        if self._watch is None:
            return -1
        left = self._watch.cpu_s - self._cpu
        pause = max(_SHORTEST, left / (os.cpu_count() or 1))
        if self._watch.memory_bytes is not None:
            pause = min(pause, _MEMORY_INTERVAL)
        return int(pause * 1000) + 1

    @property
    def _before(self) -> float:
        """What the worker had used before the program began, as it says itself; never more than that can be."""
        (spent,) = struct.unpack_from("d", self._page, worker.SPENT_AT)
        return min(max(spent, 0.0), _MOST_BEFORE) if spent == spent else 0.0  # noqa: PLR0124  not a number

    def _over_limit(self) -> bool:
        assert self._watch is not None
        self._cpu = max(0.0, usage.cpu_seconds() - self._before)
        if self._cpu >= self._watch.cpu_s:
            self._why = "cpu"
        elif self._watch.memory_bytes is not None and usage.resident_bytes() > self._watch.memory_bytes:
            self._why = "memory"
        return bool(self._why)

    def _obey(self, packet: bytes) -> bool:
        """Do as the keeper says; False when it has gone."""
        if not packet:
            return False
        message = wire.unpack(packet)
        if "watch" in message:
            self._watch = wire.Watch(**message["watch"])  # type: ignore[arg-type]
        elif "signal" in message:
            os.kill(self._child, int(str(message["signal"])))
        else:
            self._why = "stop"
        return True

    def _report(self) -> None:
        status = self._end_all()
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = wire.Report(
            status=status,
            cpu_s=max(0.0, spent.ru_utime + spent.ru_stime - self._before),
            resident_bytes=spent.ru_maxrss * 1024,
            why=self._why,
            out_of_memory=self._page[0] != 0,
        )
        kept = list(_left_files(self._watch.keep)) if self._watch else []
        table = tuple((name, len(content), executable) for name, content, executable in kept)
        self._keeper.send(wire.pack(asdict(replace(report, files=table))))
        content = b"".join(content for _, content, _ in kept)
        for at in range(0, len(content), wire.PACKET):
            self._keeper.send(content[at : at + wire.PACKET])

    def _end_all(self) -> int:
        """Kill and reap everything in this namespace; the status of the worker itself."""
        status = 0
        if not self._why:
            _, status = os.waitpid(self._child, 0)
        assert os.getpid() == 1, "only the first process of a namespace of its own may end everybody"
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                child, ended = os.waitpid(-1, 0)
                status = ended if child == self._child else status
        return status


def _left_files(budget: int) -> Iterator[tuple[str, bytes, bool]]:
    """What the run left in the code folder: regular files, no links, as long as the budget lasts."""
    folder = Path(wire.CODE_FOLDER)
    if budget == 0:
        return
    for number, path in enumerate(sorted(folder.rglob("*"))):
        found = path.lstat()
        if number >= _MAX_KEPT_FILES or not stat.S_ISREG(found.st_mode) or found.st_size > budget:
            continue
        budget -= found.st_size
        with suppress(OSError, UnicodeEncodeError):
            name = str(path.relative_to(folder))
            name.encode()
            yield name, path.read_bytes(), bool(found.st_mode & 0o100)
