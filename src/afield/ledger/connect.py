"""Finding the database: the embedded one, or the one the settings name; its schema up to date either way."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict

from afield.config import Settings
from afield.errors import InvalidInputError
from afield.ledger import embedded
from afield.ledger.migrations import HEAD


async def database_url(settings: Settings) -> str:
    """The URL of a database that answers and whose schema is up to date; starts the embedded one if it is needed.

    Raises UnavailableError when it cannot be had, InvalidInputError when it is too old or the URL is none.
    """
    if settings.database_url is not None:
        url = _checked(settings.database_url.get_secret_value())
    else:
        url = await embedded.ensure_started(settings.home_folder)
    if not await _up_to_date(url):
        from afield.ledger.migrate import migrate  # noqa: PLC0415 - slow to import, and seldom needed

        await migrate(url)
    return url


def _checked(url: str) -> str:
    """The same, if it can be understood at all. The error does not show it: there is a password in it."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise InvalidInputError(
            "AFIELD_DATABASE_URL does not say where a database is.", hint="postgresql://user:password@host:port/name"
        ) from error
    return url


async def _up_to_date(url: str) -> bool:
    """Whether the schema is the newest. Whatever speaks against it, `migrate` finds out and explains."""
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
            cursor = await connection.execute("select version_num from afield.version")
            return await cursor.fetchone() == (HEAD,)
    except psycopg.Error:
        return False
