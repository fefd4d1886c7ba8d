"""Packets and descriptors over a socket pair, without blocking the event loop."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from afield_sandbox.wire import PACKET

_SPACE = socket.CMSG_SPACE(16 * 4) + socket.CMSG_SPACE(12)


@dataclass(frozen=True, slots=True)
class Packet:
    """What came: nothing at all when the other side has closed. `sender` is a process id as seen from here."""

    data: bytes
    descriptors: tuple[int, ...] = ()
    sender: int | None = None


class Channel:
    """Our end of a pair. The other end is `far` until it is passed on and closed here."""

    def __init__(self, *, credentials: bool = False) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.near.setblocking(False)
        if credentials:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def send(self, data: bytes, descriptors: Sequence[int] = ()) -> bool:
        """Send at once; False when the other side has gone."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self.near.sendmsg([data], rights)
        except OSError:
            return False
        return True

    async def receive(self) -> Packet:
        """The next packet, in order; an empty one when the other side has closed."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(BlockingIOError):
                return self.take()
            arrived = loop.create_future()
            loop.add_reader(self.near, _settle, arrived)
            try:
                await arrived
            finally:
                loop.remove_reader(self.near)

    def take(self) -> Packet:
        """The next packet, if there is one; an empty one when the other side has closed. Raises BlockingIOError."""
        try:
            data, notes, _, _ = self.near.recvmsg(PACKET, _SPACE)
        except ConnectionError:
            return Packet(b"")
        descriptors, sender = array.array("i"), None
        for _, kind, content in notes:
            if kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
            elif kind == socket.SCM_CREDENTIALS:
                sender = struct.unpack("iII", content)[0]
        return Packet(data, tuple(descriptors), sender)

    def close(self) -> None:
        """Close both ends, if they are still open here."""
        self.near.close()
        self.far.close()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors, those that are closed already too."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
