"""Waiting workers: so many lanes, each with one worker ready, all built again when they die."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from afield_sandbox.errors import BusyError, ClosedError, SandboxError, TooWeakError, WorkerLostError
from afield_sandbox.keeper.cell import Cell
from afield_sandbox.keeper.cgroups import ControlGroups, Slot
from afield_sandbox.keeper.nursery import Nursery
from afield_sandbox.wire import NurserySettings

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class Pool:
    """Hands out cells, first come, first served. Workers are made ahead, outside of any request."""

    def __init__(
        self, settings: NurserySettings, groups: ControlGroups, *, lanes: int, max_waiting: int, patience_s: float
    ) -> None:
        self._settings = settings
        self._groups = groups
        self._lanes = lanes
        self._max_waiting = max_waiting
        self._patience = patience_s
        self._ready: asyncio.Queue[Cell] = asyncio.Queue()
        self._waiting = 0
        self._building = asyncio.Lock()
        self._nursery: Nursery | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._slots: list[Slot] = []
        self._closed = False

    async def start(self) -> None:
        """Build the nursery and start keeping lanes. Raises TooWeakError when the host does not allow it."""
        nursery = await self._alive_nursery()
        for number in range(self._lanes):
            self._slots.append(await asyncio.to_thread(self._groups.slot, str(number)))
        try:
            await _try(nursery, self._slots[0])
        except WorkerLostError as problem:
            raise TooWeakError(f"The jail cannot be built on this host. {problem.message}") from problem
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]

    @property
    def nursery_pid(self) -> int | None:
        """The process id of the nursery outside; None before it is built."""
        return self._nursery.pid if self._nursery else None

    @property
    def ready(self) -> int:
        """How many workers wait for work."""
        return self._ready.qsize()

    async def _alive_nursery(self) -> Nursery:
        async with self._building:
            if self._nursery is not None and not self._nursery.alive:
                await self._nursery.close()
                self._nursery = None
            if self._nursery is None:
                self._nursery = await Nursery.start(self._settings)
            return self._nursery

    async def _keep(self, slot: Slot) -> None:
        """One lane's life, again and again. Pauses grow while nothing works."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async for _ in self._cells(slot):
                    pause = _FIRST_PAUSE
            except (SandboxError, OSError, TimeoutError) as problem:
                _log.warning("a lane has to be built again: %s", problem)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _cells(self, slot: Slot) -> AsyncIterator[Cell]:
        nursery = await self._alive_nursery()
        lane = await nursery.lane(slot)
        try:
            while True:
                cell = await lane.cell()
                self._ready.put_nowait(cell)
                yield cell
                await asyncio.wait([cell.ended])
        finally:
            lane.close()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Cell]:
        """A waiting worker, for one run. Raises BusyError when too many wait, ClosedError when none comes."""
        if self._closed:
            raise ClosedError("The jail is closed.")
        if self._ready.empty() and self._waiting >= self._max_waiting:
            raise BusyError(f"{self._waiting} runs wait already.", hint="Try again when some have ended.")
        self._waiting += 1
        try:
            cell = await self._next()
        finally:
            self._waiting -= 1
        try:
            yield cell
        finally:
            cell.close()

    async def _next(self) -> Cell:
        try:
            async with asyncio.timeout(self._patience):
                while (cell := await self._ready.get()).ended.done():
                    cell.close()
        except TimeoutError:
            hint = "Look at the standard error of the jail's process, and at the host's limits."
            raise ClosedError("No worker became ready in time.", hint=hint) from None
        return cell

    async def close(self) -> None:
        """End all runs and everything that waits."""
        self._closed = True
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        while not self._ready.empty():
            self._ready.get_nowait().close()
        if self._nursery:
            await self._nursery.close()
        for slot in self._slots:
            await asyncio.to_thread(slot.close)


async def _try(nursery: Nursery, slot: Slot) -> None:
    """Have one worker, to see that it can be had. Raises WorkerLostError."""
    lane = await nursery.lane(slot)
    try:
        (await lane.cell()).close()
    finally:
        lane.close()
