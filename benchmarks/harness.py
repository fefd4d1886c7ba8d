"""What the benchmarks stand on: a simulator and a database in processes of their own, contestants in theirs, and what
each of them cost."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import psutil
import psycopg

from afield.ledger import embedded
from afield.ledger.migrate import migrate
from afield_sim.testing import Admin, SimulatorProcess
from benchmarks.work import Task

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")
PEER_PYTHON = Path(os.environ.get("AFIELD_BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))

Json = dict[str, Any]
_LOAD = round(os.getloadavg()[0], 2)  # before this program adds to it


def say(text: str) -> None:
    """Tell whoever waits; the result alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


# --------------------------------------------------------------------------------------- the remote


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running simulator in a process of its own, and how its instance behaves."""

    process: SimulatorProcess
    admin: Admin
    settings: Mapping[str, object]

    @property
    def amc(self) -> Mapping[str, Any]:
        """How to reach the emulated AMC, as JSON."""
        amc: Mapping[str, Any] = self.process.ready["amc"]
        return amc

    @property
    def instance(self) -> str:
        return str(self.amc["instances"][0])

    async def calls(self) -> Json:
        """The calls to the instance so far, by kind."""
        counters = await self.admin.counters()
        return dict(counters["calls"].get(self.instance, {}))

    async def reset(self) -> None:
        """Forget everything but the settings."""
        await self.admin.reset()
        await self.admin.put_settings({"*": self.settings}, {"concurrency": 100_000})


@asynccontextmanager
async def cloud(folder: Path, **settings: object) -> AsyncIterator[Cloud]:
    """A simulator in memory; `settings` are those of its instance."""
    simulator = SimulatorProcess(folder, "--instances", "1", keep_data=False)
    async with simulator as process, aiohttp.ClientSession() as session:
        running = Cloud(process, Admin(session, str(process.ready["admin"]["base_url"])), settings)
        await running.reset()
        yield running


# --------------------------------------------------------------------------------------- the stores


@dataclass(frozen=True, slots=True)
class Server:
    """The embedded PostgreSQL, for this run alone."""

    home: Path
    url: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database; its URL."""
        name = f"bench_{uuid4().hex[:12]}"
        with psycopg.connect(_renamed(self.url, "postgres"), autocommit=True) as admin:
            admin.execute(f"create database {name}".encode())
            try:
                yield _renamed(self.url, name)
            finally:
                admin.execute(f"drop database {name} with (force)".encode())

    def cpu(self) -> float:
        """CPU seconds of the server and all its processes so far, those that have ended included."""
        pid = embedded.postmaster_pid(self.home)
        return 0.0 if pid is None else tree_cpu(pid)


def _renamed(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Server]:
    """Start the embedded PostgreSQL, with the settings the product ships it with."""
    url = await embedded.ensure_started(folder)
    try:
        yield Server(folder, url)
    finally:
        await embedded.stop(folder)


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, int] | None]:
    """A Redis that is durable before it answers: its URL and process id; None where it is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    process = subprocess.Popen([program, *options, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0", process.pid
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError("redis-server did not get ready")


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process, its children, and those of its children that have ended."""
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


# --------------------------------------------------------------------------------------- contestants


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program that does a task: its module, the interpreter it runs with, what it keeps its state in."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    store: str = ""  # "", "afield" (a migrated database), "postgres", "redis"
    variant: str = ""
    keeps_handle: bool = True  # a crash after the submission was answered does not lead to another one


@dataclass(frozen=True, slots=True)
class Run:
    """One contestant's one run."""

    n: int
    seconds: float
    cpu_seconds: float
    store_cpu_seconds: float
    simulator_cpu_seconds: float
    calls: Json
    detail: Json = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        return self.n / self.seconds

    def summary(self) -> Json:
        calls = {kind: round(count / self.n, 2) for kind, count in sorted(self.calls.items())}
        return {
            "n": self.n,
            "per_s": round(self.per_s, 1),
            "seconds": round(self.seconds, 2),
            "cpu_ms_per_execution": round(1000 * self.cpu_seconds / self.n, 3),
            "store_cpu_ms_per_execution": round(1000 * self.store_cpu_seconds / self.n, 3),
            "simulator_cpu_ms_per_execution": round(1000 * self.simulator_cpu_seconds / self.n, 3),
            "calls_per_execution": calls,
            **({"detail": self.detail} if self.detail else {}),
        }


