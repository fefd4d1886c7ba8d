"""A container, stood in for by a process that serves HTTP on a loopback port of its own.

It lives in a process group of its own and dies with the thread that started it, be the simulator killed.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from .model import Container as Kind
from .model import Template

COMMAND = (sys.executable, "-m", "afield_sandbox")
_KINDS = {Kind.CUSTOM: "custom", Kind.PYTHON: "interpreter", Kind.SHELL: "interpreter"}
_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 3.0
_NOTICE_SECONDS = 0.2
_LOOK_SECONDS = 0.01
_LIBC = ctypes.CDLL(None)


class StartError(Exception):
    """A container that did not come up: the last it said."""


@dataclass(slots=True)
class Container:
    """A process that runs; `seen` counts the runs it accepted, by run id, as far as the simulator forwarded them."""

    template: Template | None
    process: asyncio.subprocess.Process
    folder: Path
    url: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.returncode is None

    async def stop(self, *, at_once: bool = False) -> None:
        """End it, with all it started, and remove its files."""
        if self.alive:
            _signal(self.process, signal.SIGKILL if at_once else signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _GRACE_SECONDS)
            _signal(self.process, signal.SIGKILL)
            await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def notice_end(self) -> None:
        """Wait a moment for the end of a process whose connections broke: it may not be known yet."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _NOTICE_SECONDS)

    async def runs(self, http: aiohttp.ClientSession) -> Mapping[str, int]:
        """Runs by their id: as the program in it remembers them, or as they were forwarded when it does not say."""
        if self.template is None:
            return dict(self.seen)
        try:
            async with http.get(f"{self.url}/runs", timeout=aiohttp.ClientTimeout(5)) as answer:
                told = orjson.loads(await answer.read())
            return dict(Counter(str(one["run_id"]) for one in told["runs"]))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return dict(self.seen)


async def start_container(
    command: Sequence[str], kind: Kind, template: Template | None, timeout_s: float, parent: Path
) -> Container:
    """Start one and wait until it listens; StartError when it ends before, or takes longer than `timeout_s`."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=parent))
    ready_file = folder / "ready.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--ready-file", str(ready_file), "--kind", _KINDS[kind]]
    process = await _spawn([*command, *options], folder)
    starting = Container(template, process, folder, "")
    try:
        starting.url = await asyncio.wait_for(_url_of(process, ready_file), timeout_s)
    except (StartError, TimeoutError) as error:
        said = await asyncio.to_thread(_last_words, folder)
        await starting.stop(at_once=True)
        raise StartError(f"{error or 'it took too long'}: {said}") from None
    except asyncio.CancelledError:
        await asyncio.shield(starting.stop(at_once=True))
        raise
    return starting


async def _spawn(command: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    log = await asyncio.to_thread(os.open, folder / "console.log", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    finally:
        os.close(log)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _url_of(process: asyncio.subprocess.Process, ready_file: Path) -> str:
    """What the ready file says, as soon as it is there."""
    while process.returncode is None:
        url = await asyncio.to_thread(_read_url, ready_file)
        if url is not None:
            return url
        await asyncio.sleep(_LOOK_SECONDS)
    raise StartError(f"it ended with {process.returncode}")


def _read_url(ready_file: Path) -> str | None:
    if not ready_file.exists():
        return None
    return str(orjson.loads(ready_file.read_bytes())["url"]).rstrip("/")


def _last_words(folder: Path) -> str:
    return (folder / "console.log").read_text(errors="replace").strip()[-500:]


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to the whole group; the leader's number stays the group's while anybody is in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
