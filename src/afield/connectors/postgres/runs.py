"""Queries that run, each on a connection of its own, and what is written down of their ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from afield.connectors.postgres.attempts import Attempts, AttemptState
from afield.connectors.postgres.rows import Result, result_of
from afield.connectors.postgres.spec import PostgresSpec
from afield.model.execution import Reason

log = structlog.get_logger(__name__)


class _RefusedError(Exception):
    """The query did what it should not have, so its transaction is undone."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class _RetiredError(Exception):
    """The attempt was called back before it began."""


class Runs:
    """The queries of this process. When it dies, the server ends their transactions: none of them was."""

    def __init__(self, attempts: Attempts, patience_s: float) -> None:
        self._attempts = attempts
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, connection: AsyncConnection, key: str, spec: PostgresSpec) -> None:
        """Run a query whose row says `started`, on the connection that bears its name. The connection is closed."""
        task = asyncio.create_task(self._run(connection, key, spec))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let queries that are nearly done end; the others are broken off, and undone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience_s)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, connection: AsyncConnection, key: str, spec: PostgresSpec) -> None:
        began = time.monotonic()
        try:
            await self._carry_out(connection, key, spec)
        except _RetiredError:
            log.info("postgres.retired", attempt_key=key)
        except (_RefusedError, psycopg.Error, ValueError, TypeError) as error:
            state, reason = how_it_failed(error, over=time.monotonic() - began >= spec.timeout_s)
            await self._note(connection, key, state, reason)
        finally:
            await connection.close()

    async def _note(self, connection: AsyncConnection, key: str, state: AttemptState, reason: Reason) -> None:
        try:
            await self._attempts.finish(connection, key, state, reason, None)
        except psycopg.Error as error:  # a look will see `started` without a connection, and say what that means
            log.warning("postgres.not_noted", attempt_key=key, state=state, why=str(error).strip())

    async def _carry_out(self, connection: AsyncConnection, key: str, spec: PostgresSpec) -> None:
        async with connection.transaction():
            if spec.read_only:
                await connection.execute("set transaction read only")
            elif not await self._attempts.hold(connection, key):
                raise _RetiredError
            result = await _execute(connection, spec)
            if not spec.read_only:
                await self._finish(connection, key, result)
        if spec.read_only:
            await self._finish(connection, key, result)

    async def _finish(self, connection: AsyncConnection, key: str, result: Result) -> None:
        await self._attempts.finish(connection, key, AttemptState.SUCCEEDED, None, result)


async def _execute(connection: AsyncConnection, spec: PostgresSpec) -> Result:
    """One statement: as a prepared one it cannot be several. Raises psycopg.Error, _RefusedError."""
    await connection.execute("select set_config('statement_timeout', %s, true)", [f"{spec.timeout_s * 1000:.0f}ms"])
    cursor = await connection.execute(spec.query.encode(), spec.parameters, prepare=True)
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise _RefusedError(Reason("left_transaction", "The query ended the transaction it ran in."))
    if cursor.description is None:
        result = Result(max(cursor.rowcount, 0))
    else:
        rows = await cursor.fetchall()
        columns = [column.name for column in cursor.description]
        result = await asyncio.to_thread(result_of, rows, columns, spec.max_rows)
    if spec.expect_rows not in {None, result.rows}:
        text = f"{result.rows} rows, and {spec.expect_rows} were expected; nothing of it was kept."
        raise _RefusedError(Reason("rows_not_expected", text))
    with suppress(psycopg.errors.InFailedSqlTransaction):
        await connection.execute("set local statement_timeout = 0")
    return result


def how_it_failed(error: Exception, *, over: bool) -> tuple[AttemptState, Reason]:
    """What an error of a query means. `over`: its time was over."""
    if isinstance(error, _RefusedError):
        return AttemptState.FAILED, error.reason
    if isinstance(error, psycopg.errors.QueryCanceled):
        if over:
            return AttemptState.TIMED_OUT, Reason("time_over", "The server broke it off: its time was over.")
        return AttemptState.CANCELLED, Reason("cancelled", "The server broke it off on request.")
    code = getattr(error, "sqlstate", None) or "query_failed"
    return AttemptState.FAILED, Reason(str(code), str(error).strip().partition("\n")[0])
