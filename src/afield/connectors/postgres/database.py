"""Connections to the target database, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from afield.connectors.postgres.spec import PostgresAddress
from afield.errors import CredentialError

_REFUSALS = ("authentication failed", "not permitted to log in", "no password supplied", "does not exist")


class UnreachableError(Exception):
    """No connection was had: certainly nothing was asked of the database."""


class Database:
    """Opens connections, and keeps one for looking."""

    def __init__(self, address: PostgresAddress, secret: Mapping[str, str]) -> None:
        self._address = address
        self._secret = secret
        self._watching: AsyncConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def connect(self, name: str) -> AsyncConnection:
        """A new connection that the server shows under `name`. Raises UnreachableError, CredentialError."""
        address = self._address
        where = f"{address.database} at {address.host}:{address.port}"
        try:
            return await AsyncConnection.connect(
                host=address.host,
                port=address.port,
                dbname=address.database,
                user=self._secret.get("user", ""),
                password=self._secret.get("password") or None,
                sslmode=address.sslmode.value,
                sslrootcert=address.sslrootcert or None,
                passfile="/dev/null",
                connect_timeout=address.connect_timeout_s,
                application_name=name,
                autocommit=True,
            )
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith("28") or any(word in str(error) for word in _REFUSALS):
                raise CredentialError(
                    f"The database {where} does not let the user in: {_first_line(error)}",
                    hint="Check user and password of the credential, the database's name, and pg_hba.conf.",
                ) from error
            raise UnreachableError(f"no connection to {where}: {_first_line(error)}") from error

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[AsyncConnection]:
        """The connection for looking; made again when it broke. Raises UnreachableError, CredentialError."""
        async with self._one_at_a_time:
            if self._watching is None or self._watching.closed:
                self._watching = await self.connect("afield-look")
            yield self._watching

    async def close(self) -> None:
        if self._watching is not None:
            await self._watching.close()


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
