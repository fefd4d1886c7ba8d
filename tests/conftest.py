"""What tests share: one PostgreSQL server a run, and for each test a database of its own, cloned from a template."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx

from afield.ledger import embedded
from afield.ledger.memory import MemoryLedger
from afield.ledger.migrate import migrate
from afield.ledger.postgres import PostgresLedger
from afield.model.target import DEFAULT_TENANT

_ROOM = 4 * 2**30


@pytest.fixture(autouse=True)
def never_blocking() -> Iterator[BlockBuster]:
    """Every test fails when something of Afield blocks the event loop. Tracebacks are logged without reading files."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[plain])
    with blockbuster_ctx("afield", excluded_modules=["afield_sim"]) as watching:
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            if name in watching.functions:  # the lines of a traceback, in a log line that is an alarm anyway
                watching.functions[name].can_block_in("linecache.py", {"checkcache", "updatecache"})
        yield watching


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server of this run's own; its database `afield` is migrated and serves as the template."""
    home = Path(tempfile.mkdtemp(prefix="afield-tests-", dir=_in_memory()))
    url = asyncio.run(embedded.ensure_started(home))
    try:
        _hurry(url)
        asyncio.run(migrate(url))
        yield url
    finally:
        asyncio.run(embedded.stop(home))
        shutil.rmtree(home, ignore_errors=True)


def _in_memory() -> str | None:
    """A folder in memory, where a database is cloned ten times as fast as on a disk; None where there is no room."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > _ROOM
    return str(shared) if roomy else None


def _hurry(url: str) -> None:
    """Tests that share this server never crash it, so it need not wait for the disk."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("alter system set fsync = off")
        admin.execute("alter system set autovacuum = off")
        admin.execute("select pg_reload_conf()")


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without tables."""
    yield from _database(server_url, "template0")


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A migrated database."""
    yield from _database(server_url, "afield")


def _database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy".encode())
        try:
            yield with_database(server_url, name)
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[PostgresLedger]:
    async with await PostgresLedger.open(database_url) as opened:
        yield opened


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def tenant_id() -> UUID:
    return DEFAULT_TENANT
