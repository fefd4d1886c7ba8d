"""What is certain about runs of a local pool, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afield.connectors.adapter.sight import Sight
from afield.connectors.adapter.wire import Run
from afield.connectors.base import Intent, Known, LookQuery, RemoteState
from afield.connectors.local_pool.home import Running, Served
from afield.connectors.local_pool.sight import GONE, PoolSight
from afield.model.ids import attempt_key, uuid7

T = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def served(number: int, begun: float, ended: float | None = None) -> Served:
    return Served(number=number, folder=Path(), begun=at(begun), ended=None if ended is None else at(ended))


def running(number: int, ready: float) -> Running:
    return Running(number=number, url="", token="", pid=1, boot="b", version="1", ready_at=at(ready))


def sight(since: float, *run_ids: str) -> Sight:
    runs = {run_id: Run(run_id=run_id, status="running") for run_id in run_ids}
    return Sight(runs=runs, remembers_since=at(since), boot="b", calls=1)


def doubt(sent: float) -> Intent:
    execution_id = uuid7()
    key = attempt_key(execution_id, 1)
    return Intent(execution_id=execution_id, attempt=1, key=key, spec={}, sent_after=at(sent))


ALIVE_SINCE_BEFORE = PoolSight(served=[served(1, -10)], running=running(1, -9), sight=sight(-9.5))
STARTED_AFTERWARDS = PoolSight(served=[served(1, 5)], running=running(1, 6), sight=sight(5.5))
REPLACED = PoolSight(served=[served(1, -10, 4), served(2, 5)], running=running(2, 6), sight=sight(5.5))
OLD_ONE_WAS_DEAD = PoolSight(served=[served(1, -10, -5), served(2, 5)], running=running(2, 6), sight=sight(5.5))
FORGETFUL = PoolSight(served=[served(1, -10)], running=running(1, -9), sight=sight(3))
NEVER_SERVED = PoolSight(served=[])
DEAD = PoolSight(served=[served(1, -10, 4)])
DEAD_BEFORE = PoolSight(served=[served(1, -10, -5)])
FROM_ELSEWHERE = PoolSight(served=[], claimed_at=at(1))


@pytest.mark.parametrize("seen", [ALIVE_SINCE_BEFORE, STARTED_AFTERWARDS, OLD_ONE_WAS_DEAD, NEVER_SERVED, DEAD_BEFORE])
def test_absence_is_shown_where_nobody_can_have_taken_it(seen: PoolSight) -> None:
    assert seen.doubt(doubt(0)) is None


@pytest.mark.parametrize("seen", [REPLACED, FORGETFUL, DEAD, FROM_ELSEWHERE])
def test_what_nobody_can_tell_any_more_is_left_to_a_person(seen: PoolSight) -> None:
    intent = doubt(0)
    entry = seen.doubt(intent)
    assert entry is not None
    assert (entry.state, entry.name, entry.handle) == (RemoteState.UNKNOWN, None, f"local/{intent.key}")


def test_what_is_shown_is_the_attempts() -> None:
    intent = doubt(0)
    entry = PoolSight(served=[served(1, -10)], running=running(1, -9), sight=sight(-9.5, intent.key)).doubt(intent)
    assert entry is not None
    assert (entry.name, entry.state) == (intent.key, RemoteState.RUNNING)


@pytest.mark.parametrize("seen", [REPLACED, DEAD])
def test_a_run_whose_process_is_dead_has_failed(seen: PoolSight) -> None:
    entry = seen.known(Known(handle="local/r1", submitted_at=at(0)))
    assert entry is not None
    assert entry.reason is not None
    assert (entry.state, entry.reason.code) == (RemoteState.FAILED, GONE)


@pytest.mark.parametrize("seen", [ALIVE_SINCE_BEFORE, FORGETFUL, FROM_ELSEWHERE])
def test_a_run_that_is_merely_not_shown_has_not_failed(seen: PoolSight) -> None:
    assert seen.known(Known(handle="local/r1", submitted_at=at(0))) is None


def test_strangers_are_shown_when_they_are_asked_for() -> None:
    seen = PoolSight(served=[served(1, -10)], running=running(1, -9), sight=sight(-9.5, "a", "b"))
    known = Known(handle="local/a", submitted_at=at(0))
    assert [e.handle for e in seen.entries(LookQuery(known=(known,)))] == ["local/a"]
    assert [e.handle for e in seen.entries(LookQuery(known=(known,), since=at(0)))] == ["local/a", "local/b"]
