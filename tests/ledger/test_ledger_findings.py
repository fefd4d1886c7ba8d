"""Findings over several looks, in both ledgers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_world import World, at

from afield.errors import NotFoundError
from afield.ledger.base import EventFilter
from afield.model.execution import EventKind
from afield.model.finding import Finding, FindingKind, Repair, RepairKind, Severity
from afield.model.ids import uuid7
from afield.model.target import DEFAULT_TENANT


def finding(world: World, handle: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        kind=FindingKind.REMOTE_ONLY,
        severity=severity,
        target_id=world.target.id,
        explanation="Nobody here started it.",
        execution_id=None,
        handle=handle,
        why="foreign",
        local={"rows": [1, None]},
        remote={"status": "RUNNING"},
        repairs=(Repair(RepairKind.CANCEL_REMOTE, "Stops it.", handle), Repair(RepairKind.IGNORE, "None.")),
    )


async def changes(world: World) -> list[object]:
    wanted = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.FINDING}))
    return [event.data["change"] for event in await world.ledger.events(wanted)]


async def test_a_finding_opens_stays_and_is_resolved(world: World) -> None:
    one, two = finding(world, "h1"), finding(world, "h2", Severity.WARNING)
    await world.ledger.report(world.target.id, [one, two, one], complete=True, at=at(1))
    changed = replace(one, explanation="Still nobody.")
    await world.ledger.report(world.target.id, [changed], complete=False, at=at(2))
    found = await world.ledger.findings(DEFAULT_TENANT)
    assert [f.finding for f in found] in ([changed, two], [two, changed])
    assert {(f.finding.handle, f.first_seen_at, f.last_seen_at) for f in found} == {
        ("h1", at(1), at(2)), ("h2", at(1), at(1))
    }  # fmt: skip
    await world.ledger.report(world.target.id, [changed], complete=True, at=at(3))
    assert [f.finding.handle for f in await world.ledger.findings(DEFAULT_TENANT)] == ["h1"]
    all_of_them = await world.ledger.findings(DEFAULT_TENANT, open_only=False)
    assert {(f.finding.handle, f.resolved_at) for f in all_of_them} == {("h1", None), ("h2", at(3))}
    await world.ledger.report(world.target.id, [two], complete=False, at=at(4))
    reopened = await world.ledger.findings(DEFAULT_TENANT)
    assert {(f.finding.handle, f.first_seen_at) for f in reopened} == {("h1", at(1)), ("h2", at(4))}
    assert await changes(world) == ["opened", "opened", "resolved", "opened"]


async def test_agreement_is_not_kept(world: World) -> None:
    calm = [finding(world, "a", Severity.OK), finding(world, "b", Severity.INFO)]
    await world.ledger.report(world.target.id, calm, complete=True, at=at(1))
    assert await world.ledger.findings(DEFAULT_TENANT, open_only=False) == []


async def test_an_ignored_finding_stays_away(world: World) -> None:
    one = finding(world, "h")
    await world.ledger.report(world.target.id, [one], complete=True, at=at(1))
    await world.ledger.ignore(world.target.id, one.fingerprint, "ada", at(2))
    assert await world.ledger.findings(DEFAULT_TENANT) == []
    assert await world.ledger.ignored(world.target.id) == {one.fingerprint}
    await world.ledger.report(world.target.id, [], complete=True, at=at(3))
    await world.ledger.report(world.target.id, [one], complete=True, at=at(4))
    assert await world.ledger.findings(DEFAULT_TENANT) == []
    (kept,) = await world.ledger.findings(DEFAULT_TENANT, open_only=False)
    assert (kept.ignored, kept.last_seen_at) == (True, at(4))
    assert await changes(world) == ["opened", "ignored"]
    with pytest.raises(NotFoundError):
        await world.ledger.ignore(world.target.id, "no such", "ada", at(5))


async def test_filters(world: World) -> None:
    await world.ledger.report(world.target.id, [finding(world, "h")], complete=True, at=at(1))
    assert len(await world.ledger.findings(DEFAULT_TENANT, target_id=world.target.id)) == 1
    assert await world.ledger.findings(DEFAULT_TENANT, target_id=uuid7()) == []
    assert await world.ledger.findings(uuid7()) == []
    assert len(await world.ledger.findings(DEFAULT_TENANT, kind=FindingKind.REMOTE_ONLY)) == 1
    assert await world.ledger.findings(DEFAULT_TENANT, kind=FindingKind.LOCAL_ONLY) == []
    with pytest.raises(NotFoundError):
        await world.ledger.report(uuid7(), [], complete=True, at=at(1))
