"""The door of a local pool: where its process listens, which is started when somebody knocks."""

from __future__ import annotations

import asyncio

from afield.connectors.adapter.client import Door, NoDoorError
from afield.connectors.adapter.reply import Reply
from afield.connectors.local_pool.home import PoolHome, Running
from afield.connectors.local_pool.process import Options, ensure
from afield.errors import CredentialError, UnavailableError
from afield.model.execution import Reason


class LocalDoors:
    """Remembers the process, until a knock is not answered."""

    def __init__(self, home: PoolHome, options: Options) -> None:
        self._home = home
        self._options = options
        self._running: Running | None = None
        self._dead = ""
        self._starting = asyncio.Lock()

    async def door(self, *, rejected: Door | None = None) -> Door:
        running = self._running
        if running is None or (rejected is not None and rejected.token == running.token):
            running = await self._ensured(running)
        return Door(running.url, running.token)

    async def _ensured(self, known: Running | None) -> Running:
        async with self._starting:
            if self._running is not None and self._running is not known:
                return self._running
            try:
                self._running = await asyncio.to_thread(ensure, self._home, self._options, dead=self._dead)
            except (UnavailableError, OSError) as error:
                raise NoDoorError(Reason("pool_not_started", str(error))) from error
            return self._running

    def lost(self, door: Door) -> bool:
        """A process that takes no connection is dead, or about to be: another one is started."""
        if self._running is not None and self._running.url == door.url:
            self._dead, self._running = self._running.boot, None
        return True

    def denied(self, reply: Reply) -> CredentialError:
        return CredentialError(
            f"The local pool under {self._home.folder} does not accept its own token ({reply.status}).",
            hint="End its process and remove the file `token`; both are made anew.",
        )
