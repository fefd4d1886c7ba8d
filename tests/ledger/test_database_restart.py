"""The database is killed while many write: nothing that was answered is lost, and nobody sees more than a pause."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from ledger_world import S, make_world

from afield.ledger import embedded
from afield.ledger.base import EventFilter
from afield.ledger.migrate import migrate
from afield.ledger.postgres import PostgresLedger
from afield.model.execution import Applied
from afield.model.target import DEFAULT_TENANT

pytestmark = pytest.mark.slow

ALL = EventFilter(tenant_id=DEFAULT_TENANT)


@pytest.fixture(autouse=True)
def never_blocking() -> None:
    """These tests read the server's files themselves, on their own event loop."""


@pytest.fixture
async def home() -> AsyncIterator[Path]:
    """The folder of a server of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="afield-restart-"))
    yield folder
    await embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


async def kill_and_restart(home: Path) -> None:
    pid = embedded.postmaster_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await embedded.ensure_started(home)
    assert embedded.postmaster_pid(home) not in (None, pid)


@pytest.mark.crash
async def test_writers_and_followers_live_through_it(home: Path) -> None:
    url = await embedded.ensure_started(home)
    await migrate(url)
    async with await PostgresLedger.open(url) as ledger:
        world = await make_world(ledger)
        answered: list[Applied] = []
        first_answers = asyncio.Event()

        async def life(_number: int) -> None:
            row = await world.execution()
            for state in (S.SUBMITTING, S.SUBMITTED, S.RUNNING, S.SUCCEEDED):
                (answer,) = await world.apply(world.move(row, state))
                assert answer.ok, answer
                answered.append(answer)
                if len(answered) > 100:
                    first_answers.set()
                row = await ledger.execution(row.id)

        lives = asyncio.gather(*[life(n) for n in range(150)])
        wake = asyncio.Event()
        quiet = await make_world(ledger, name="quiet")  # nothing happens there, so only a gap wakes its driver
        with ledger.waking(quiet.target.id, wake):
            for _ in range(2):
                await first_answers.wait()
                wake.clear()
                await kill_and_restart(home)
                await asyncio.wait_for(wake.wait(), 20)
        await lives
        events = await ledger.events(ALL, limit=10_000)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert len(events) == 150 * 5  # each creation and each move once, however often it was tried
        assert {a.seq for a in answered} <= {e.seq for e in events}
        async with aclosing(ledger.follow(ALL, after=len(events))) as feed:  # type: ignore[type-var]
            next_event = asyncio.ensure_future(anext(feed))
            await kill_and_restart(home)
            await world.execution()
            assert (await next_event).seq == len(events) + 1
