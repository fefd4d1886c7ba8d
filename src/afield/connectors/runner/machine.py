"""The way to a machine: one operation of the runner a call, over whatever leads there."""

from __future__ import annotations

import asyncio
import shlex
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from afield.connectors.runner.job import MACHINE

_PIECE = 64 * 1024
_MOST_ANSWER = 16 * 1024 * 1024


class NotReachedError(Exception):
    """The machine was not reached: certainly nothing was asked of it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class LostError(Exception):
    """The way broke off after the operation had been sent. Whether it was carried out is not known."""


class Machine(ABC):
    """A machine with the runner's needs. Calls may be made at the same time."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    @abstractmethod
    def running(self, command: tuple[str, ...], payload: bytes) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Run a command there with this stdin, and give its stdout, piece by piece. Ends it when the caller leaves.

        Raises NotReachedError, LostError, TimeoutError, CredentialError.
        """

    async def close(self) -> None:
        """Let go of connections."""
        return

    async def call(self, *words: str, payload: bytes = b"") -> bytes:
        """An operation's whole answer. Raises NotReachedError, LostError, CredentialError."""
        answer = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s), self.running(command(*words), payload) as pieces:
                async for piece in pieces:
                    answer += piece
                    if len(answer) > _MOST_ANSWER:
                        raise LostError(f"the answer is longer than {_MOST_ANSWER} bytes")
        except TimeoutError as error:
            raise LostError(f"no answer within {self._timeout_s:g} s") from error
        return bytes(answer)

    def stream(self, *words: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """An operation's answer, piece by piece, for as long as it takes."""
        return self.running(command(*words), b"")


def command(*words: str) -> tuple[str, ...]:
    """The operation as a command. Its words are keys, sizes and names of our own making or checking."""
    return ("/bin/sh", "-c", MACHINE, "afield", *words)


def quoted(words: tuple[str, ...]) -> str:
    """A command for a login shell that reads quotes as POSIX says."""
    return shlex.join(words)


async def pieces_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What a reader still gives."""
    while piece := await reader.read(_PIECE):
        yield piece
