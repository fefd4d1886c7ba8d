"""A conversation whose owner goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from afield.coderunner.hangup import Line
from afield.connectors.talk import Typed


class Owner:
    """Whoever watches: notes what is told, and types what is put in."""

    interactive = True

    def __init__(self) -> None:
        self.told: list[object] = []
        self.typing: asyncio.Queue[Typed | None] = asyncio.Queue()

    async def stage(self, stage: str) -> None:
        self.told.append(stage)

    async def printed(self, stage: str, stream: str, data: bytes) -> None:
        self.told.append((stage, stream, data))

    async def ended(self, stage: str, exit_code: int | None, signal: str | None) -> None:
        self.told.append((stage, exit_code, signal))

    async def typed(self) -> AsyncIterator[Typed]:
        while (said := await self.typing.get()) is not None:
            yield said


async def everything(line: Line) -> list[Typed]:
    return [said async for said in line.typed()]


async def test_all_is_passed_on_until_the_owner_ends_it() -> None:
    owner = Owner()
    line = Line(owner)
    await line.stage("run")
    await line.printed("run", "stdout", b"x")
    await line.ended("run", 0, None)
    assert owner.told == ["run", ("run", "stdout", b"x"), ("run", 0, None)]
    for said in (Typed(b"a"), Typed(signal="SIGTERM"), None):
        owner.typing.put_nowait(said)
    assert line.interactive
    assert await everything(line) == [Typed(b"a"), Typed(signal="SIGTERM")]


async def test_nothing_is_passed_on_after_it_was_hung_up() -> None:
    owner = Owner()
    line = Line(owner)
    typed = asyncio.create_task(everything(line))
    owner.typing.put_nowait(Typed(b"a"))
    while not owner.typing.empty():
        await asyncio.sleep(0)
    line.hang_up()
    assert await typed in ([Typed(b"a")], [])
    await line.stage("run")
    await line.printed("run", "stdout", b"x")
    await line.ended("run", 0, None)
    assert owner.told == []
