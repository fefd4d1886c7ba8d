"""Provisioning as it runs: a website on this machine, a kernel, a worker with its relay, agents as real processes."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from fastapi import FastAPI
from provision_points import Point

from afield.api.serve import bind, serve_app
from afield.config import Settings
from afield.engine.worker import WorkerSettings
from afield.kernel import Kernel, open_worker
from afield.model.target import DEFAULT_TENANT
from afield.provisioning.agents.names import AgentName
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


@dataclass(slots=True)
class Workers:
    """A worker process at a time, to be killed. What all of them print is in one file."""

    url: str
    home: Path
    printed: Path
    _process: Process | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self.printed.touch)
        out = await asyncio.to_thread(os.open, self.printed, os.O_WRONLY | os.O_APPEND)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(Path(__file__).with_name("provision_victim.py")), self.url, str(self.home),
                stdout=out, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
            )  # fmt: skip
        finally:
            os.close(out)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def some_workers(url: str, home: Path) -> AsyncIterator[Workers]:
    workers = Workers(url, home, home.with_name("printed"))
    await workers.start()
    try:
        yield workers
    finally:
        await workers.kill()


@dataclass(slots=True)
class Met:
    """An agent that was met at a point, and waits there."""

    agent: AgentName
    point: Point
    pid: int
    writer: asyncio.StreamWriter

    def go_on(self) -> None:
        self.writer.close()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.writer.close()


@dataclass(slots=True)
class Points:
    """Where agents come by. They are held once at each point that is waited for."""

    python: Path  # what agents are started with
    passed: list[tuple[AgentName, Point]] = field(default_factory=list)
    _held: dict[tuple[AgentName, Point], asyncio.Future[Met]] = field(default_factory=dict)

    def hold(self, agent: AgentName, point: Point) -> asyncio.Future[Met]:
        return self._held.setdefault((agent, point), asyncio.get_running_loop().create_future())

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slug, point, pid = (await reader.readline()).decode().split()
        met = Met(AgentName.of_slug(slug), Point(point), int(pid), writer)
        self.passed.append((met.agent, met.point))
        waiting = self._held.pop((met.agent, met.point), None)
        if waiting is not None:
            waiting.set_result(met)
            await reader.read()  # until it may go on, or has died
        writer.close()


@asynccontextmanager
async def some_points(folder: Path) -> AsyncIterator[Points]:
    points = Points(folder / "python-with-points")
    async with await asyncio.start_server(points.met, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        program = Path(__file__).with_name("provision_points.py")
        script = f'#!/bin/sh\nexec "{sys.executable}" "{program}" {port} "$@"\n'
        await asyncio.to_thread(points.python.write_text, script)
        await asyncio.to_thread(points.python.chmod, 0o700)
        yield points


def processes_of(job_id: UUID) -> list[int]:
    """The processes that have this job's order in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(job_id).encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def command_environment(home: Path, database_url: str) -> dict[str, str]:
    """What `afield` is run with."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AFIELD_")}
    own = {"AFIELD_HOME": str(home), "AFIELD_DATABASE_URL": database_url, "AFIELD_PROVISION_ROWS": str(FEW)}
    return clean | own | {"AFIELD_SECRET_KEY": "a passphrase for tests only", "AFIELD_PROVISION_NICENESS": "0"}


async def afield(home: Path, database_url: str, *arguments: str) -> tuple[int, str, str]:
    """A command, run to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", *arguments, env=command_environment(home, database_url),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@dataclass(slots=True)
class Terminal:
    """A command in a terminal; what it shows."""

    process: Process
    shown: bytearray = field(default_factory=bytearray)

    def frames(self) -> list[str]:
        """What was to be seen, one picture after the other, without colours."""
        text = re.sub(r"\x1b\[[0-9;?]*[ABCDEFGHJKSTfmnsulh]", "", self.shown.decode(errors="replace"))
        return text.replace("\r", "").split("agent  ")


@asynccontextmanager
async def in_terminal(home: Path, database_url: str, *arguments: str) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    env = command_environment(home, database_url) | {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", *arguments, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    terminal, loop = Terminal(process), asyncio.get_running_loop()

    def read() -> None:
        try:
            terminal.shown.extend(os.read(ours, 65536))
        except OSError:  # the command has ended
            loop.remove_reader(ours)

    loop.add_reader(ours, read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        loop.remove_reader(ours)
        os.close(ours)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The routes over HTTP; the address."""
    stop, started = asyncio.Event(), asyncio.Event()
    with await bind("127.0.0.1", 0) as listening:
        server = asyncio.create_task(serve_app(app, listening, stop=stop, started=started.set))
        await started.wait()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            await server


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

    async def start_with(self, points: Points) -> Job:
        """A job whose agents come by the points."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "executable", str(points.python))
            return await self.start()

    async def until(self, job: Job, good: Callable[[Entry], bool], after: int = 0) -> Entry:
        """Follow what is said until it is something like this."""
        entries = await self.jobs.follow(job.id, ADA, after)
        async with asyncio.timeout(240), aclosing(entries):
            async for entry in entries:
                if good(entry):
                    return entry
        raise AssertionError("the job ended before")

    async def ended(self, job: Job, after: int = 0) -> Job:
        await self.until(job, lambda entry: entry.kind is LineKind.DONE, after)
        return await self.jobs.get(job.id, ADA)

    async def log(self, job: Job) -> list[Entry]:
        return await self.jobs.log.after(job.id, 0, 10_000)


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
