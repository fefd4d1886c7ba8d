"""Real `afield` processes on a crash test's world."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import aclosing
from typing import Any, cast

from crash_world import World

from afield.ledger.base import EventFilter
from afield.model.target import DEFAULT_TENANT


async def start(world: World, *arguments: str, faultpoints: str = "") -> Process:
    """An `afield` process on the world's database."""
    environment = os.environ | {
        "AFIELD_DATABASE_URL": world.url,
        "AFIELD_HOME": str(world.home),
        "AFIELD_SECRET_KEY": "a passphrase for tests only",
        "AFIELD_TAKEOVER_AFTER": "3",
        "AFIELD_LOG_LEVEL": "WARNING",
        "AFIELD_FAULTPOINTS": faultpoints,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL
    )


async def stopped(process: Process) -> None:
    """Stop a process kindly; it has ten seconds."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == 0


async def all_complete(world: World) -> None:
    """Wait until nothing is outstanding, by the event feed."""
    events = cast("Any", world.kernel.ledger.follow(EventFilter(tenant_id=DEFAULT_TENANT), after=0))
    async with aclosing(events) as following:
        async for _ in following:
            if not await world.kernel.ledger.undriven():
                return
