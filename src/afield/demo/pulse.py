"""How quickly a web process answers, asked from a process of its own: whatever else this one does is not in it.

As a program, `python -m afield.demo.pulse HOST PORT PATH EVERY_S` asks again and again over one connection and prints
what each answer took, in milliseconds, a line each, until its standard input ends. An answer that makes the next
question late is in the next one's time as well: who asks at a steady pace waits for both.
"""

from __future__ import annotations

import asyncio
import http.client
import math
import select
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

EVERY_S = 0.02

_PATIENCE_S = 5.0
"""Seconds an answer may take; a call that fails counts as this."""


def p99(times: Sequence[float]) -> float:
    """The smallest that 99 of 100 are not above. Raises ValueError when there are none."""
    if not times:
        raise ValueError("nothing was timed")
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


class Pulse:
    """Asks while one is inside. `url`: whole, with its path. Times are in milliseconds."""

    def __init__(self, url: str, every_s: float = EVERY_S) -> None:
        parts = urlsplit(url)
        self._arguments = (parts.hostname or "", str(parts.port or 80), parts.path or "/", str(every_s))
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._times: list[float] = []
        self._timed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "afield.demo.pulse", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for us; it ends with its input
        )
        self._reading = asyncio.create_task(self._read(self._process))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None, "entered"
        assert self._process.stdin is not None, "it was asked for"
        assert self._reading is not None, "entered"
        self._process.stdin.close()
        await asyncio.gather(self._reading, self._process.wait())

    @property
    def so_far(self) -> Sequence[float]:
        """What was timed since it was last taken."""
        return self._times

    def taken(self) -> list[float]:
        """The same, and begin anew."""
        times, self._times = self._times, []
        return times

    async def gathered(self, count: int) -> list[float]:
        """Wait until so many are there, or it has ended, and take them."""
        assert self._reading is not None, "entered"
        while len(self._times) < count and not self._reading.done():
            self._timed.clear()
            await self._timed.wait()
        return self.taken()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None, "it was asked for"
        try:
            async for line in process.stdout:
                self._times.append(float(line))
                self._timed.set()
        finally:
            self._timed.set()


# --------------------------------------------------------------------------------- in the process of its own


def main() -> None:
    """Ask, until standard input ends."""
    host, port, path, every_s = sys.argv[1:]
    connection = http.client.HTTPConnection(host, int(port), timeout=_PATIENCE_S)
    done = due = time.perf_counter()
    while not _ended(due - time.perf_counter()):
        since = due if done > due else time.perf_counter()
        answered = _ask(connection, path)
        done = time.perf_counter()
        print(f"{1000 * (done - since if answered else _PATIENCE_S):.3f}", flush=True)  # noqa: T201 - a program talks
        due += float(every_s)


def _ask(connection: http.client.HTTPConnection, path: str) -> bool:
    """Whether it answered, and well."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next question opens it again
        return False
    return answer.status < 400


def _ended(within_s: float) -> bool:
    """Wait for so long; whether standard input has ended."""
    return bool(select.select([sys.stdin], [], [], max(0.0, within_s))[0])


if __name__ == "__main__":
    main()