async def run_contestant(
    contestant: Contestant,
    task: Task,
    sim: Cloud,
    store_pid: int | None,
    timeout: float = 900,  # noqa: ASYNC109
) -> Run:
    """Let it do the task in a process of its own; `store_pid`: the process whose tree keeps its state.

    Raises RuntimeError when it fails, TimeoutError when it takes too long.
    """
    await sim.reset()
    process = await asyncio.create_subprocess_exec(
        str(contestant.python), "-m", contestant.module, task.to_json(),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout):
            return await _watch(process, contestant, task, sim, store_pid)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _watch(
    process: asyncio.subprocess.Process, contestant: Contestant, task: Task, sim: Cloud, store_pid: int | None
) -> Run:
    """Take the readings when it is ready, and again when it is done."""
    assert process.stdin is not None
    assert process.stdout is not None
    await _line(process.stdout, contestant, "ready")
    stores, simulator, calls = _cpu_of(store_pid), tree_cpu(sim.process.pid), await sim.calls()
    process.stdin.write(b"go\n")
    told = json.loads(await _line(process.stdout, contestant, "{"))
    after = await sim.calls()
    return Run(
        n=task.n,
        seconds=told["seconds"],
        cpu_seconds=told["cpu_seconds"],
        store_cpu_seconds=_cpu_of(store_pid) - stores,
        simulator_cpu_seconds=tree_cpu(sim.process.pid) - simulator,
        calls={kind: count - calls.get(kind, 0) for kind, count in after.items()},
        detail=told["detail"],
    )


async def _line(stream: asyncio.StreamReader, contestant: Contestant, start: str) -> str:
    """The next line that starts so; others are passed on to whoever watches."""
    while line := (await stream.readline()).decode():
        if line.startswith(start):
            return line
        print(line, end="", file=sys.stderr)
    raise RuntimeError(f"{contestant.name} ended before it was done")


def _cpu_of(pid: int | None) -> float:
    return 0.0 if pid is None else tree_cpu(pid)


def environment(**more: str) -> dict[str, str]:
    """The environment of child processes: nothing of the caller's Afield settings, the benchmarks importable."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AFIELD_")}
    return (
        mine
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
            "PYTHONUNBUFFERED": "1",
        }
        | more
    )


async def migrated(url: str) -> str:
    """The database with Afield's tables."""
    await migrate(url)
    return url


def peer_versions(names: Sequence[str]) -> Json:
    """The versions of packages in the peers' virtual environment; empty when there is none."""
    if not PEER_PYTHON.exists():
        return {}
    script = (
        "import importlib.metadata as m, json, sys\n"
        "have = {d.metadata['Name'].lower() for d in m.distributions()}\n"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if n in have}))"
    )
    done = subprocess.run([str(PEER_PYTHON), "-c", script, *names], capture_output=True, text=True, check=True)
    versions: Json = json.loads(done.stdout)
    return versions


# --------------------------------------------------------------------------------------- the frame


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for the run's files, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="afield-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def machine() -> Json:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "aiohttp": importlib.metadata.version("aiohttp"),
        "load_before": _LOAD,
    }


def arguments(description: str) -> argparse.ArgumentParser:
    """What every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="the result as one line of JSON (it is printed so anyway)")
    parser.add_argument("--small", action="store_true", help="a short run, to see that it works")
    parser.add_argument("--save", action="store_true", help="keep the result for `python -m benchmarks.report`")
    return parser


def deliver(name: str, result: Json, options: argparse.Namespace) -> None:
    """Print the result, and keep it if that is wanted."""
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result), flush=True)
