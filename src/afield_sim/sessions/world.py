"""What all pools share: time, settings, faults, counts, and how containers are started."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from ..clock import Clock
from ..counters import Counters
from ..pulse import Pulse
from .container import COMMAND
from .faults import FaultBox
from .settings import SessionSettings

_CONNECT_SECONDS = 10


@dataclass(slots=True)
class World:
    """Everything around the pools; `folder` is where containers keep their files."""

    clock: Clock
    faults: FaultBox
    counters: Counters
    pulse: Pulse = field(default_factory=Pulse)
    settings: SessionSettings = field(default_factory=SessionSettings)
    command: Sequence[str] = COMMAND
    folder: Path = field(default_factory=Path)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """What containers are reached with; it changes nothing on the way and waits as long as it takes."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            )
        return self._http

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Do some work beside the calls."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until everything that was to be done later is done."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.close()
