"""Whether the process is up, and whether it can do its work."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from blockbuster import BlockBuster
from web_world import Web, working

from afield.api import health
from afield.api.lag import LoopLag
from afield.api.vitals import Vitals, needed_schema
from afield.config import Settings
from afield.kernel import Kernel

_SILENCE = timedelta(seconds=60)


@pytest.mark.parametrize(
    ("current", "beat", "missing"),
    [
        (True, timedelta(seconds=5), []),
        (True, _SILENCE, []),
        (True, _SILENCE + timedelta(seconds=1), ["worker"]),
        (True, None, ["worker"]),
        (False, timedelta(0), ["schema"]),
    ],
)
def test_what_the_database_says(current: bool, beat: timedelta | None, missing: list[str]) -> None:
    parts = health.database_parts(Vitals(schema="1", schema_current=current, newest_beat=beat), _SILENCE)
    assert [part.name for part in parts if not part.ready] == missing
    assert all(part.detail for part in parts)


def test_a_late_event_loop_is_not_ready() -> None:
    assert health.lag_part(0.01).ready
    assert not health.lag_part(1.5).ready


async def test_lag_is_what_the_loop_was_late(never_blocking: BlockBuster) -> None:
    never_blocking.deactivate()
    import time

    lag = LoopLag()
    measuring = asyncio.create_task(lag.measure())
    await asyncio.sleep(0)
    assert lag.worst == 0.0
    time.sleep(0.4)
    assert lag.worst > 0.1
    measuring.cancel()


async def test_not_ready_without_a_worker_ready_with_one(web: Web, settings: Settings) -> None:
    assert (await web.get("/healthz")).json == {"status": "ok"}
    answer = await web.get("/readyz")
    assert answer.status == 503
    assert answer.json["not_ready"] == ["worker"]
    assert {part["name"] for part in answer.json["parts"]} == {"database", "schema", "worker", "event_loop"}
    assert answer.json["event_loop_lag_ms"] >= 0
    async with working(settings):
        while (answer := await web.get("/readyz")).status == 503:
            assert answer.json["not_ready"] == ["worker"]
    assert answer.json["ready"] is True
    assert needed_schema() in str(answer.json)


async def test_a_database_that_is_away_is_named(web: Web, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.1)
    away = asyncio.Semaphore(0)
    monkeypatch.setattr(kernel.ledger.database, "_places", away)
    answer = await web.get("/readyz")
    assert (answer.status, answer.json["not_ready"]) == (503, ["database"])
    assert (await web.get("/healthz")).status == 200
