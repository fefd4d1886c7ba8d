"""The last comparison of each target, and who makes the next one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from ledger_world import S, World, at

from afield.ledger.postgres import PostgresLedger
from afield.ledger.scans import Scans
from afield.model.finding import Finding, FindingKind, Severity

HOUR = 3600


@pytest.fixture
def scans(ledger: PostgresLedger) -> Scans:
    return Scans(ledger.database)


def finding(world: World, handle: str) -> Finding:
    return Finding(
        kind=FindingKind.REMOTE_ONLY, severity=Severity.ERROR, target_id=world.target.id, explanation="?", handle=handle
    )  # fmt: skip


async def test_the_newest_is_kept_complete_or_not(postgres_world: World, scans: Scans) -> None:
    target = postgres_world.target
    assert await scans.last(target.id) is None
    await scans.keep(target, at(2), True, {"no": 2})
    await scans.keep(target, at(1), True, {"no": 1})
    assert await scans.last(target.id) == {"no": 2}
    await scans.keep(target, at(3), False, {"no": 3, "word": "a\0b\ud800"})
    kept = await scans.last(target.id)
    assert kept is not None
    assert kept["no"] == 3
    assert "\0" not in str(kept["word"])


async def test_a_claim_is_granted_once_in_an_interval(postgres_world: World, scans: Scans) -> None:
    target_id = postgres_world.target.id
    granted = await asyncio.gather(*(scans.claim(target_id, before=at(-HOUR), at=at(0)) for _ in range(20)))
    assert sum(granted) == 1
    assert not await scans.claim(target_id, before=at(-1), at=at(HOUR - 1))
    again = await asyncio.gather(*(scans.claim(target_id, before=at(0), at=at(HOUR)) for _ in range(20)))
    assert sum(again) == 1


async def test_a_claim_leaves_what_is_kept(postgres_world: World, scans: Scans) -> None:
    target = postgres_world.target
    assert await scans.claim(target.id, before=at(-HOUR), at=at(0))
    assert await scans.last(target.id) is None
    await scans.keep(target, at(1), True, {"no": 1})
    assert not await scans.claim(target.id, before=at(-1), at=at(2))
    assert await scans.claim(target.id, before=at(0), at=at(HOUR))
    assert await scans.last(target.id) == {"no": 1}


async def test_due_are_targets_with_work_of_late(postgres_world: World, scans: Scans) -> None:
    target_id = postgres_world.target.id

    async def due(back: timedelta) -> list[bool]:
        """Whether something is unsettled, for each target that is due."""
        found = await scans.due(at(0), before=at(0), back=row.created_at - back)
        assert all(one.target_id == target_id for one in found)
        return [one.unsettled_since is not None for one in found]

    day = timedelta(days=1)
    row = await postgres_world.execution(S.SUCCEEDED)
    assert await due(day) == [False]
    assert await due(-day) == []
    await postgres_world.execution(S.LOST)
    assert await due(day) == [True]
    assert await due(-day) == []
    row = await postgres_world.execution(S.RUNNING)
    assert await due(-day) == [True]
    await postgres_world.ledger.throttled(target_id, postgres_world.target.epoch, at(1))
    assert await due(day) == []
    await postgres_world.ledger.throttled(target_id, postgres_world.target.epoch, at(0))
    assert await due(day) == [True]
    await scans.claim(target_id, before=at(0), at=at(1))
    assert await due(day) == []


async def test_people_are_told_once_of_each_opening(postgres_world: World, scans: Scans) -> None:
    ledger, target_id = postgres_world.ledger, postgres_world.target.id

    async def told(now: float, *settled: Finding) -> list[str | None]:
        opened = await scans.alert(target_id, [one.fingerprint for one in settled], at(now))
        return sorted(one.finding.handle or "" for one in opened)

    one, two = finding(postgres_world, "1"), finding(postgres_world, "2")
    await ledger.report(target_id, [one, two], complete=True, at=at(1))
    assert await told(2, two) == ["1"]
    assert await told(3) == ["2"]
    assert await told(4) == []
    await ledger.report(target_id, [one], complete=True, at=at(5))
    await ledger.report(target_id, [one, two], complete=True, at=at(6))
    assert await told(7) == ["2"]
    assert await told(7) == ["2"]  # the answer to the first try was lost
    await ledger.report(target_id, [], complete=True, at=at(8))
    await ledger.report(target_id, [one], complete=True, at=at(9))
    await ledger.ignore(target_id, one.fingerprint, "ann", at(10))
    assert await told(11) == []
