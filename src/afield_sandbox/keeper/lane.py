"""A lane, seen from outside: asked for one worker after the other, and heard out about each."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from afield_sandbox.errors import WorkerLostError
from afield_sandbox.keeper.cell import Cell, Ending
from afield_sandbox.keeper.cgroups import Slot
from afield_sandbox.keeper.channel import Channel, Packet
from afield_sandbox.wire import Report, unpack, unpack_report


class Lane:
    """A process inside that forks one worker at a time, into its own control groups."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._loop = asyncio.get_running_loop()
        self.channel = Channel(credentials=True)
        self._hello: asyncio.Future[int] = self._loop.create_future()
        self._cell: Cell | None = None
        self._handle = -1
        self._report: Report | None = None
        self._content = bytearray()

    async def open(self) -> None:
        """Wait for its first word and put it into its groups. Raises WorkerLostError."""
        self._loop.add_reader(self.channel.near, self._listen)
        pid = await self._hello
        try:
            self._handle = os.pidfd_open(pid)
            await asyncio.to_thread(self._slot.attach, pid)
        except OSError as problem:
            raise WorkerLostError(f"A lane could not be put into its control groups: {problem}.") from problem

    async def cell(self) -> Cell:
        """The lane's next worker, ready. Raises WorkerLostError."""
        if self.channel.near.fileno() < 0:
            raise WorkerLostError("The lane has ended.")
        self._cell = cell = Cell(self._slot, self.channel, self.kill)
        try:
            await cell.ready
        except BaseException:
            cell.close()
            raise
        return cell

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            while (packet := self.channel.take()).data:
                self._hear(packet)
            self.close()

    def _hear(self, packet: Packet) -> None:
        if self._report is not None:
            self._content += packet.data
        elif "status" in (message := unpack(packet.data)):
            self._report = unpack_report(packet.data)
        else:
            self._greeted(message, packet.sender)
        if self._report is not None and len(self._content) >= sum(size for _, size, _ in self._report.files):
            self._over(Ending(self._report, bytes(self._content)))

    def _greeted(self, message: dict[str, object], sender: int | None) -> None:
        """The first word of the lane itself, or of its worker."""
        waiting = self._cell.ready if self._cell else self._hello
        if waiting.done():
            return
        if "error" in message:
            waiting.set_exception(WorkerLostError(f"A worker could not be closed in: {message['error']}."))
        elif self._cell:
            self._cell.ready.set_result(None)
        elif sender is not None:
            self._hello.set_result(sender)

    def _over(self, ending: Ending) -> None:
        """A worker's turn has ended."""
        self._report = None
        self._content.clear()
        if self._cell is None:
            return
        if not self._cell.ready.done():
            self._cell.ready.set_exception(WorkerLostError("A worker ended before it was ready."))
        if not self._cell.ended.done():
            self._cell.ended.set_result(ending)

    def kill(self) -> None:
        """End the lane, now. By handle, so that it can never hit another process."""
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it. It ends, and its worker with it."""
        if self.channel.near.fileno() < 0:
            return
        self._loop.remove_reader(self.channel.near)
        self.channel.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        if not self._hello.done():
            self._hello.set_exception(WorkerLostError("A lane ended before it was ready."))
        self._over(Ending())
