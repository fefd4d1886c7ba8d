"""Whether the web process stays awake: the slowest answers of `/healthz` and of a job's status with no job and with
eight of them under way, and how long an entry of a job's log takes from the ledger to a client's event stream.

A real web process, a real worker with its agents, callers in processes of their own that ask at a steady pace.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg

from afield.client import Client
from afield.config import LogFormat
from afield.demo.pulse import Pulse, p99
from afield.ledger import embedded
from afield.telemetry.logs import set_up_logs
from benchmarks.demos import afield, settings_of, sites_of, websites
from benchmarks.harness import Json, Server, arguments, deliver, free_port, machine, migrated, say, server, workspace

MOST_RATIO = 2.0
EVERY_S = {"healthz": 0.02, "status": 0.1}
"""Seconds between two calls of each kind."""

_PATIENCE_S = 300.0
_COMMITTED = """
    select job_id::text, number, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from afield.provision_log
    where job_id = any(%s)
    """


@dataclass(frozen=True, slots=True)
class Size:
    """Jobs at once, rows of each, how many calls of `/healthz` are timed without a job. `refused`: the jobs end at
    their first agent, for their site's certificate has expired."""

    jobs: int = 8
    rows: int = 100_000
    calls: int = 3000
    refused: bool = False


SMALL = Size(jobs=1, rows=5_000, calls=50, refused=True)


@dataclass(slots=True)
class Stage:
    """A running installation, and what its job streams have told."""

    client: Client
    session: aiohttp.ClientSession
    url: str
    database: str
    heard: dict[tuple[str, int], float] = field(default_factory=dict)  # seconds since 1970, by job and number

    async def start(self, site: str) -> str:
        """A new job."""
        made = await self.client.call("POST", "/api/provision/start", {"customer_url": site})
        assert isinstance(made, dict)
        return str(made["job_id"])

    async def follow(self, job_id: str) -> None:
        """Listen to a job's stream, from its first entry to its end."""
        async with self.session.get(f"{self.url}/api/provision/stream/{job_id}") as stream:
            stream.raise_for_status()
            async for line in stream.content:
                if line.startswith(b"id: "):
                    self.heard[job_id, int(line[4:])] = time.time()

    async def status(self, job_id: str) -> str:
        """What became of a job."""
        found = await self.client.call("GET", f"/api/provision/status/{job_id}")
        assert isinstance(found, dict)
        return str(found["status"])

    async def lags_ms(self, job_ids: Sequence[str]) -> list[float]:
        """From the commit of each entry to its event, in milliseconds. Raises RuntimeError when one was not heard."""
        async with await psycopg.AsyncConnection.connect(self.database) as connection:
            rows = await (await connection.execute(_COMMITTED, (list(job_ids),))).fetchall()
        if missing := [row[:2] for row in rows if (row[0], row[1]) not in self.heard]:
            raise RuntimeError(f"{len(missing)} entries were not heard: {missing[:3]}")
        return [1000 * (self.heard[job_id, number] - committed) for job_id, number, committed in rows]


