"""The embedded server: started once, whoever asks, and found again after the worst."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from afield.errors import UnavailableError
from afield.ledger import embedded

START = "import asyncio, sys, pathlib; from afield.ledger import embedded; " \
    "print(asyncio.run(embedded.ensure_started(pathlib.Path(sys.argv[1]))))"  # fmt: skip


@pytest.fixture(autouse=True)
def never_blocking() -> None:
    """These tests read the server's files themselves, on their own event loop."""


@pytest.fixture
async def home() -> AsyncIterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="afield-embedded-"))
    deep = folder / ("long-name-" * 12)
    deep.mkdir()
    yield deep
    await embedded.stop(deep)
    shutil.rmtree(folder, ignore_errors=True)


async def start_elsewhere(home: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, str(home), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().splitlines()[-1]


@pytest.mark.crash
async def test_several_processes_start_one_server_on_a_long_path(home: Path) -> None:
    urls = await asyncio.gather(*[start_elsewhere(home) for _ in range(3)], embedded.ensure_started(home))
    assert len(set(urls)) == 1
    pid = embedded.postmaster_pid(home)
    assert pid is not None
    with psycopg.connect(urls[0]) as connection:
        settings = connection.execute(
            "select current_setting('fsync'), current_setting('synchronous_commit'), current_setting('max_connections')"
        ).fetchone()
    assert settings == ("on", "on", "200")

    os.kill(pid, signal.SIGKILL)
    assert len({*await asyncio.gather(*[embedded.ensure_started(home) for _ in range(3)])}) == 1
    again = embedded.postmaster_pid(home)
    assert again not in (None, pid)

    await embedded.stop(home)
    await embedded.stop(home)
    assert embedded.postmaster_pid(home) is None

    # After a restart of the machine the number in the stale file may be anybody's.
    (home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\nx\n0\n5432\n/tmp\n\n0 0\nready\n")
    assert embedded.postmaster_pid(home) is None
    await embedded.ensure_started(home)
    assert embedded.postmaster_pid(home) is not None


async def test_a_server_that_cannot_start_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    with pytest.raises(UnavailableError, match="AFIELD_DATABASE_URL"):
        await embedded.ensure_started(tmp_path)
