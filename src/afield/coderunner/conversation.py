"""A conversation with a running program, in messages: what happens there is told, what is said here waits there."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from afield.connectors.coding import CodeResult
from afield.connectors.talk import Talk, Typed
from afield.model.jsontypes import JsonObject

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

Tell: TypeAlias = Callable[[JsonObject], Awaitable[None]]

MOST_WAITING: Final = 1024 * 1024
"""How many bytes may have been said that the program was not given yet."""

_DECODER: Final = codecs.getincrementaldecoder("utf-8")


class TooMuchSaidError(Exception):
    """The program does not read what it is told."""


class Conversation(Talk):
    """Tells what happens in Piston's messages: `stage`, `data`, `exit`.

    Text is told in whole characters; what is no UTF-8 comes as replacement characters.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._said: asyncio.Queue[Typed] = asyncio.Queue()
        self._waiting = 0
        self._decoders: dict[str, IncrementalDecoder] = {}
        self._began = False

    # ------------------------------------------------------------------ what is said here

    def say(self, text: str) -> None:
        """To the program's standard input. Raises TooMuchSaidError."""
        data = text.encode("utf-8", "replace")
        if self._waiting + len(data) > MOST_WAITING:
            raise TooMuchSaidError
        if data:  # an empty piece would be the end of the input
            self._waiting += len(data)
            self._said.put_nowait(Typed(data))

    def end_input(self) -> None:
        """Nothing more comes on its standard input."""
        self._said.put_nowait(Typed())

    def signal(self, name: str) -> None:
        """Send it a signal, such as SIGTERM."""
        self._said.put_nowait(Typed(signal=name))

    async def typed(self) -> AsyncIterator[Typed]:
        while True:
            said = await self._said.get()
            self._waiting -= len(said.data)
            yield said

    @property
    def interactive(self) -> bool:
        return True

    # ------------------------------------------------------------------ what happens there

    async def stage(self, stage: str) -> None:
        self._began = True
        await self._tell({"type": "stage", "stage": stage})

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        decoder = self._decoders.setdefault(stream, _DECODER("replace"))
        await self._data(stream, decoder.decode(data))

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        for stream, decoder in self._decoders.items():
            await self._data(stream, decoder.decode(b"", final=True))
        self._decoders.clear()
        await self._tell({"type": "exit", "stage": stage, "code": exit_code, "signal": signal})

    async def _data(self, stream: str, text: str) -> None:
        if text:
            await self._tell({"type": "data", "stream": stream, "data": text})

    async def retell(self, result: CodeResult) -> None:
        """Tell all of it now, if the pool let nobody watch."""
        if self._began:
            return
        if result.compile is not None:
            await self._at_once("compile", result.compile)
        if result.compile is None or result.compile.exit_code == 0:
            await self._at_once("run", result)

    async def _at_once(self, stage: str, result: CodeResult) -> None:
        await self.stage(stage)
        await self._data("stdout", result.stdout)
        await self._data("stderr", result.stderr)
        await self.ended(stage, result.exit_code, result.signal)
