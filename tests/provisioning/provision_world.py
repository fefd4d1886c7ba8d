"""Provisioning as it runs: a website on this machine, a kernel, a worker with its relay, agents as real processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from afield.config import Settings
from afield.engine.worker import WorkerSettings
from afield.kernel import Kernel, open_worker
from afield.model.target import DEFAULT_TENANT
from afield.provisioning.brief import Brief
from afield.provisioning.job_log import Entry
from afield.provisioning.jobs import Jobs, NewOrder
from afield.provisioning.progress import LineKind
from afield.provisioning.relay import Relay
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import Job
from afield.security.people import Principal, Role

ADA = Principal("ada", Role.OPERATOR)
BOB = Principal("bob", Role.OPERATOR)
ROOT = Principal("root", Role.ADMIN)
FEW = 5_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PAGE = """<!doctype html><html lang="en"><head><title>Trailhead Outfitters - outdoor shop</title>
<meta name="description" content="Trailhead Outfitters sells hiking boots, tents and jackets in its shops and online.">
<meta property="og:site_name" content="Trailhead Outfitters"></head><body>
<nav><a href="/">Home</a></nav><h1>Trailhead Outfitters</h1>
<p>Our online shop and our stores sell hiking boots, tents, backpacks and rain jackets to customers all over the
country. Orders over 50 EUR are delivered free of charge, and returns are easy.</p></body></html>"""


@dataclass
class Site:
    """A company's website. `status`: what it answers."""

    url: str = ""
    status: int = 200
    asked: int = 0
    runner: web.AppRunner | None = None

    async def page(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.path != "/":
            return web.Response(status=404)
        return web.Response(status=self.status, text=PAGE, content_type="text/html")


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.page)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield site
    finally:
        await runner.cleanup()


@asynccontextmanager
async def working(kernel: Kernel) -> AsyncIterator[None]:
    """A worker and its relay, in this process."""
    how = WorkerSettings(name=f"worker-{uuid4()}", takeover_after=timedelta(seconds=1))
    stop = asyncio.Event()
    async with open_worker(kernel, how) as worker:
        tasks = [asyncio.create_task(worker.run()), asyncio.create_task(Relay(kernel).run(stop))]
        try:
            yield
        finally:
            stop.set()
            worker.stop()
            await asyncio.gather(*tasks)


def settings_for(home: Path, database_url: str) -> Settings:
    more: Any = {"secret_key": "a passphrase for tests only"}
    return Settings(home=home, database_url=database_url, **more)


@dataclass
class World:
    """Jobs, and what they are about."""

    kernel: Kernel
    jobs: Jobs
    site: Site
    heard: list[Entry] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.kernel.settings.home_folder

    async def start(self, who: Principal = ADA, rows: int = FEW, **more: Any) -> Job:
        brief = Brief(customer_url=self.site.url)
        return await self.jobs.start(NewOrder(**({"brief": brief, "rows": rows, "trace_id": TRACE} | more)), who)

    async def until(self, job: Job, good: Callable[[Entry], bool], after: int = 0) -> Entry:
        """Follow what is said until it is something like this."""
        entries = await self.jobs.follow(job.id, ADA, after)
        async with asyncio.timeout(100), aclosing(entries):
            async for entry in entries:
                if good(entry):
                    return entry
        raise AssertionError("the job ended before")

    async def ended(self, job: Job, after: int = 0) -> Job:
        await self.until(job, lambda entry: entry.kind is LineKind.DONE, after)
        return await self.jobs.get(job.id, ADA)

    async def log(self, job: Job) -> list[Entry]:
        return await self.jobs.log.after(job.id, 0, 10_000)


def is_progress_of(agent: str) -> Callable[[Entry], bool]:
    return lambda entry: entry.kind is LineKind.PROGRESS and entry.agent == agent and entry.message != ""


def is_end_of(agent: str) -> Callable[[Entry], bool]:
    return lambda entry: entry.kind is LineKind.STAGE and entry.agent == agent and entry.data["status"] != "running"


@asynccontextmanager
async def a_world(kernel: Kernel) -> AsyncIterator[World]:
    jobs = Jobs(kernel, DEFAULT_TENANT, ProvisionSettings())
    async with a_site() as site:
        try:
            yield World(kernel, jobs, site)
        finally:
            await jobs.close()
