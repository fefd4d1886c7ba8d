"""The process of a local pool: one, whoever asks, whatever kills it."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from afield.clock import SystemClock
from afield.connectors.base import (
    Accepted,
    CheckVerdict,
    Intent,
    Known,
    LookQuery,
    Match,
    NotSent,
    Ran,
    Refused,
    RemoteState,
)
from afield.connectors.local_pool.claim import Claim
from afield.connectors.local_pool.connector import LocalPoolConnector
from afield.connectors.local_pool.home import PoolHome, Served
from afield.connectors.local_pool.process import Options, ensure
from afield.errors import UnavailableError
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.harness import target_context
from afield.testing.notes import MemoryNotes

CLOCK = SystemClock()
FEW: JsonObject = {"languages": ["python"], "lanes": 2, "linger": 60}
OPENING = """
import sys
from pathlib import Path
from afield.connectors.local_pool.home import PoolHome, Served
from afield.connectors.local_pool.process import Options, ensure
sys.stdin.readline()
running = ensure(PoolHome(Path(sys.argv[1])), Options(linger_s=60, languages=("python",), lanes=2))
print(running.boot, running.pid)
"""


def intent(code: str = "print(6 * 7)") -> Intent:
    execution_id = uuid7()
    spec: JsonObject = {"language": "python", "files": [{"content": code}], "limits": {"wall_s": 100, "cpu_s": 100}}
    key = attempt_key(execution_id, 1)
    return Intent(execution_id=execution_id, attempt=1, key=key, spec=spec, sent_after=CLOCK.now())


@asynccontextmanager
async def opened(home: Path, notes: MemoryNotes | None = None, **settings: Any) -> AsyncIterator[LocalPoolConnector]:
    context = target_context({"home": str(home)}, CLOCK, settings=FEW | settings, notes=notes)
    connector = await LocalPoolConnector.open(context)
    try:
        yield connector
    finally:
        await connector.close()


async def ran(connector: LocalPoolConnector, code: str = "print(6 * 7)") -> Ran:
    answer = await connector.run(intent(code), MemoryArtifacts().sink("out"))
    assert isinstance(answer, Ran), answer
    return answer


async def served(home: Path) -> list[Served]:
    return await asyncio.to_thread(PoolHome(home).served)


async def kill(home: Path) -> None:
    """End the pool's process as a machine out of memory would."""
    running = await asyncio.to_thread(PoolHome(home).running)
    assert running is not None
    process = psutil.Process(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    await asyncio.to_thread(psutil.wait_procs, [process])


def test_ten_processes_that_open_it_at_once_start_one(empty_folder: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING, str(empty_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(10)
    ]
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = {one.communicate()[0].strip().splitlines()[-1] for one in started}  # a log line may come before
    assert len(answers) == 1
    assert len(PoolHome(empty_folder).served()) == 1
    pid = int(answers.pop().split()[1])
    assert os.getsid(pid) not in {os.getsid(0), *(one.pid for one in started)}, "it outlives those who started it"


async def test_what_is_secret_is_readable_for_nobody_else(empty_folder: Path) -> None:
    async with opened(empty_folder) as connector:
        assert (await ran(connector)).output.detail["stdout"] == "42\n"
    token = empty_folder / "local-pool" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    running = await asyncio.to_thread(PoolHome(empty_folder).running)
    assert running is not None
    environment = psutil.Process(running.pid).environ()
    assert not [name for name in environment if name.startswith("AFIELD_") and not name.startswith("AFIELD_SANDBOX_")]
    assert token.read_text() not in " ".join(psutil.Process(running.pid).cmdline())


async def test_a_dead_process_is_replaced_within_the_next_call(empty_folder: Path) -> None:
    async with opened(empty_folder) as connector:
        await ran(connector)
        await kill(empty_folder)
        assert (await ran(connector)).entry.state is RemoteState.SUCCEEDED
    assert [one.ended is None for one in await served(empty_folder)] == [False, True]


async def test_what_a_dead_process_ran_has_failed_and_says_why(empty_folder: Path) -> None:
    async with opened(empty_folder) as connector:
        long = intent("import time; time.sleep(60)")
        accepted = await connector.submit(long)
        assert isinstance(accepted, Accepted), accepted
        await kill(empty_folder)
        known = Known(handle=accepted.handle, submitted_at=long.sent_after, key=long.key)
        dead = await connector.look(LookQuery(known=(known,)))
        await ran(connector)
        replaced = await connector.look(LookQuery(known=(known,)))
    for snapshot in (dead, replaced):
        assert snapshot.complete
        assert [entry.state for entry in snapshot.entries] == [RemoteState.FAILED]
        assert snapshot.entries[0].reason is not None
        assert snapshot.entries[0].reason.code == "pool_process_gone"


async def test_an_attempt_that_a_dead_process_may_have_taken_is_left_to_a_person(empty_folder: Path) -> None:
    async with opened(empty_folder) as connector:
        await ran(connector)
        sent = intent()
        await kill(empty_folder)
        later = intent()
        await ran(connector)
        snapshot = await connector.look(LookQuery(doubts=(sent,)))
        assert snapshot.complete
        assert [connector.match(sent, entry) for entry in snapshot.entries] == [Match.POSSIBLE]
        assert [connector.match(later, entry) for entry in snapshot.entries] == [Match.NO]


async def test_a_look_starts_nothing(empty_folder: Path) -> None:
    async with opened(empty_folder) as connector:
        snapshot = await connector.look(LookQuery(doubts=(intent(),), since=CLOCK.now()))
    assert (snapshot.complete, snapshot.entries) == (True, ())
    assert not await served(empty_folder)


async def test_it_ends_when_nobody_needs_it_and_the_next_run_starts_another(empty_folder: Path) -> None:
    async with opened(empty_folder, linger=0.3) as connector:
        await ran(connector)
        running = await asyncio.to_thread(PoolHome(empty_folder).running)
        assert running is not None
        await asyncio.to_thread(psutil.wait_procs, [psutil.Process(running.pid)])
        await ran(connector)
    assert len(await served(empty_folder)) == 2


async def test_one_that_cannot_start_says_why(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFIELD_SANDBOX_MAX_BODY", "very large")
    async with opened(empty_folder) as connector:
        answer = await connector.submit(intent())
        found = await connector.ladder()[0].probe()
    assert isinstance(answer, NotSent)
    assert "did not start" in answer.reason.text
    assert "very large" in answer.reason.text, "its own words"
    assert (found.verdict, "very large" in found.cause) == (CheckVerdict.FAIL, True)


async def test_a_longer_output_is_an_artifact_and_its_start_is_kept(pool_folder: Path) -> None:
    artifacts = MemoryArtifacts()
    async with opened(pool_folder) as connector:
        answer = await connector.run(intent("print('é' * 100_000)"), artifacts.sink("out"))
    assert isinstance(answer, Ran), answer
    assert (answer.output.artifact, answer.output.detail["cut"]) == ("out", True)
    assert answer.output.size == len(artifacts.stored["out"])


async def test_the_pool_of_another_machine_is_not_touched(empty_folder: Path, pool_folder: Path) -> None:
    notes = MemoryNotes()
    async with opened(pool_folder, notes) as connector:
        await ran(connector)
    async with opened(empty_folder, notes) as connector:
        answer = await connector.submit(intent())
        snapshot = await connector.look(LookQuery(doubts=(intent(),)))
    assert isinstance(answer, Refused), answer
    assert answer.reason.code == "other_machine"
    assert not snapshot.complete
    assert not await served(empty_folder)


async def test_a_pool_that_was_not_used_for_long_gives_way(empty_folder: Path) -> None:
    notes = MemoryNotes()
    old = CLOCK.now().replace(year=2020)
    await notes.put("local-pool", Claim(pool="other", host="gone", used_at=old).model_dump_json())
    async with opened(empty_folder, notes) as connector:
        before = intent()
        await ran(connector)
        snapshot = await connector.look(LookQuery(doubts=(before,)))
        assert [connector.match(before, entry) for entry in snapshot.entries] == [Match.POSSIBLE], "it may be there"


def test_a_process_that_lives_and_does_not_answer_is_not_doubled(empty_folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("afield.connectors.local_pool.process._DEATH_S", 0.2)
    home = PoolHome(empty_folder)
    running = ensure(home, Options(linger_s=60, languages=("python",), lanes=2))
    with pytest.raises(UnavailableError):
        ensure(home, Options(), dead=running.boot)
    assert len(home.served()) == 1
