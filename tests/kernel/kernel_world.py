"""A kernel on a database of the test's own, a remote of this process, and a clock that can be put forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from afield.clock import SystemClock
from afield.config import Settings
from afield.engine.worker import WorkerSettings
from afield.kernel import Kernel, Order, open_kernel, open_worker
from afield.ledger.base import EventFilter
from afield.model.execution import Event, EventKind, Execution, Resubmit
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target
from afield.testing.connector import MemoryConnector, register_memory
from afield.testing.faults import Fault
from afield.testing.remote import MemoryRemote

register_memory()
FAST = {"min_interval": 0.05, "max_interval": 0.2, "visibility_delay": 0, "max_visibility_delay": 0.3}


class MovedClock(SystemClock):
    """The machine's clock, put forward."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass
class World:
    """What a test of the kernel has."""

    kernel: Kernel
    remote: MemoryRemote
    clock: MovedClock

    async def target(self, name: str = "north", remote: str | None = None) -> Target:
        return await self.kernel.add_target(
            connector=MemoryConnector.name, name=name, address={"remote": remote or self.remote.name}, settings=FAST
        )  # fmt: skip

    async def submit(self, target: Target, **more: Any) -> UUID:
        order = Order(target=target.name, spec={"seconds": 0, "prints": "out"}, **more)
        return (await self.kernel.submit(order)).execution.id

    async def until(self, execution_id: UUID, done: Callable[[Execution], bool]) -> Execution:
        """Wait by the event feed."""
        wanted = EventFilter(tenant_id=DEFAULT_TENANT, execution_id=execution_id)
        async with aclosing(cast("Any", self.kernel.ledger.follow(wanted, after=0))) as events:
            async for _ in events:
                row = await self.kernel.ledger.execution(execution_id)
                if done(row):
                    return row
        raise AssertionError("unreachable")

    async def lost(self, target: Target) -> UUID:
        """An execution that runs at the remote, unseen, and was given up here. Needs a worker."""
        self.remote.faults.arm(Fault.REPLY_LOST, 1)
        self.remote.faults.arm(Fault.SLOW_TO_SHOW, 1)
        execution_id = await self.submit(target, resubmit=Resubmit.NEVER)
        await self.until(execution_id, lambda row: row.state is ExecutionState.LOST)
        return execution_id

    async def events(self, kind: EventKind) -> list[Event]:
        return await self.kernel.ledger.events(EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({kind})))


def settings_for(home: Path, url: str, **more: Any) -> Settings:
    return Settings(home=home, database_url=url, **more)


@asynccontextmanager
async def kernel_world(home: Path, url: str) -> AsyncIterator[World]:
    clock = MovedClock()
    remote = MemoryRemote(name=f"remote-{uuid4()}", clock=clock, waits=timedelta(0))
    async with open_kernel(settings_for(home, url), clock=clock) as kernel:
        yield World(kernel, remote, clock)


@asynccontextmanager
async def working(kernel: Kernel) -> AsyncIterator[None]:
    """A worker, in this process."""
    how = WorkerSettings(name=f"worker-{uuid4()}", takeover_after=timedelta(seconds=3))
    async with open_worker(kernel, how) as worker:
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running
