"""A real `afield web` process with a database of its own, and callers that ask for one thing after the other."""

from __future__ import annotations

import asyncio
import math
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp
import psutil

from afield.client import Client
from afield.errors import UnavailableError
from benchmarks.harness import ROOT, Json, Server, environment, free_port, migrated

_READY_S = 60.0

Once = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process."""

    url: str
    pid: int
    home: Path


@asynccontextmanager
async def web_process(postgres: Server, home: Path) -> AsyncIterator[Web]:
    """Started as users start it, on a new, empty database; it logs to a file."""
    log = await asyncio.to_thread(_log_in, home)
    port = str(free_port())
    with postgres.database() as database, log:
        mine = environment(AFIELD_DATABASE_URL=await migrated(database), AFIELD_HOME=str(home), AFIELD_PORT=port)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "afield", "web", cwd=ROOT, env=mine,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            web = Web(f"http://127.0.0.1:{port}", process.pid, home)
            await _until_ready(web)
            yield web
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)


def _log_in(home: Path) -> IO[bytes]:
    home.mkdir(parents=True)
    return (home / "web.log").open("wb")


async def _until_ready(web: Web) -> None:
    """No worker runs beside it, without which it would not call itself ready: nothing here waits for one."""
    async with asyncio.timeout(_READY_S), Client(web.url) as client:
        while True:
            try:
                await client.call("GET", "/healthz")
                return
            except UnavailableError:
                await asyncio.sleep(0.1)


def calling() -> aiohttp.ClientSession:
    """A client whose connections are not used again once they were idle for long: servers close them then."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=1))


@dataclass(frozen=True, slots=True)
class Load:
    """What callers met: milliseconds of each call, and how long all of them took together."""

    times_ms: Sequence[float]
    seconds: float

    @property
    def per_s(self) -> float:
        return len(self.times_ms) / self.seconds

    def summary(self) -> Json:
        """Median, 95th percentile and rate."""
        return {
            "p50_ms": round(statistics.median(self.times_ms), 2),
            "p95_ms": round(p95(self.times_ms), 2),
            "per_s": round(self.per_s, 1),
            "n": len(self.times_ms),
        }


def p95(values: Sequence[float]) -> float:
    """The smallest that 95 of 100 are not above. Not for none at all."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


async def load(once: Once, count: int, at_once: int) -> Load:
    """So many calls, so many at a time, each as soon as one before has ended."""
    left = iter(range(count))
    times: list[float] = []

    async def caller() -> None:
        for _ in left:
            times.append(await timed(once))

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return Load(times, time.perf_counter() - began)


async def timed(once: Once) -> float:
    """Milliseconds that a call takes."""
    began = time.perf_counter()
    await once()
    return 1000 * (time.perf_counter() - began)


def together(loads: Sequence[Load]) -> Load:
    """Several rounds as one."""
    return Load([one for load in loads for one in load.times_ms], sum(load.seconds for load in loads))


def own_cpu(pid: int) -> float:
    """CPU seconds of a process alone, without its children."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
