"""Connections to the database, and patience with it: one that goes away and comes back costs a pause."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import orjson
import psycopg
import structlog
from psycopg.types.json import set_json_loads

from afield.errors import UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Sequence[object] | Mapping[str, object]
Connection: TypeAlias = psycopg.AsyncConnection[Row]

GONE = (psycopg.OperationalError, psycopg.InterfaceError)
"""What psycopg raises when the connection is lost, or the server is not there, not yet, or busy shutting down."""


async def connect(url: str) -> Connection:
    """A connection that commits every statement by itself. Its time zone is UTC."""
    connection = await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        options="-c timezone=UTC",
        application_name="afield",
        connect_timeout=10,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )
    set_json_loads(orjson.loads, connection)
    return connection


class Database:
    """A few connections, made when they are needed, by whoever needs one; so that after an outage nobody waits for a
    background task's next try."""

    def __init__(self, url: str, size: int, patience: float) -> None:
        """At most `size` connections. A call gives up after about `patience` seconds without a database."""
        self.url = url
        self._patience = patience
        self._places = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False
        self._gone = False  # so that an outage is logged once, not by every caller

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for oneself, for as long as one is inside. Raises one of GONE."""
        async with self._places:
            connection = self._idle.pop() if self._idle else await connect(self.url)
            try:
                yield connection
            finally:
                await self._put_back(connection)

    async def _put_back(self, connection: Connection) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if self._closed or connection.closed or connection.info.transaction_status != idle:
            await connection.close()
        else:
            self._idle.append(connection)

    async def patiently(self, work: Callable[[Connection, bool], Awaitable[T]]) -> T:
        """Do `work(connection, again)`, and again if the connection is lost meanwhile; so it must bear repetition.

        Raises UnavailableError when the database stays away for longer than the patience.
        """
        give_up = time.monotonic() + self._patience
        for attempt in range(1_000_000):
            try:
                async with self.connection() as connection:
                    done = await work(connection, attempt > 0)
                self._is_back()
                return done
            except GONE as error:
                await self._pause(attempt, give_up, error)
        raise AssertionError("unreachable")

    async def _pause(self, attempt: int, give_up: float, error: Exception) -> None:
        if self._closed or time.monotonic() >= give_up:
            raise UnavailableError("The database does not answer.", hint="Nothing is lost; try again.") from error
        if not self._gone:
            self._gone = True
            log.warning("database_gone", error=type(error).__name__)
        if attempt == 0:
            await self._drop_idle()
        await asyncio.sleep(min(1.0, 0.02 * 2 ** min(attempt, 6)) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def _is_back(self) -> None:
        if self._gone:
            self._gone = False
            log.info("database_back")

    async def _drop_idle(self) -> None:
        """The others are most likely broken too."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def all(self, sql: str, params: Params = ()) -> list[Row]:
        """The rows of a statement that bears repetition."""

        async def work(connection: Connection, _again: bool) -> list[Row]:
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(sql.encode(), params)
                return await cursor.fetchall()

        return await self.patiently(work)

    async def one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row of such a statement, if there is one."""
        rows = await self.all(sql, params)
        return rows[0] if rows else None
