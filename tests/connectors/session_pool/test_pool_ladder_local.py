"""The ladder of the pool of this machine: it starts nothing unless a snippet is asked for by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from afield.clock import SystemClock
from afield.connectors.base import CheckVerdict, TargetContext
from afield.connectors.local_pool.connector import LocalPoolConnector
from afield.connectors.local_pool.home import PoolHome
from afield.connectors.tokens import Refresh
from afield.diagnose.diagnosis import Diagnosis, to_text
from afield.diagnose.ladder import Climb, climb
from afield.model.ids import uuid7
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes

pytestmark = pytest.mark.timeout(120)

OK, WARN, FAIL, SKIPPED, COULD_NOT = CheckVerdict


class NoTokens:
    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        raise AssertionError("a local pool needs no token")


@asynccontextmanager
async def pool(home: Path) -> AsyncIterator[LocalPoolConnector]:
    context = TargetContext(
        target_id=uuid7(),
        name="here",
        address={"home": str(home)},
        settings={"languages": ["python", "bash"], "lanes": 1},
        secret={},
        tokens=NoTokens(),
        artifacts=MemoryArtifacts(),
        notes=MemoryNotes(),
        clock=SystemClock(),
    )
    connector = await LocalPoolConnector.open(context)
    try:
        yield connector
    finally:
        await connector.close()
        await asyncio.to_thread(end_process, home)


def end_process(home: Path) -> None:
    running = PoolHome(home).running()
    if running is not None:
        process = psutil.Process(running.pid)
        process.terminate()
        process.wait(30)


async def diagnosed(connector: LocalPoolConnector, *intrusive: str) -> Diagnosis:
    return await climb("target here", connector.ladder(), Climb(intrusive=intrusive, timeout_s=90))


def verdicts(diagnosis: Diagnosis) -> dict[str, CheckVerdict]:
    return {rung.name: rung.verdict for rung in diagnosis.rungs}


async def test_nothing_is_started_by_looking_and_a_snippet_starts_it(tmp_path: Path) -> None:
    async with pool(tmp_path) as connector:
        at_rest = await diagnosed(connector)
        assert verdicts(at_rest) == {"process": OK, "adapter": SKIPPED, "languages": SKIPPED, "snippet": SKIPPED}
        assert "the next run starts it" in to_text(at_rest)
        assert await asyncio.to_thread(PoolHome(tmp_path).running) is None
        by_name = await diagnosed(connector, "snippet")
        assert verdicts(by_name)["snippet"] is OK, to_text(by_name)
        running = await diagnosed(connector)
        assert verdicts(running) == {"process": OK, "adapter": OK, "languages": OK, "snippet": SKIPPED}
        assert "bash" in to_text(running)


async def test_a_process_that_cannot_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFIELD_SANDBOX_MINIMUM", "impossible")
    async with pool(tmp_path) as connector:
        by_name = await diagnosed(connector, "snippet")
        assert verdicts(by_name)["snippet"] is not OK
        after = await diagnosed(connector)
    assert verdicts(after)["process"] is FAIL, to_text(after)
    assert after.sentence.startswith("The local pool's process does not start on this machine: ")
