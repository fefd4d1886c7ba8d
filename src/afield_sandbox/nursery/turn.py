"""A worker's turn, as its lane sees it: limits that no rlimit holds, an end that leaves nobody, a report."""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
from contextlib import suppress

from afield_sandbox import leftovers, wire
from afield_sandbox.nursery import usage, worker
from afield_sandbox.nursery.enclosure import Enclosure

_INTERVAL = 0.02  # between two looks at memory and the private folder
_SHORTEST = 0.005
_LONGEST = 1.0  # whoever has ended is reaped at least so often
_MOST_BEFORE = 0.05


class Turn:
    """Watches one worker from its start to its end."""

    def __init__(self, keeper: socket.socket, enclosure: Enclosure, child: int, page: mmap.mmap) -> None:
        self._keeper = keeper
        self._enclosure = enclosure
        self._child = child
        self._page = page
        self._why = ""
        self._watch: wire.Watch | None = None
        self._cpu = 0.0
        self._status: int | None = None
        self._spent = usage.Spent()

    def serve(self) -> None:
        """Until the worker has ended, by itself or not; then report, with nobody else left alive."""
        handle = os.pidfd_open(self._child)
        try:
            self._wait(handle)
        finally:
            os.close(handle)
        self.end()
        self._report()

    def _wait(self, handle: int) -> None:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(self._keeper, select.POLLIN)
        while not self._why:
            ready = {descriptor for descriptor, _ in poll.poll(self._pause())}
            if self._keeper.fileno() in ready:
                self._obey(self._keeper.recv(wire.PACKET))
            if handle in ready:
                return
            if not ready:
                self._look()

    def _pause(self) -> int | None:
        """Milliseconds until a limit could be reached at the earliest."""
        if self._watch is None:
            return None
        left = self._watch.cpu_s - self._cpu
        pause = min(_LONGEST, max(_SHORTEST, left / (os.cpu_count() or 1)))
        if self._watch.memory_bytes is not None or self._enclosure.looks:
            pause = min(pause, _INTERVAL)
        return int(pause * 1000) + 1

    @property
    def _before(self) -> float:
        """What the worker had used before the program began, as it says itself; never more than that can be."""
        (spent,) = struct.unpack_from("d", self._page, worker.SPENT_AT)
        return min(max(spent, 0.0), _MOST_BEFORE) if spent == spent else 0.0  # noqa: PLR0124  not a number

    def _look(self) -> None:
        """Whether a limit is passed. Reaps on the way: who has ended still counts as a process."""
        assert self._watch is not None
        while self._reap(os.WNOHANG):
            pass
        alive = self._enclosure.processes()
        self._cpu = max(0.0, self._spent.cpu_s + usage.cpu_seconds(alive) - self._before)
        if self._cpu >= self._watch.cpu_s:
            self._why = "cpu"
        elif self._watch.memory_bytes is not None and usage.resident_bytes(alive) > self._watch.memory_bytes:
            self._why = "memory"
        elif self._enclosure.crowded():
            self._why = "scratch"

    def _obey(self, packet: bytes) -> None:
        """Do as the keeper says. When it has gone, the run has nobody to tell."""
        message = wire.unpack(packet) if packet else {"stop": True}
        if "watch" in message:
            self._watch = wire.Watch(**message["watch"])  # type: ignore[arg-type]
            self._enclosure.begin(self._child, self._watch)
        elif "signal" in message:
            if self._status is None:
                os.kill(self._child, int(str(message["signal"])))
        elif "stop" in message:
            self._why = "stop"

    def end(self) -> None:
        """Kill and reap every process of the run. Nothing to be done when nobody is left."""
        if self._why or (self._status is None and not self._ended()):
            self._enclosure.end_all()
        while (reaped := self._reap(os.WNOHANG)) is not None:
            if not reaped:
                self._enclosure.end_all()
                self._reap(0)

    def _ended(self) -> bool:
        """Whether the worker has ended; it stays to be reaped."""
        return os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _reap(self, how: int) -> bool | None:
        """Take leave of one that has ended: True; False when none has yet; None when nobody is left."""
        try:
            pid, status, used = os.wait4(-1, how)
        except ChildProcessError:
            return None
        if pid == 0:
            return False
        self._spent.add(used)
        if pid == self._child:
            self._status = status
        return True

    def _report(self) -> None:
        kept = list(leftovers.files(f"{self._enclosure.box}/code", self._watch.keep if self._watch else 0))
        report = wire.Report(
            status=self._status or 0,
            cpu_s=max(0.0, self._spent.cpu_s - self._before),
            resident_bytes=self._spent.resident_bytes,
            why=self._why,
            out_of_memory=self._page[0] != 0,
            files=tuple((name, len(content), executable) for name, content, executable in kept),
        )
        content = b"".join(content for _, content, _ in kept)
        with suppress(ConnectionError):  # nobody wants to know any more
            self._keeper.send(wire.pack(wire.flat(report)))
            for at in range(0, len(content), wire.PACKET):
                self._keeper.send(content[at : at + wire.PACKET])
