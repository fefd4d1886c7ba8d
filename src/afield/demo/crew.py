"""Afield itself on this machine for the time of a demo: database, web and worker in a folder of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO

from afield.cli.supervise import Child
from afield.client import Client
from afield.demo.cloud import AUTHORITY
from afield.errors import AfieldError, UnavailableError
from afield.ledger import embedded

TAKEOVER_AFTER = 3.0
ROWS = 50_000  # of facts, in each company's demo
_READY_WITHIN = 45.0


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Crew:
    """The processes, and the faults that can befall them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "afield.log"
        self._output: IO[bytes] | None = None
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self.worker_kills = 0
        self.database_kills = 0

    @property
    def environment(self) -> dict[str, str]:
        """What the processes find in their environment: this folder, this port, and no settings from outside."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AFIELD_")}
        return clean | {
            "AFIELD_HOME": str(self.home),
            "AFIELD_PORT": self.url.rpartition(":")[2],
            "AFIELD_TAKEOVER_AFTER": str(TAKEOVER_AFTER),
            "AFIELD_PROVISION_ROWS": str(ROWS),
            "AFIELD_PROVISION_ALLOW_LOOPBACK": "true",
            "AFIELD_PROVISION_NICENESS": "5",  # it has to come to its end on a busy machine, too
            "AFIELD_PROVISION_CA_FILE": str(self.home.parent / AUTHORITY),
        }

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises UnavailableError when it does not come up."""
        await asyncio.to_thread(self.home.mkdir, parents=True, exist_ok=True)
        self._output = await asyncio.to_thread(self._log.open, "ab")
        for name in ("web", "worker"):  # side by side with the database, for which they wait
            child = Child(name, [name], environment=self.environment, output=self._output)
            self._children[name] = child
            await child.start()
            self._keepers.append(asyncio.create_task(child.keep()))
        await embedded.ensure_started(self.home)
        self._keepers.append(asyncio.create_task(self._keep_database()))
        await self._until_ready()

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_WITHIN), Client(self.url) as client:
                while not await client.ready():  # noqa: ASYNC110 - another process, there is no event to wait for
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise UnavailableError("Afield did not become ready.", hint=f"See {self._log}.") from error

    async def _keep_database(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            with suppress(AfieldError, OSError):
                await embedded.ensure_started(self.home)

    async def kill_worker(self) -> None:
        """SIGKILL for the worker, as soon as there is one; its place is taken by another one."""
        while not self._children["worker"].kill():  # noqa: ASYNC110 - another process, there is no event to wait for
            await asyncio.sleep(0.05)
        self.worker_kills += 1

    async def kill_database(self) -> None:
        """SIGKILL for the database, as soon as it runs; it is started again and recovers by itself."""
        while (pid := embedded.postmaster_pid(self.home)) is None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        self.database_kills += 1

    async def stop(self) -> None:
        """Stop everything."""
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._output is not None:
            self._output.close()
        await embedded.stop(self.home)
