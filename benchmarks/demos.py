"""Provisioning as it runs in production: the simulator's company websites, a worker process, agents in theirs; and what
the agents cost, as the system's own accounts have it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from afield_sim.testing import SimulatorProcess
from afield_sim.testing.websites import WebsitesAccess, read_websites_access
from benchmarks.harness import ROOT, environment

KEY = "a passphrase for benchmarks only"
_STOP_S = 30.0
_LOOK_EVERY_S = 0.05
_BECOMES_S = 1.0  # that a process takes from its birth to the program it was started for
_AGENT = b"afield.provisioning.agent_process"
_TICKS = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def websites(folder: Path) -> AsyncIterator[WebsitesAccess]:
    """The company websites, in a process of their own."""
    async with SimulatorProcess(folder, "--instances", "1", "--vms", "0", "--websites", keep_data=False) as simulator:
        yield read_websites_access(simulator.ready)


def sites_of(access: WebsitesAccess, count: int) -> list[str]:
    """The addresses of so many ordinary sites, of one industry after the other."""
    ordinary = [site.https for site in access.ordinary()]
    return [ordinary[number % len(ordinary)] for number in range(count)]


def settings_of(home: Path, database_url: str, access: WebsitesAccess, **more: str) -> dict[str, str]:
    """The environment of this installation's processes."""
    return environment(
        AFIELD_DATABASE_URL=database_url,
        AFIELD_HOME=str(home),
        AFIELD_SECRET_KEY=KEY,
        AFIELD_LOG_LEVEL="WARNING",
        AFIELD_RECONCILE_EVERY="0",
        AFIELD_PROVISION_ALLOW_LOOPBACK="true",
        AFIELD_PROVISION_CA_FILE=access.ca_file,
        **more,
    )


@asynccontextmanager
async def afield(role: str, mine: Mapping[str, str], log: Path) -> AsyncIterator[Process]:
    """`afield web` or `afield worker` as `afield up` starts it, in a session of its own: Linux may share processors
    out by sessions first, and by priorities within each. It logs to a file."""
    async with AsyncExitStack() as stack:
        output = stack.enter_context(await asyncio.to_thread(log.open, "wb"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "afield", role, cwd=ROOT, env=dict(mine),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), _STOP_S)


@dataclass(slots=True)
class Cost:
    """What one agent process used. `peak_mib` is what the system counts as its highest resident memory."""

    agent: str
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0


@dataclass(slots=True)
class Accounts:
    """Reads the accounts of an installation's agent processes while one is inside, twenty times a second."""

    home: Path
    costs: dict[int, Cost] = field(default_factory=dict)  # by process id
    _seen: dict[int, float] = field(default_factory=dict)  # when a process was first seen
    _watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watching is not None, "entered"
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self) -> None:
        now = time.monotonic()
        for pid in (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()):
            try:
                young = now - self._seen.setdefault(pid, now) < _BECOMES_S
                if pid not in self.costs and young and (agent := _agent_of(pid, self.home)):
                    self.costs[pid] = Cost(agent)
                if pid in self.costs:
                    _read(pid, self.costs[pid])
            except (OSError, IndexError, ValueError):
                continue  # it has just ended

    def of(self, agent: str) -> list[Cost]:
        """The processes of one agent, by its slug."""
        return [cost for cost in self.costs.values() if cost.agent == agent]


def _agent_of(pid: int, home: Path) -> str:
    """Which agent of this installation a process is; empty: none."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if _AGENT not in words or b"-m" not in words:
        return ""
    mine = f"AFIELD_HOME={home}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return words[words.index(_AGENT) + 1].decode() if mine else ""


def _read(pid: int, cost: Cost) -> None:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "")
    if not peak:
        return  # it has ended, and is not yet buried
    cost.peak_mib = max(cost.peak_mib, int(peak.split()[1]) / 1024)
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cost.cpu_seconds = sum(map(int, times[11:15])) / _TICKS
