"""A cell: one waiting worker, seen from outside, with everything that leads to it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from afield_sandbox.keeper.cgroups import Slot
from afield_sandbox.keeper.channel import Channel, close_all
from afield_sandbox.wire import PACKET, Report, pack


@dataclass(frozen=True, slots=True)
class Ending:
    """What the lane says at the end, and the files that were kept. No report: the lane was gone."""

    report: Report | None = None
    content: bytes = b""


class Cell:
    """Used for one run. Nobody of the run is alive when it has `ended`, unless the lane was ended from outside."""

    def __init__(self, slot: Slot, lane: Channel, kill: Callable[[], None]) -> None:
        self.slot = slot
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._lane = lane
        self.kill = kill
        self.job, far_job = socket.socketpair()
        self.job.setblocking(False)
        (stdin, self.stdin), (self.stdout, stdout), (self.stderr, stderr) = (os.pipe() for _ in range(3))
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(descriptor, False)
        lane.send(pack({"spawn": True}), [stdin, stdout, stderr, far_job.fileno()])
        far_job.close()
        close_all([stdin, stdout, stderr])
        self._closed = False

    def say(self, message: dict[str, object]) -> None:
        """Tell the lane, as long as the worker is there."""
        if not self.ended.done():
            self._lane.send(pack(message))

    def word(self) -> bytes:
        """What the worker has said about its beginning: nothing, that it begins, or why it cannot."""
        said = b""
        with suppress(OSError):
            while data := self.job.recv(PACKET):
                said += data
        return said

    def close_stdin(self) -> None:
        """The program sees the end of its input."""
        close_all([self.stdin])
        self.stdin = -1

    def close(self) -> None:
        """Let go of everything. The worker ends when it has not already."""
        if self._closed:
            return
        self._closed = True
        self.say({"stop": True})
        self.job.close()
        close_all([self.stdin, self.stdout, self.stderr])
