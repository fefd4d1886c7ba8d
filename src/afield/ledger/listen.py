"""Hearing of what other processes write: one LISTEN connection, and the events of this process it sets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from psycopg import Notify

from afield.ledger.database import GONE, connect

log = structlog.get_logger(__name__)

_EVENTS = "afield_events"
_WAKE = "afield_wake"
_SESSION = "afield_session"
_MOST_DIGITS = 18  # every number of so many is one the database can hold


class Listener:
    """Sets `asyncio.Event`s when the database says so; all of them after a gap, since nobody knows what was missed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._targets: dict[UUID, list[asyncio.Event]] = defaultdict(list)
        self._followers: list[asyncio.Event] = []
        self._sessions: list[Callable[[int | None], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._heard = False  # since the last connection

    def start(self) -> None:
        """Begin to listen, from now until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="ledger-listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def waking(self, target_id: UUID, wake: asyncio.Event) -> Iterator[None]:
        """While inside, `wake` is set when something of the target changes."""
        self._targets[target_id].append(wake)
        try:
            yield
        finally:
            self._targets[target_id].remove(wake)
            if not self._targets[target_id]:
                del self._targets[target_id]

    @contextmanager
    def following(self, wake: asyncio.Event) -> Iterator[None]:
        """While inside, `wake` is set when there are new events."""
        self._followers.append(wake)
        try:
            yield
        finally:
            self._followers.remove(wake)

    @contextmanager
    def sessions(self, hear: Callable[[int | None], None]) -> Iterator[None]:
        """While inside, `hear` is told the number of every session that something happened to; None after a gap, since
        nobody knows which those were."""
        self._sessions.append(hear)
        try:
            yield
        finally:
            self._sessions.remove(hear)

    async def _run(self) -> None:
        delay = 0.05
        while True:
            try:
                await self._listen()
            except GONE as error:
                log.warning("listener_gone", error=type(error).__name__, next_try_s=delay)
            except Exception:  # whatever it was: without a listener nobody of this process hears of anything
                log.exception("listener_failed", next_try_s=delay)
            await asyncio.sleep(delay)
            delay = min(1.0, delay * 2) if not self._heard else 0.05

    async def _listen(self) -> None:
        self._heard = False
        async with await connect(self._url) as connection:
            await connection.execute(f"listen {_EVENTS}".encode())
            await connection.execute(f"listen {_WAKE}".encode())
            await connection.execute(f"listen {_SESSION}".encode())
            self._heard = True
            self._set_all()
            async for notify in connection.notifies():
                self._hear(notify)

    def _hear(self, notify: Notify) -> None:
        if notify.channel == _SESSION:
            self._hear_session(notify.payload)
            return
        followed = notify.channel == _EVENTS
        for wake in self._followers if followed else self._targets.get(UUID(notify.payload), ()):
            wake.set()

    def _hear_session(self, payload: str) -> None:
        if payload.isdecimal() and len(payload) <= _MOST_DIGITS:  # somebody may have written anything there, past us
            for hear in self._sessions:
                hear(int(payload))

    def _set_all(self) -> None:
        for wakes in [self._followers, *self._targets.values()]:
            for wake in wakes:
                wake.set()
        for hear in self._sessions:
            hear(None)
