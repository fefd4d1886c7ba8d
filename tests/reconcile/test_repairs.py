"""Repairs against a ledger and a remote: what they change, once, and what they write down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from reconcile_world import DAY, MINUTE, NOW, entry
from recorded_world import Bench

from afield.connectors.base import RemoteState
from afield.errors import CredentialError, InvalidInputError
from afield.model.execution import Execution, Move, Reason
from afield.model.finding import FindingKind, RepairKind
from afield.model.ids import attempt_key
from afield.model.states import ExecutionState, OutputState
from afield.reconcile.repair import Choice, Policy, Repairer, plan_repairs
from afield.reconcile.sides import Why

S, R, H = ExecutionState, RemoteState, RepairKind


def wanting(*kinds: RepairKind) -> Policy:
    return Policy(kinds=frozenset(kinds))


async def test_sync_takes_the_remotes_word_and_asks_for_the_output(bench: Bench) -> None:
    row = await bench.add(S.RUNNING, handle="h")
    bench.world.put(entry("h", R.SUCCEEDED))
    [repaired] = await bench.repair(await bench.scan())
    after = await bench.ledger.execution(row.id)
    assert repaired.done
    assert (after.state, after.remote_status, after.output_state) == (S.SUCCEEDED, "SUCCEEDED", OutputState.PENDING)
    assert (repaired.before["state"], repaired.after["state"]) == ("running", "succeeded")


async def test_sync_carries_the_remotes_reason(bench: Bench) -> None:
    row = await bench.add(S.SUBMITTED, handle="h")
    bench.world.put(entry("h", R.REJECTED, reason=Reason("rejected", "too many runs")))
    await bench.repair(await bench.scan())
    after = await bench.ledger.execution(row.id)
    assert (after.state, after.reason) == (S.REJECTED, Reason("rejected", "too many runs"))
    assert after.output_state is OutputState.NONE


async def test_what_was_stopped_for_its_time_is_timed_out(bench: Bench) -> None:
    row = await bench.add(S.RUNNING, handle="h")
    asked = Move(
        execution_id=row.id,
        expect=S.RUNNING,
        to=S.RUNNING,
        attempt=1,
        at=NOW,
        deadline_at=NOW - MINUTE,
        cancel_asked_at=NOW - MINUTE,
    )
    assert (await bench.ledger.apply(asked)).ok
    bench.world.put(entry("h", R.CANCELLED))
    await bench.repair(await bench.scan())
    assert (await bench.ledger.execution(row.id)).state is S.TIMED_OUT


async def test_adopt_goes_all_the_way_to_what_the_remote_says(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    bench.world.put(entry("found", R.SUCCEEDED, name=row.key))
    [repaired] = await bench.repair(await bench.scan())
    after = await bench.ledger.execution(row.id)
    assert repaired.text == "unconfirmed -> succeeded"
    assert (after.state, after.handle, after.output_state) == (S.SUCCEEDED, "found", OutputState.PENDING)


async def test_a_late_arrival_is_tied_to_its_own_attempt(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    await bench.walk(row.id, S.QUEUED, at=NOW - 30 * MINUTE)
    bench.world.put(entry("late", name=attempt_key(row.id, 1)))
    await bench.repair(await bench.scan())
    after = await bench.ledger.execution(row.id)
    [attempt] = await bench.ledger.attempts(row.id)
    assert (after.state, after.handle, attempt.handle, attempt.outcome) == (S.RUNNING, "late", "late", "accepted")


async def test_adopting_an_earlier_attempt_says_which_one(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    await bench.walk(row.id, S.QUEUED, S.SUBMITTING, S.UNCONFIRMED, at=NOW - 30 * MINUTE)
    bench.world.put(entry("late", name=attempt_key(row.id, 1)))
    await bench.repair(await bench.scan())
    outcomes = {one.number: (one.handle, one.outcome) for one in await bench.ledger.attempts(row.id)}
    assert outcomes == {1: ("late", "accepted"), 2: (None, "unknown")}


async def test_a_rescued_row_is_followed_again(bench: Bench) -> None:
    row = await bench.add(S.RUNNING, handle="h")
    await bench.walk(row.id, S.LOST, at=NOW - MINUTE)
    bench.world.put(entry("h"))
    await bench.repair(await bench.scan())
    assert (await bench.ledger.execution(row.id)).state is S.RUNNING


@pytest.mark.parametrize(("state", "handle"), [(S.UNCONFIRMED, None), (S.LOST, None), (S.RUNNING, "gone")])
async def test_resubmit_only_on_request_and_after_retiring(bench: Bench, state: S, handle: str | None) -> None:
    row = await bench.add(state, handle=handle)
    scanned = await bench.scan()
    assert plan_repairs(scanned.findings) == []
    [repaired] = await bench.repair(scanned, wanting(H.RESUBMIT))
    assert repaired.done
    assert bench.world.retired == [row.key]
    after = await bench.ledger.execution(row.id)
    assert (after.state, after.reason.code if after.reason else "") == (S.QUEUED, "resubmitted")


async def test_what_turns_up_at_the_last_moment_is_not_sent_again(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    scanned = await bench.scan()
    bench.world.put(entry("x", name=row.key))
    [repaired] = await bench.repair(scanned, wanting(H.RESUBMIT))
    assert (repaired.done, (await bench.ledger.execution(row.id)).state) == (False, S.UNCONFIRMED)
    assert "after all, as x" in repaired.text


async def test_nothing_is_sent_again_without_a_complete_look(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    scanned = await bench.scan()
    bench.world.broken = Reason("throttled", "429 on page 2")
    [repaired] = await bench.repair(scanned, wanting(H.RESUBMIT))
    assert (repaired.done, (await bench.ledger.execution(row.id)).state) == (False, S.UNCONFIRMED)
    assert "429 on page 2" in repaired.text


async def imported(bench: Bench) -> Execution:
    """An old row in doubt of which no attempt is known: no move can make one, only an import from elsewhere."""
    row = replace(await bench.add(S.QUEUED, age=40 * DAY), state=S.UNCONFIRMED)
    bench.ledger._keep(row)
    return row


async def test_mark_legacy_once(bench: Bench) -> None:
    row = await imported(bench)
    [repaired] = await bench.repair(await bench.scan())
    after = await bench.ledger.execution(row.id)
    assert repaired.done
    assert (after.state, after.reason.code if after.reason else "") == (S.LOST, "legacy")
    [finding] = (await bench.scan(since=50 * DAY)).findings
    assert (finding.why, finding.needs_attention) == (Why.LEGACY, False)


async def surplus(bench: Bench) -> None:
    """A row that runs as attempt 2, and attempt 1 beside it."""
    row = await bench.add(S.UNCONFIRMED)
    await bench.walk(row.id, S.QUEUED, S.SUBMITTING, S.SUBMITTED, S.RUNNING, handle="second", at=NOW - 30 * MINUTE)
    bench.world.put(entry("first", name=attempt_key(row.id, 1)), entry("second", name=attempt_key(row.id, 2)))


async def test_the_surplus_is_cancelled_on_request_and_verified_by_looking(bench: Bench) -> None:
    await surplus(bench)
    assert await bench.repair(await bench.scan()) == []
    [repaired] = await bench.repair(await bench.scan(), wanting(H.CANCEL_REMOTE))
    assert (repaired.done, bench.world.cancelled) == (True, ["first"])
    assert [e.data["stage"] for e in await bench.audit()] == ["asking", "done"]
    assert (await bench.scan()).needs_attention == ()
    assert plan_repairs((await bench.scan()).findings, wanting(H.CANCEL_REMOTE)) == []


async def test_ignoring_is_remembered(bench: Bench) -> None:
    await surplus(bench)
    policy = wanting(H.IGNORE)
    [first] = await bench.repair(await bench.scan(), policy)
    assert first.done
    assert (await bench.scan()).needs_attention == ()
    assert await bench.repair(await bench.scan(), policy) == []


async def test_a_person_chooses_between_two(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    bench.world.put(entry("a", name=row.key), entry("b", name=row.key))
    scanned = await bench.scan()
    assert await bench.repair(scanned, wanting(H.ADOPT, H.CANCEL_REMOTE)) == []
    of_row = next(f for f in scanned.findings if f.execution_id)
    await bench.repair(scanned, Policy(choices={of_row.fingerprint: Choice(H.ADOPT, "b")}))
    assert (await bench.ledger.execution(row.id)).handle == "b"
    left = next(f for f in (await bench.scan()).findings if f.handle == "a")
    assert (left.kind, left.why) == (FindingKind.REMOTE_ONLY, Why.SURPLUS)


async def test_a_choice_has_to_be_offered(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    bench.world.put(entry("a", name=row.key), entry("b", name=row.key))
    findings = (await bench.scan()).findings
    fingerprint = next(f.fingerprint for f in findings if f.execution_id)
    for choice in [Choice(H.ADOPT), Choice(H.ADOPT, "c"), Choice(H.SYNC_STATUS)]:
        with pytest.raises(InvalidInputError, match="Offered: adopt a, adopt b, ignore"):
            plan_repairs(findings, Policy(choices={fingerprint: choice}))
    with pytest.raises(InvalidInputError, match="There is no finding 'x'"):
        plan_repairs(findings, Policy(choices={"x": Choice(H.IGNORE)}))


async def test_twice_changes_nothing(bench: Bench) -> None:
    rows = [await bench.add(S.RUNNING, handle="h"), await bench.add(S.UNCONFIRMED)]
    bench.world.put(entry("h", R.FAILED), entry("x", name=rows[1].key))
    scanned = await bench.scan()
    assert all(one.done for one in await bench.repair(scanned))
    seq = await bench.ledger.last_seq()
    again = await bench.repair(scanned)
    assert [one.done for one in again] == [False, False]
    assert all("Compare again" in one.text for one in again)
    assert await bench.ledger.last_seq() == seq
    assert await bench.repair(await bench.scan()) == []


async def test_a_handle_somebody_took_meanwhile_is_left_to_them(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    bench.world.put(entry("x", name=row.key))
    scanned = await bench.scan()
    await bench.add(S.RUNNING, handle="x")
    [repaired] = await bench.repair(scanned)
    assert (repaired.done, (await bench.ledger.execution(row.id)).state) == (False, S.UNCONFIRMED)
    assert "holds this remote id" in repaired.text
    assert await bench.audit() == []


async def test_the_audit_trail_says_who_what_and_why(bench: Bench) -> None:
    row = await bench.add(S.RUNNING, handle="h")
    bench.world.put(entry("h", R.CANCELLED))
    await bench.repair(await bench.scan())
    [event] = await bench.audit()
    assert (event.actor, event.execution_id) == ("ann", row.id)
    assert event.reason is not None
    assert event.reason.code == "sync_status"
    assert "cancelled it at the remote" in event.reason.text
    assert event.data["finding"] == f"status_mismatch:{row.id}:h"


async def test_one_repair_that_fails_does_not_stop_the_next(bench: Bench) -> None:
    await bench.add(S.UNCONFIRMED)
    await bench.add(S.RUNNING, handle="h")
    bench.world.put(entry("h", R.SUCCEEDED))
    scanned = await bench.scan()

    async def refuse(_: object) -> bool:
        raise CredentialError("The token was refused.")

    remote = bench.remote
    remote.retire = refuse  # type: ignore[method-assign]
    planned = plan_repairs(scanned.findings, wanting(H.RESUBMIT))
    results = await Repairer(bench.ledger, remote, actor="ann", clock=bench.clock).apply(planned)
    assert {one.done for one in results} == {True, False}


def test_a_repair_can_be_killed_between_its_halves(tmp_path: Path) -> None:
    """Really killed: what stays is a row that is adopted and not followed yet, a state the next test goes on from."""
    script, notes = Path(__file__).parent / "adopt_and_die.py", tmp_path / "notes"
    killed = subprocess.run(
        [sys.executable, str(script), str(notes)],
        env={**os.environ, "AFIELD_FAULTPOINTS": "during_repair:1"},
        capture_output=True,
        check=False,
        timeout=50,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert notes.read_text().split() == ["unconfirmed", "submitted"]


async def test_what_a_crash_left_half_done_is_continued(bench: Bench) -> None:
    row = await bench.add(S.UNCONFIRMED)
    bench.world.put(entry("x", R.SUCCEEDED, name=row.key))
    await bench.walk(row.id, S.SUBMITTED, handle="x", at=NOW - MINUTE)  # the first half
    [repaired] = await bench.repair(await bench.scan())
    assert (repaired.planned.repair.kind, repaired.text) == (H.SYNC_STATUS, "submitted -> succeeded")
