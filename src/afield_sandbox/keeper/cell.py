"""A cell: one waiting worker, seen from outside, with everything that leads to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress

from afield_sandbox.errors import WorkerLostError
from afield_sandbox.keeper.cgroups import Slot
from afield_sandbox.keeper.channel import Channel, close_all
from afield_sandbox.wire import pack, unpack


class Cell:
    """Used for one run. `gone` is set when its last process has ended."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.gone = asyncio.Event()
        self.line = Channel()
        self.job, self._far_job = socket.socketpair()
        self.job.setblocking(False)
        (stdin, self.stdin), (self.stdout, stdout), (self.stderr, stderr) = (os.pipe() for _ in range(3))
        self._far_streams = [stdin, stdout, stderr]
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(descriptor, False)
        self._handle = -1
        self._closed = False

    async def open(self, lane: Channel) -> None:
        """Have the lane fork the worker and wait until it is ready. Raises WorkerLostError when that fails."""
        lane.send(pack({"spawn": True}), self._far_ends)
        self._close_far_ends()
        answer = await lane.receive()
        if not answer.descriptors:
            raise WorkerLostError("The lane ended before it had a worker.")
        self._handle = answer.descriptors[0]
        asyncio.get_running_loop().add_reader(self._handle, self._has_gone)
        hello = (await self.line.receive()).data
        message = unpack(hello) if hello else {"error": "it ended without a word"}
        if "error" in message:
            raise WorkerLostError(f"A worker could not be closed in: {message['error']}.")

    @property
    def _far_ends(self) -> list[int]:
        return [*self._far_streams, self._far_job.fileno(), self.line.far.fileno()]

    def _close_far_ends(self) -> None:
        close_all(self._far_streams)
        self._far_streams.clear()  # their numbers may be somebody else's soon
        self._far_job.close()
        self.line.far.close()

    def _has_gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        self.gone.set()

    def kill(self) -> None:
        """End every process of the cell, now. By handle, so that it can never hit another process."""
        if self._handle >= 0 and not self.gone.is_set():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close_stdin(self) -> None:
        """The program sees the end of its input."""
        close_all([self.stdin])
        self.stdin = -1

    def close(self) -> None:
        """Let go of everything. The worker ends when it has not already."""
        if self._closed:
            return
        self._closed = True
        self.kill()
        if self._handle >= 0:
            asyncio.get_running_loop().remove_reader(self._handle)
        self._close_far_ends()
        self.line.close()
        self.job.close()
        close_all([self.stdin, self.stdout, self.stderr, self._handle])
        self.gone.set()
