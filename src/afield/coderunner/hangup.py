"""A conversation that can be hung up while the program goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from afield.connectors.talk import Talk, Typed


class Line:
    """A Talk that falls silent once its owner has gone, so that nobody speaks into a closed connection."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._gone = asyncio.Event()

    def hang_up(self) -> None:
        """Nobody listens any more, and nothing more will be typed."""
        self._gone.set()

    @property
    def interactive(self) -> bool:
        """As the owner says."""
        return self._talk.interactive

    async def stage(self, stage: str) -> None:
        """Passed on."""
        if not self._gone.is_set():
            await self._talk.stage(stage)

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        """Passed on."""
        if not self._gone.is_set():
            await self._talk.printed(stage, stream, data)

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        """Passed on."""
        if not self._gone.is_set():
            await self._talk.ended(stage, exit_code, signal)

    async def typed(self) -> AsyncIterator[Typed]:
        """Passed on until the owner has gone."""
        source = self._talk.typed()
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            while not gone.done():
                coming = asyncio.ensure_future(_next(source))
                try:
                    await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done() or (said := coming.result()) is None:
                        return
                finally:
                    coming.cancel()
                yield said
        finally:
            gone.cancel()


async def _next(source: AsyncIterator[Typed]) -> Typed | None:
    return await anext(source, None)
