"""Bringing a database up to date: once, twice, together, and on a server that somebody else runs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from ledger_world import S, make_world

from afield.errors import InvalidInputError, UnavailableError
from afield.ledger import embedded, migrations
from afield.ledger.base import EventFilter
from afield.ledger.migrate import check_server, migrate
from afield.ledger.migrations import HEAD
from afield.ledger.postgres import PostgresLedger
from afield.ledger.scans import Scans
from afield.model.finding import Finding, FindingKind, Severity
from afield.model.target import DEFAULT_TENANT


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        sql = "select table_schema || '.' || table_name from information_schema.tables where table_type = 'BASE TABLE'"
        return {row[0] for row in connection.execute(sql)}


async def test_several_at_once_and_again(empty_database_url: str) -> None:
    await asyncio.gather(*[migrate(empty_database_url) for _ in range(4)])
    await migrate(empty_database_url)
    assert {"afield.execution", "afield.event", "afield.workflow", "public.procrastinate_jobs"} <= tables(
        empty_database_url
    )
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select version_num from afield.version").fetchall() == [(HEAD,)]


def test_head_is_what_alembic_finds() -> None:
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == HEAD


def migrate_to(url: str, revision: str) -> None:
    """What an earlier version of this program did."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.NullPool
    )
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with (
        engine.begin() as connection,
        EnvironmentContext(config, script, fn=lambda found, _: script._upgrade_revs(revision, found)) as environment,
    ):
        connection.exec_driver_sql("create schema afield")
        environment.configure(connection=connection, version_table_schema="afield", version_table="version")
        environment.run_migrations()


async def test_an_upgrade_keeps_what_is_there(empty_database_url: str) -> None:
    url = empty_database_url
    await asyncio.to_thread(migrate_to, url, "0001")
    assert "afield.scan" not in tables(url)
    async with await PostgresLedger.open(url) as ledger:
        world = await make_world(ledger)
        row = await world.execution(S.LOST)
        finding = Finding(
            kind=FindingKind.LOCAL_ONLY, severity=Severity.ERROR, target_id=world.target.id, explanation="Gone."
        )  # fmt: skip
        await ledger.report(world.target.id, [finding], complete=True, at=row.created_at)
        history = "select seq, at, kind, execution_id, from_state, to_state, data from afield.event order by seq"
        before = await ledger.findings(DEFAULT_TENANT), await ledger.database.all(history)
        await migrate(url)
        assert "afield.scan" in tables(url)
        assert (await ledger.findings(DEFAULT_TENANT), await ledger.database.all(history)) == before
        events = await ledger.events(EventFilter(tenant_id=DEFAULT_TENANT))
        assert [event.seq for event in events] == [row[0] for row in before[1]]
        assert await ledger.execution(row.id) == row
        await world.step(row, S.QUEUED)
        [told] = await Scans(ledger.database).alert(world.target.id, [], row.created_at)
        assert told.finding == finding


async def test_a_queue_that_is_there_is_left_alone(empty_database_url: str) -> None:
    from procrastinate.schema import SchemaManager

    with psycopg.connect(empty_database_url) as connection:
        connection.execute(SchemaManager.get_schema())
    await migrate(empty_database_url)
    assert "afield.execution" in tables(empty_database_url)


async def test_no_server() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        await migrate("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("version", [90_600, 140_012])
def test_an_old_server_is_refused(version: int) -> None:
    with pytest.raises(InvalidInputError, match="15 or later"):
        check_server(version)
    check_server(150_000)


@pytest.fixture
def foreign_server() -> Iterator[str]:
    """The URL of a server that is not Afield's: TCP, a password, another owner."""
    with tempfile.TemporaryDirectory(prefix="afield-foreign-") as name, socket.socket() as probe:
        folder = Path(name)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder.chmod(0o755)
        (folder / "password").write_text("pass word")
        data = folder / "data"
        data.mkdir()
        user = "pgserver" if os.geteuid() == 0 else None
        if user:
            for path in (data, folder / "password", folder):
                os.chown(path, *_ids(user))

        def run(program: str, *arguments: str) -> None:
            command = [str(embedded.binaries() / program), "-D", str(data), *arguments]
            subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        run("initdb", "-A", "scram-sha-256", "-U", "owner", f"--pwfile={folder / 'password'}")
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-h 127.0.0.1 -p {port} -k {folder}", "start")
        try:
            yield f"postgresql://owner:pass%20word@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def _ids(user: str) -> tuple[int, int]:
    import pwd

    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


async def test_a_ledger_on_somebody_elses_server(server_url: str, foreign_server: str) -> None:
    await migrate(foreign_server)
    async with await PostgresLedger.open(foreign_server) as ledger:
        world = await make_world(ledger)
        wake = asyncio.Event()
        with ledger.waking(world.target.id, wake):
            row = await world.execution(S.RUNNING)
            await asyncio.wait_for(wake.wait(), 10)
        assert (await ledger.execution(row.id)).state is S.RUNNING
