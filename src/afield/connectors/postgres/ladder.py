"""The checks that find out why a database target does not work. They only read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import psycopg
from psycopg import AsyncConnection

from afield.clock import Clock
from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.connectors.postgres.attempts import Attempts
from afield.connectors.postgres.database import Database, UnreachableError
from afield.connectors.postgres.spec import PostgresAddress
from afield.errors import CredentialError

_WORTH_A_WORD_S = 30
_RIGHTS = """
select case when to_regclass(%(table)s) is not null
       then has_table_privilege(%(table)s, 'select, insert') and has_table_privilege(%(table)s, 'update')
            and has_table_privilege(%(table)s, 'delete')
       when to_regnamespace(%(schema)s) is not null then has_schema_privilege(%(schema)s, 'create')
       else has_database_privilege(current_database(), 'create') end,
       to_regclass(%(table)s) is not null
"""
_ROOM = """
select current_setting('max_connections')::int - (select count(*) from pg_stat_activity where backend_type = 'client backend'),
       pg_is_in_recovery()
"""  # noqa: E501


def checks(database: Database, address: PostgresAddress, clock: Clock) -> Sequence[Check]:
    rungs = _Rungs(database, address, clock)
    return (
        Check(name="login", probe=rungs.login),
        Check(name="table", probe=rungs.table, needs=("login",)),
        Check(name="room", probe=rungs.room, needs=("login",)),
        Check(name="clock", probe=rungs.clock, needs=("login",)),
    )


class _Rungs:
    """The probes."""

    def __init__(self, database: Database, address: PostgresAddress, clock: Clock) -> None:
        self._database = database
        self._address = address
        self._clock = clock
        self._attempts = Attempts(address.attempts_schema)

    async def _ask(self, asked: str, read: Callable[[AsyncConnection], Awaitable[CheckResult]]) -> CheckResult:
        try:
            async with self._database.watching() as connection:
                return await read(connection)
        except CredentialError as error:
            return _fail(asked, error.message, error.message, error.hint)
        except (UnreachableError, psycopg.Error) as error:
            step = "Check that the server is up, host, port and sslmode of the target, and the firewalls on the way."
            return _fail(asked, str(error).strip(), "The database cannot be reached from here.", step)

    async def login(self) -> CheckResult:
        asked = f"a login to {self._address.database} at {self._address.host}:{self._address.port}"

        async def read(connection: AsyncConnection) -> CheckResult:
            version = connection.info.server_version // 10_000
            return _ok(asked, f"let in as {connection.info.user}, PostgreSQL {version}")

        return await self._ask(asked, read)

    async def table(self) -> CheckResult:
        name = self._attempts.name
        asked = f"the right to use {name}, or to make it"

        async def read(connection: AsyncConnection) -> CheckResult:
            names = {"table": name, "schema": self._address.attempts_schema}
            row = await (await connection.execute(_RIGHTS, names)).fetchone()
            may, there = row or (False, False)
            if may:
                return _ok(asked, "it is there" if there else "it is not there yet, and can be made")
            step = f"Grant the user select, insert, update, delete on {name}; docs show how to make the table."
            return _fail(asked, "no", f"The user may not keep its attempts in {name}.", step)

        return await self._ask(asked, read)

    async def room(self) -> CheckResult:
        asked = "free connections, and whether the server takes writes"

        async def read(connection: AsyncConnection) -> CheckResult:
            free, standby = await (await connection.execute(_ROOM)).fetchone() or (0, False)
            if standby:
                step = "Set host to the primary server: the table of attempts has to be written."
                return _fail(asked, "a standby", "This server is a standby and takes no writes.", step)
            if free > 0:
                return _ok(asked, f"{free} connections free")
            return _fail(asked, "none free", "All connections are taken.", "Lower max_live, or raise max_connections.")

        return await self._ask(asked, read)

    async def clock(self) -> CheckResult:
        asked = "the server's clock, against this one"

        async def read(connection: AsyncConnection) -> CheckResult:
            row = await (await connection.execute("select clock_timestamp()")).fetchone()
            ahead = (row[0] - self._clock.now()).total_seconds() if row else 0.0
            answered = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
            if abs(ahead) <= _WORTH_A_WORD_S:
                return _ok(asked, answered)
            return CheckResult(
                verdict=CheckVerdict.WARN,
                asked=asked,
                answered=answered,
                next_step="Set the clocks by NTP. Only the times shown depend on it.",
                cause=f"The clocks differ by {abs(ahead):.0f} s.",
            )

        return await self._ask(asked, read)


def _ok(asked: str, answered: str) -> CheckResult:
    return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)


def _fail(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=CheckVerdict.FAIL, asked=asked, answered=answered, next_step=next_step, cause=cause)
