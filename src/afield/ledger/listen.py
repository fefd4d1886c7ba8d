"""Hearing of what other processes write: one LISTEN connection, and the events of this process it sets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from uuid import UUID

import structlog
from psycopg import Notify

from afield.ledger.database import GONE, Connection, connect

log = structlog.get_logger(__name__)

_EVENTS = "afield_events"
_WAKE = "afield_wake"
_SESSION = "afield_session"
_LISTEN = f"listen {_EVENTS}; listen {_WAKE}; listen {_SESSION}".encode()
_MOST_DIGITS = 18  # every number of so many is one the database can hold


class Listener:
    """Sets `asyncio.Event`s when the database says so; all of them after a gap, since nobody knows what was missed.

    It listens only while somebody wants to hear: a process that only writes is not woken by its own writes, and does
    not make the database look for listeners."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._targets: dict[UUID, list[asyncio.Event]] = defaultdict(list)
        self._followers: list[asyncio.Event] = []
        self._sessions: list[Callable[[int | None], None]] = []
        self._audience = 0
        self._wanted = asyncio.Event()  # there is an audience
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
            with self._listening():
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
            with self._listening():
                yield
        finally:
            self._followers.remove(wake)

    @contextmanager
    def sessions(self, hear: Callable[[int | None], None]) -> Iterator[None]:
        """While inside, `hear` is told the number of every session that something happened to; None after a gap, since
        nobody knows which those were."""
        self._sessions.append(hear)
        try:
            with self._listening():
                yield
        finally:
            self._sessions.remove(hear)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._audience += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._audience -= 1
            if not self._audience:
                self._wanted.clear()

    async def _run(self) -> None:
        delay = 0.05
        while True:
            await self._wanted.wait()
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
            while True:
                await self._wanted.wait()
                await connection.execute(_LISTEN)
                self._heard = True
                self._set_all()
                await self._hear_while_wanted(connection)
                await connection.execute(b"unlisten *")

    async def _hear_while_wanted(self, connection: Connection) -> None:
        """Returns at the first notification that nobody wants to hear any more."""
        async with aclosing(connection.notifies()) as notifications:
            async for notify in notifications:
                if not self._audience:
                    return
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
