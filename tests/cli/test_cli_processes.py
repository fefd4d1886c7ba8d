"""`afield up` and `afield db`: processes that start, are watched over, and end together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_world import Shell, shell_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass(slots=True)
class Up:
    """A running `afield up` and what it has said."""

    process: Any
    pids: dict[str, int] = field(default_factory=dict)

    async def until(self, event: str) -> dict[str, Any]:
        """Read its log up to this event."""
        while True:
            line = await self.process.stdout.readline()
            assert line, f"it ended before {event}"
            said: dict[str, Any] = json.loads(line)
            if said["event"] == "process.started":
                self.pids[said["name"]] = said["pid"]
            if said["event"] == event:
                return said


@asynccontextmanager
async def up(shell: Shell) -> AsyncIterator[Up]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = await shell.start("up", "--port", port)
    running = Up(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def gone(pids: list[int]) -> None:
    """Until none of them is alive."""
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        await asyncio.sleep(0.05)


async def test_up_replaces_the_dead_and_ends_with_all_its_children(shell: Shell) -> None:
    async with up(shell) as running:
        await running.until("worker.ready")
        first = dict(running.pids)
        os.kill(first["worker 1"], signal.SIGKILL)
        assert (await running.until("process.died"))["name"] == "worker 1"
        await running.until("worker.ready")
        assert running.pids["worker 1"] != first["worker 1"]
        assert running.pids["web"] == first["web"]
        began = time.monotonic()
        running.process.terminate()
        while await running.process.stdout.readline():
            pass
        assert await running.process.wait() == 0
        assert time.monotonic() - began < 10
        assert not [pid for pid in {*first.values(), *running.pids.values()} if psutil.pid_exists(pid)]


async def test_children_end_by_themselves_when_up_is_killed(shell: Shell) -> None:
    async with up(shell) as running:
        await running.until("worker.ready")
        running.process.kill()
        await running.process.wait()
        async with asyncio.timeout(15):
            await gone(list(running.pids.values()))


async def test_up_on_a_port_that_is_taken(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = await shell.run("up", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "AFIELD_PORT" in ran.err


async def test_up_open_to_the_network_needs_a_token(shell: Shell) -> None:
    ran = await shell.with_variables(AFIELD_HOST="0.0.0.0").run("up")
    assert ran.code == 2
    assert "AFIELD_API_TOKEN" in ran.err


async def test_the_embedded_database_starts_and_stops(tmp_path: Path) -> None:
    shell = shell_for(tmp_path, None)
    (tmp_path / "home").mkdir()
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        with contextlib.suppress(OSError):
            folder.chmod(0o755)  # the server has a user of its own when we are root
    try:
        assert (await shell.good("db", "start", "--json")).json == {"ok": True}
        assert (await shell.good("targets", "list", "--json")).json == []
        assert (await shell.good("db", "migrate", "--json")).json == {"ok": True}
    finally:
        assert (await shell.good("db", "stop", "--json")).json == {"ok": True}
    assert not [
        p for p in psutil.process_iter(["name", "cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]
    assert "stopped" in (await shell.good("db", "stop")).out
