"""Bringing a database to the version this code needs."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import psycopg
import sqlalchemy
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from afield.errors import InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

OLDEST_SERVER = 150_000
_LOCK = 4_159_126_151
_one_at_a_time = threading.Lock()  # Alembic keeps the running migration in module globals


async def migrate(url: str) -> None:
    """Create or upgrade Afield's tables in the database at `url`. Doing it again, or in several processes at once,
    is fine. Raises InvalidInputError for a server older than PostgreSQL 15, UnavailableError if it is not there.
    """
    await asyncio.to_thread(_migrate, url)


def _migrate(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            check_server(connection.info.server_version)
    except psycopg.OperationalError as error:
        raise UnavailableError("The database does not answer.", hint="Check AFIELD_DATABASE_URL.") from error
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.NullPool
    )
    with _one_at_a_time, engine.begin() as upgrading:
        _upgrade(upgrading)


def check_server(version: int) -> None:
    """Raises InvalidInputError for a server that is too old; `version` as in `server_version_num`."""
    if version < OLDEST_SERVER:
        raise InvalidInputError(
            f"The database is PostgreSQL {version // 10_000}, Afield needs 15 or later.",
            hint="Upgrade it, or unset AFIELD_DATABASE_URL to use the embedded one.",
        )


def _upgrade(connection: sqlalchemy.Connection) -> None:
    """All of it in one transaction, one process at a time."""
    connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
    connection.exec_driver_sql("create schema if not exists afield")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(
        config,
        script,
        fn=lambda revision, _: script._upgrade_revs("head", revision),
    ) as environment:
        environment.configure(connection=connection, version_table_schema="afield", version_table="version")
        environment.run_migrations()
