"""The table `afield_attempt` in the target database: one row an attempt, committed with what the attempt did.

A row is `started` before its query runs. A writing query and the change to `succeeded` are one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from afield.connectors.postgres.rows import Result
from afield.model.execution import Reason


class AttemptState(StrEnum):
    """What a row says."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    RETIRED = "retired"  # called back before it began


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A row without its output."""

    key: str
    state: str
    began_at: datetime
    ended_at: datetime | None
    reason_code: str | None
    reason_text: str | None


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The output in a row."""

    state: str
    lines: str | None
    rows: int | None
    kept: int | None
    columns: list[str] | None


_CREATE = """
create table if not exists {table} (
  key text primary key,
  state text not null,
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  reason_code text,
  reason_text text,
  rows bigint,
  kept bigint,
  columns text[],
  lines text
)
"""
_FINISH = """
update {table} set state = %s, ended_at = clock_timestamp(), reason_code = %s, reason_text = %s,
  rows = %s, kept = %s, columns = %s, lines = %s
where key = %s and state = 'started'
"""
_RETIRE = """
insert into {table} (key, state, ended_at) values (%s, 'retired', clock_timestamp())
on conflict (key) do update set state = 'retired', ended_at = clock_timestamp() where {table}.state = 'started'
"""
_BACKENDS = """
select application_name from pg_stat_activity
where datname = current_database() and application_name = any(%s)
"""
_CANCEL = """
select pg_cancel_backend(pid) from pg_stat_activity
where datname = current_database() and usename = current_user and application_name = %s
"""


class Attempts:
    """Statements about the table, on a connection in autocommit mode. All raise psycopg.Error."""

    def __init__(self, schema: str) -> None:
        self._schema = sql.Identifier(schema)
        self._table = sql.Identifier(schema, "afield_attempt")
        self.name = f"{schema}.afield_attempt"

    def _sql(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(table=self._table)

    async def exists(self, connection: AsyncConnection) -> bool:
        cursor = await connection.execute("select to_regclass(%s) is not null", [self.name])
        return await cursor.fetchone() == (True,)

    async def ensure(self, connection: AsyncConnection) -> None:
        """Make the table if it is not there, one caller at a time."""
        if await self.exists(connection):
            return
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [self.name])
            if not await self._schema_exists(connection):
                await connection.execute(sql.SQL("create schema {}").format(self._schema))
            await connection.execute(self._sql(_CREATE))

    async def _schema_exists(self, connection: AsyncConnection) -> bool:
        cursor = await connection.execute("select to_regnamespace(%s) is not null", [self._schema.as_string(None)])
        return await cursor.fetchone() == (True,)

    async def claim(self, connection: AsyncConnection, key: str) -> str:
        """The state of the attempt's row after an attempt to make it; empty if it was made just now."""
        insert = "insert into {table} (key, state) values (%s, 'started') on conflict do nothing"
        if (await connection.execute(self._sql(insert), [key])).rowcount:
            return ""
        cursor = await connection.execute(self._sql("select state from {table} where key = %s"), [key])
        row = await cursor.fetchone()
        return str(row[0]) if row else AttemptState.RETIRED

    async def hold(self, connection: AsyncConnection, key: str) -> bool:
        """Keep the row for the rest of the transaction, if it may still run: nobody can retire it meanwhile."""
        query = "select 1 from {table} where key = %s and state = 'started' for update"
        return await (await connection.execute(self._sql(query), [key])).fetchone() is not None

    async def finish(
        self, connection: AsyncConnection, key: str, state: AttemptState, reason: Reason | None, result: Result | None
    ) -> bool:
        """Write down how it ended; False if it had been retired."""
        kept = (None, None, None, None)
        stored = kept if result is None else (result.rows, result.kept, list(result.columns), result.lines)
        why = (None, None) if reason is None else (reason.code, reason.text)
        cursor = await connection.execute(self._sql(_FINISH), [state, *why, *stored, key])
        return cursor.rowcount == 1

    async def started(self, connection: AsyncConnection, keys: Collection[str]) -> set[str]:
        query = "select key from {table} where key = any(%s) and state = 'started'"
        cursor = await connection.execute(self._sql(query), [list(keys)])
        return {str(key) for (key,) in await cursor.fetchall()}

    async def rows(
        self, connection: AsyncConnection, keys: Collection[str], since: datetime | None
    ) -> Sequence[AttemptRow]:
        """The rows of these attempts, and of all that began since then."""
        query = """
        select key, state, began_at, ended_at, reason_code, reason_text from {table}
        where key = any(%s) or began_at >= %s
        """
        cursor = connection.cursor(row_factory=class_row(AttemptRow))
        await cursor.execute(self._sql(query), [list(keys), since])
        return await cursor.fetchall()

    async def backends(self, connection: AsyncConnection, keys: Collection[str]) -> set[str]:
        """The attempts whose connection is there."""
        cursor = await connection.execute(_BACKENDS, [list(keys)])
        return {str(name) for (name,) in await cursor.fetchall()}

    async def cancel(self, connection: AsyncConnection, key: str) -> bool:
        """Ask the server to break the query off; False when there is none."""
        return (True,) in await (await connection.execute(_CANCEL, [key])).fetchall()

    async def result(self, connection: AsyncConnection, key: str) -> StoredResult | None:
        cursor = connection.cursor(row_factory=class_row(StoredResult))
        query = "select state, lines, rows, kept, columns from {table} where key = %s"
        await cursor.execute(self._sql(query), [key])
        return await cursor.fetchone()

    async def retire(self, connection: AsyncConnection, key: str) -> bool:
        """Whether the attempt can certainly not run any more. One that is running right now keeps its row."""
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '1s'")
            return (await connection.execute(self._sql(_RETIRE), [key])).rowcount == 1

    async def release(self, connection: AsyncConnection, key: str) -> None:
        """Remove the row of an attempt that has ended, and those that were retired a week ago."""
        query = """
        delete from {table} where (key = %s and state <> 'started')
        or (state = 'retired' and ended_at < now() - interval '7 days')
        """
        await connection.execute(self._sql(query), [key])