@asynccontextmanager
async def staged(folder: Path, size: Size) -> AsyncIterator[tuple[Stage, list[str]]]:
    """Everything, and the addresses of websites."""
    home, port = folder / "home", free_port()
    async with (
        keeping_times(folder / "postgres") as postgres,
        websites(folder / "websites") as access,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        with postgres.database() as database:
            more = {"AFIELD_PROVISION_ROWS": str(size.rows), "AFIELD_PORT": str(port)}
            mine = settings_of(home, await migrated(database), access, **more)
            await asyncio.to_thread(home.mkdir)
            url = f"http://127.0.0.1:{port}"
            async with (
                afield("web", mine, folder / "web.log"),
                afield("worker", mine, folder / "worker.log"),
                Client(url) as client,
            ):
                async with asyncio.timeout(_PATIENCE_S):
                    while not await client.ready():  # noqa: ASYNC110 - another process, there is no event to wait for
                        await asyncio.sleep(0.1)
                sites = [access.sites["expired"].https] if size.refused else sites_of(access, size.jobs + 1)
                yield Stage(client, session, url, database), sites


@asynccontextmanager
async def keeping_times(folder: Path) -> AsyncIterator[Server]:
    """The database, which also keeps when each transaction was committed."""
    async with (
        server(folder) as postgres,
        await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection,
    ):
        await connection.execute("alter system set track_commit_timestamp = on")
    url = await embedded.ensure_started(folder)
    try:
        yield Server(folder, url)
    finally:
        await embedded.stop(folder)


# --------------------------------------------------------------------------------------- measuring


async def measure(size: Size) -> Json:
    """The jobs, then nothing, at the same load."""
    with workspace() as folder:
        folder.chmod(0o755)
        async with staged(folder, size) as (stage, sites):
            if not size.refused:  # whatever is slow but once is over after it
                await stage.follow(await stage.start(sites[-1]))
            busy, jobs, seconds = await awake(stage, sites[: size.jobs])
            say(f"{size.jobs} jobs: {shown(busy)}")
            states = {await stage.status(job_id) for job_id in jobs}
            if states != {"failed" if size.refused else "completed"}:
                raise RuntimeError(f"the jobs are {states}")
            quiet = await asleep(stage, jobs[-1], size.calls)
            say(f"no job: {shown(quiet)}")
            return result(size, quiet, busy, await stage.lags_ms(jobs), seconds)


Times = Mapping[str, Sequence[float]]
"""Milliseconds of each call, by what was asked for."""


async def asleep(stage: Stage, job_id: str, calls: int) -> Times:
    """So many calls of `/healthz`, and those of the status in the same time, while nothing is done."""
    fewer = round(calls * EVERY_S["healthz"] / EVERY_S["status"])
    async with pulses(stage, job_id) as (health, status):
        health_ms, status_ms = await asyncio.gather(health.gathered(calls), status.gathered(fewer))
    return {"healthz": health_ms, "status": status_ms}


async def awake(stage: Stage, sites: Sequence[str]) -> tuple[Times, list[str], float]:
    """The same pace while all jobs are under way, each with somebody who follows it; until the last one has ended."""
    began = time.perf_counter()
    jobs = [await stage.start(site) for site in sites]
    async with pulses(stage, jobs[-1]) as (health, status):
        async with asyncio.timeout(_PATIENCE_S), asyncio.TaskGroup() as group:
            for job_id in jobs:
                group.create_task(stage.follow(job_id))
        times = {"healthz": health.taken(), "status": status.taken()}
    return times, jobs, time.perf_counter() - began


@asynccontextmanager
async def pulses(stage: Stage, job_id: str) -> AsyncIterator[tuple[Pulse, Pulse]]:
    """Two callers: of `/healthz`, and of a job's status."""
    async with (
        Pulse(f"{stage.url}/healthz", EVERY_S["healthz"]) as health,
        Pulse(f"{stage.url}/api/provision/status/{job_id}", EVERY_S["status"]) as status,
    ):
        yield health, status


def result(size: Size, quiet: Times, busy: Times, lags_ms: Sequence[float], seconds: float) -> Json:
    """The figures, and what they are to each other."""
    ratios = {name: round(p99(busy[name]) / p99(quiet[name]), 2) for name in quiet}
    return {
        "benchmark": "responsive",
        "jobs": size.jobs,
        "rows": size.rows,
        "seconds": round(seconds, 1),
        "without": {name: summary(times) for name, times in quiet.items()},
        "with": {name: summary(times) for name, times in busy.items()},
        "p99_ratio": ratios,
        "sse_lag": summary(lags_ms),
        "aims": {name: ratio <= MOST_RATIO for name, ratio in ratios.items()},
        "machine": machine(),
    }


def summary(times_ms: Sequence[float]) -> Json:
    """Median, 99th percentile, the worst."""
    return {
        "p50_ms": round(statistics.median(times_ms), 2),
        "p99_ms": round(p99(times_ms), 2),
        "worst_ms": round(max(times_ms), 2),
        "n": len(times_ms),
    }


def shown(times: Times) -> str:
    return ", ".join(f"{name} p99 {p99(one):.2f} ms of {len(one)}" for name, one in times.items())


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    set_up_logs("ERROR", LogFormat.JSON, sys.stderr)
    deliver("responsive", asyncio.run(measure(SMALL if options.small else Size())), options)


if __name__ == "__main__":
    main()
