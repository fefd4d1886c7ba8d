"""A whole comparison: what it reads, what it asks, what it keeps."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from reconcile_world import DAY, HOUR, MINUTE, NOW, TARGET, entry
from recorded_world import Bench

from afield.connectors.base import LookQuery, RemoteState, Snapshot
from afield.errors import CredentialError
from afield.model.execution import Reason
from afield.model.finding import FindingKind
from afield.model.ids import attempt_key, uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT
from afield.reconcile.scan import Scan, scan
from afield.reconcile.shared import SharedLook
from afield.reconcile.sides import Why

K, S, R = FindingKind, ExecutionState, RemoteState


async def test_one_look_asks_for_everything(bench: Bench) -> None:
    live = await bench.add(S.RUNNING, handle="h1")
    doubt = await bench.add(S.UNCONFIRMED)
    await bench.add(S.SUCCEEDED, handle="h2")
    scanned = await bench.scan()
    [query] = bench.world.looks
    assert {known.handle for known in query.known} == {"h1", "h2"}
    assert {intent.key for intent in query.doubts} == {doubt.key}
    assert query.since == NOW - DAY
    assert scanned.executions[live.id].labels == {"user_email": "a@b.c"}


async def test_outstanding_rows_count_whatever_their_age(bench: Bench) -> None:
    old = await bench.add(S.RUNNING, handle="old", age=9 * DAY)
    await bench.add(S.SUCCEEDED, handle="ended", age=9 * DAY)
    assert set((await bench.scan()).executions) == {old.id}


async def test_counts_name_every_kind(bench: Bench) -> None:
    await bench.add(S.RUNNING, handle="h")
    bench.world.put(entry("h"), entry("stranger"))
    counts = (await bench.scan()).counts
    assert {kind: n for kind, n in counts.items() if n} == {K.MATCHED: 1, K.REMOTE_ONLY: 1}
    assert set(counts) == set(K)


async def test_what_needs_attention_is_kept_and_later_resolved(bench: Bench) -> None:
    await bench.add(S.RUNNING, handle="h")
    bench.world.put(entry("h", R.CANCELLED))
    await bench.scan()
    [kept] = await bench.ledger.findings(DEFAULT_TENANT)
    assert kept.finding.why == Why.CANCELLED_REMOTELY
    bench.world.put(entry("h"))
    await bench.scan()
    assert await bench.ledger.findings(DEFAULT_TENANT) == []


async def test_a_narrow_comparison_resolves_nothing_it_did_not_ask_about(bench: Bench) -> None:
    await bench.add(S.SUCCEEDED, handle="ended", age=9 * DAY)
    orphan = entry("orphan", name=attempt_key(uuid7(), 1), created_at=NOW - 9 * DAY)
    bench.world.put(entry("ended", R.FAILED, created_at=NOW - 9 * DAY), orphan)
    await bench.scan(since=10 * DAY)
    before = {one.finding.fingerprint for one in await bench.ledger.findings(DEFAULT_TENANT)}
    assert len(before) == 2
    await bench.scan(since=HOUR)
    assert {one.finding.fingerprint for one in await bench.ledger.findings(DEFAULT_TENANT)} == before


async def test_an_incomplete_look_is_told_and_resolves_nothing(bench: Bench) -> None:
    await bench.add(S.RUNNING, handle="h1")
    await bench.add(S.RUNNING, handle="h2")
    bench.world.put(entry("h1", R.FAILED))
    await bench.scan()
    open_before = await bench.ledger.findings(DEFAULT_TENANT)
    bench.world.broken = Reason("throttled", "429 on page 2")
    scanned = await bench.scan()
    assert (scanned.looked.complete, scanned.looked.error) == (False, "429 on page 2")
    assert {f.kind for f in scanned.findings} == {K.STATUS_MISMATCH, K.NOT_LOOKED}
    still_open = {one.id for one in await bench.ledger.findings(DEFAULT_TENANT)}
    assert {one.id for one in open_before} == still_open


async def test_a_refused_credential_is_a_look_that_could_not_be_made(bench: Bench) -> None:
    await bench.add(S.RUNNING, handle="h1")
    bench.world.error = CredentialError("The refresh token was revoked.", hint="Connect the account again.")
    scanned = await bench.scan()
    assert not scanned.looked.complete
    assert scanned.looked.error == "The refresh token was revoked. Connect the account again."
    assert [f.kind for f in scanned.findings] == [K.NOT_LOOKED]


async def test_what_is_started_while_looking_is_not_foreign(bench: Bench) -> None:
    remote = bench.remote
    look = remote.look

    async def slowly(query: LookQuery) -> Snapshot:
        await bench.add(S.SUBMITTED, handle="new", age=timedelta(seconds=1))
        bench.world.put(entry("new", R.WAITING))
        return await look(query)

    remote.look = slowly  # type: ignore[method-assign]
    scanned = await scan(bench.ledger, remote, bench.target, NOW - DAY, NOW)
    assert [f.kind for f in scanned.findings] == [K.MATCHED]


async def test_settings_of_the_target_count(bench: Bench) -> None:
    await bench.add(S.RUNNING, handle="h", age=HOUR)
    await bench.ledger.update_target(TARGET, settings={"max_visibility_delay": 7200})
    assert [f.kind for f in (await bench.scan()).findings] == [K.TOO_EARLY]


# ------------------------------------------------------------------------------------ one look for many


def run_once(calls: list[int], gate: asyncio.Event, made: Scan) -> object:
    async def run() -> Scan:
        calls.append(1)
        await gate.wait()
        return made

    return run


async def test_callers_share_a_look_that_is_under_way_and_one_that_just_ended(bench: Bench) -> None:
    made = await bench.scan()
    shared, calls, gate = SharedLook(bench.clock, max_age=MINUTE), [], asyncio.Event()
    run = run_once(calls, gate, made)
    waiting = [asyncio.create_task(shared.scan(TARGET, NOW - DAY, run)) for _ in range(5)]
    gate.set()
    assert {id(one) for one in await asyncio.gather(*waiting)} == {id(made)}
    assert await shared.scan(TARGET, NOW - HOUR, run) is made
    assert len(calls) == 1


async def test_an_old_look_or_a_wider_question_is_asked_anew(bench: Bench) -> None:
    made = await bench.scan()
    shared, calls, gate = SharedLook(bench.clock, max_age=MINUTE), [], asyncio.Event()
    gate.set()
    run = run_once(calls, gate, made)
    await shared.scan(TARGET, NOW - DAY, run)
    await shared.scan(TARGET, NOW - 2 * DAY, run)
    assert len(calls) == 2
    bench.clock.time = NOW + 2 * MINUTE
    await shared.scan(TARGET, NOW - DAY, run)
    assert len(calls) == 3
    shared.forget(TARGET)
    await shared.scan(TARGET, NOW - DAY, run)
    assert len(calls) == 4


async def test_a_failure_is_not_shared_later_and_a_leaving_caller_stops_nobody(bench: Bench) -> None:
    made = await bench.scan()
    shared, calls, gate = SharedLook(bench.clock, max_age=MINUTE), [], asyncio.Event()

    async def fail() -> Scan:
        raise ValueError("wrong settings")

    with pytest.raises(ValueError, match="wrong settings"):
        await shared.scan(TARGET, NOW - DAY, fail)
    run = run_once(calls, gate, made)
    leaving, staying = (asyncio.create_task(shared.scan(TARGET, NOW - DAY, run)) for _ in range(2))
    while not calls:
        await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await staying is made
    assert len(calls) == 1
