"""A driver's process, inside this very process, that can die or be stopped for a while at any moment."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, cast

from afield.connectors.registry import AnyConnector
from afield.ledger.base import EngineLedger


class ProcessDied(BaseException):
    """The process is gone. No `except Exception` may keep it alive."""


Gate = Callable[[str], Awaitable[None]]
"""Called before and after every call a process makes, with its name: `before submit`, `after apply`. May wait, and may
call `Process.die`."""


async def _open(_: str) -> None:
    return


class Process:
    """Everything a driver does to the world outside goes through `ledger` and `connector` here. Once the process is
    dead nothing passes any more; what was on its way arrives, and its answer reaches nobody."""

    def __init__(self, ledger: EngineLedger, connector: AnyConnector, gate: Gate = _open) -> None:
        self.dead = False
        self._gate = gate
        self.ledger = cast(EngineLedger, _Gated(ledger, self))
        self.connector = cast(AnyConnector, _Gated(connector, self))

    def die(self) -> NoReturn:
        """Nothing leaves this process from now on."""
        self.dead = True
        raise ProcessDied

    def check(self) -> None:
        if self.dead:
            raise ProcessDied

    async def call(self, name: str, work: Callable[[], Awaitable[object]]) -> object:
        """One call to the outside, through the gate, there and back."""
        self.check()
        await self._gate(f"before {name}")
        self.check()
        answer = await work()
        await self._gate(f"after {name}")
        self.check()
        return answer


class _Gated:
    """Stands for an object of the outside: its coroutines go through the gate."""

    def __init__(self, outside: object, process: Process) -> None:
        self._outside = outside
        self._process = process

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._outside, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: object, **more: object) -> object:
            return await self._process.call(name, lambda: found(*args, **more))

        return call


async def dies(work: Awaitable[object]) -> bool:
    """Do the work; True when its process died of it."""
    try:
        await asyncio.ensure_future(work)
    except ProcessDied:
        return True
    return False
