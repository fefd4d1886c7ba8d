"""The comparison, case by case: what is planted is found, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from reconcile_world import (
    DAY,
    HOUR,
    LIMITS,
    MINUTE,
    NOW,
    entry,
    execution_id,
    intent,
    key,
    row,
    sides,
)

from afield.connectors.base import Entry, Intent, Match, RemoteState
from afield.model.execution import Reason, Tracked
from afield.model.finding import Finding, FindingKind, RepairKind, Severity
from afield.model.states import ExecutionState, OutputState
from afield.reconcile.compare import compare
from afield.reconcile.sides import Why

K, S, R, W, H = FindingKind, ExecutionState, RemoteState, Why, RepairKind
V = Severity


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@dataclass(frozen=True)
class Case:
    """One row and/or one entry, and what has to be said of them."""

    name: str
    row: Tracked | None
    entry: Entry | None
    kind: FindingKind
    why: Why
    severity: Severity
    repairs: frozenset[RepairKind] = frozenset()
    complete: bool = True


def repairs(*kinds: RepairKind) -> frozenset[RepairKind]:
    return frozenset(kinds) | {H.IGNORE}


LIVE_NEW = row(1, S.SUBMITTED, submitted_at=NOW - MINUTE)
OLD_AND_BARE = {"attempt": 0, "handle": None, "intent_at": None, "created_at": NOW - 40 * DAY}
SYNC = repairs(H.SYNC_STATUS)

CASES = [
    # known on both sides
    Case("agreed", row(1, S.RUNNING), entry("h1"), K.MATCHED, W.AGREED, V.OK),
    Case("waiting there", row(1, S.SUBMITTED), entry("h1", R.WAITING), K.MATCHED, W.AGREED, V.OK),
    Case("agreed, look cut short", row(1, S.RUNNING), entry("h1"), K.MATCHED, W.AGREED, V.OK, complete=False),
    Case("both ended", row(1, S.SUCCEEDED), entry("h1", R.SUCCEEDED), K.MATCHED, W.AGREED, V.OK),
    Case("stopped by us", row(1, S.TIMED_OUT), entry("h1", R.CANCELLED), K.MATCHED, W.AGREED, V.OK),
    Case("further on", row(1, S.SUBMITTED), entry("h1"), K.STATUS_MISMATCH, W.BEHIND, V.INFO, SYNC),
    Case(
        "publishing is live",
        row(1, S.RUNNING),
        entry("h1", status="PUBLISHING"),
        K.MATCHED,
        W.AGREED,
        V.OK,
    ),
    Case("unknown word", row(1, S.RUNNING), entry("h1", R.UNKNOWN), K.MATCHED, W.UNKNOWN_WORD, V.WARNING),
    Case("unknown, ended here", row(1, S.FAILED), entry("h1", R.UNKNOWN), K.MATCHED, W.UNKNOWN_WORD, V.WARNING),
    Case(
        "stale status",
        row(1, S.RUNNING),
        entry("h1", R.SUCCEEDED),
        K.STATUS_MISMATCH,
        W.STALE_STATUS,
        V.WARNING,
        SYNC,
    ),
    Case(
        "stale status on a page that came",
        row(1, S.RUNNING),
        entry("h1", R.FAILED),
        K.STATUS_MISMATCH,
        W.STALE_STATUS,
        V.WARNING,
        SYNC,
        complete=False,
    ),
    Case(
        "cancelled remotely",
        row(1, S.RUNNING),
        entry("h1", R.CANCELLED),
        K.STATUS_MISMATCH,
        W.CANCELLED_REMOTELY,
        V.WARNING,
        SYNC,
    ),
    Case(
        "cancelled as wanted",
        row(1, S.RUNNING, cancel_requested_at=NOW - MINUTE),
        entry("h1", R.CANCELLED),
        K.STATUS_MISMATCH,
        W.STALE_STATUS,
        V.WARNING,
        SYNC,
    ),
    Case(
        "rejected",
        row(1, S.SUBMITTED),
        entry("h1", R.REJECTED, reason=Reason("rejected", "too many runs")),
        K.STATUS_MISMATCH,
        W.REJECTED_REMOTELY,
        V.WARNING,
        SYNC,
    ),
    Case(
        "ended here after the look",
        row(1, S.SUCCEEDED, state_at=NOW + MINUTE),
        entry("h1"),
        K.TOO_EARLY,
        W.NEWER_HERE,
        V.INFO,
    ),
    Case(
        "live there",
        row(1, S.CANCELLED),
        entry("h1"),
        K.STATUS_MISMATCH,
        W.LIVE_THERE,
        V.ERROR,
        repairs(H.CANCEL_REMOTE),
    ),
    Case(
        "ends differ",
        row(1, S.SUCCEEDED),
        entry("h1", R.FAILED),
        K.STATUS_MISMATCH,
        W.ENDS_DIFFER,
        V.ERROR,
        repairs(),
    ),
    Case("back from lost", row(1, S.LOST), entry("h1"), K.STATUS_MISMATCH, W.LATE_ARRIVAL, V.WARNING, SYNC),
    Case(
        "back from lost, strangely",
        row(1, S.LOST),
        entry("h1", R.UNKNOWN),
        K.STATUS_MISMATCH,
        W.LATE_ARRIVAL,
        V.WARNING,
        SYNC,
    ),
    # an id nobody noted
    Case(
        "lost id",
        row(1, S.UNCONFIRMED),
        entry("x", name=key(1)),
        K.MISSING_REMOTE_ID,
        W.UNCONFIRMED,
        V.WARNING,
        repairs(H.ADOPT),
    ),
    Case(
        "lost id, look cut short",
        row(1, S.UNCONFIRMED),
        entry("x", name=key(1)),
        K.MISSING_REMOTE_ID,
        W.INCOMPLETE,
        V.WARNING,
        complete=False,
    ),
    Case(
        "reply awaited",
        row(1, S.SUBMITTING, state_at=NOW - timedelta(seconds=5)),
        entry("x", name=key(1)),
        K.MISSING_REMOTE_ID,
        W.TOO_EARLY,
        V.INFO,
    ),
    Case(
        "driver died while sending",
        row(1, S.SUBMITTING),
        entry("x", name=key(1)),
        K.MISSING_REMOTE_ID,
        W.UNCONFIRMED,
        V.WARNING,
        repairs(H.ADOPT),
    ),
    Case(
        "earlier attempt turned up",
        row(1, S.QUEUED, attempt=1),
        entry("x", name=key(1)),
        K.MISSING_REMOTE_ID,
        W.LATE_ARRIVAL,
        V.WARNING,
        repairs(H.ADOPT),
    ),
    # not shown
    Case("queued", row(1, S.QUEUED), None, K.MISSING_REMOTE_ID, W.QUEUED, V.INFO),
    Case("queued, no look", row(1, S.QUEUED), None, K.MISSING_REMOTE_ID, W.QUEUED, V.INFO, complete=False),
    Case("refused", row(1, S.REJECTED), None, K.MISSING_REMOTE_ID, W.CREATE_FAILED, V.INFO),
    Case("dropped", row(1, S.CANCELLED, handle=None), None, K.MISSING_REMOTE_ID, W.NOT_SENT, V.INFO),
    Case(
        "just sent",
        row(1, S.UNCONFIRMED, state_at=NOW - MINUTE),
        None,
        K.MISSING_REMOTE_ID,
        W.TOO_EARLY,
        V.INFO,
    ),
    Case(
        "shown absent",
        row(1, S.UNCONFIRMED),
        None,
        K.MISSING_REMOTE_ID,
        W.ABSENT,
        V.WARNING,
        repairs(H.RESUBMIT),
    ),
    Case(
        "absent, but to be cancelled",
        row(1, S.UNCONFIRMED, cancel_requested_at=NOW),
        None,
        K.MISSING_REMOTE_ID,
        W.ABSENT,
        V.WARNING,
        repairs(),
    ),
    Case(
        "in doubt, look cut short",
        row(1, S.UNCONFIRMED),
        None,
        K.MISSING_REMOTE_ID,
        W.INCOMPLETE,
        V.WARNING,
        complete=False,
    ),
    Case("stuck while sending", row(1, S.SUBMITTING), None, K.MISSING_REMOTE_ID, W.UNCONFIRMED, V.WARNING),
    Case(
        "lost before it arrived",
        row(1, S.LOST, handle=None),
        None,
        K.MISSING_REMOTE_ID,
        W.ABSENT,
        V.WARNING,
        repairs(H.RESUBMIT),
    ),
    Case(
        "legacy",
        row(1, S.RUNNING, **OLD_AND_BARE),
        None,
        K.MISSING_REMOTE_ID,
        W.LEGACY,
        V.WARNING,
        repairs(H.MARK_LEGACY),
    ),
    Case(
        "legacy, ended",
        row(1, S.SUCCEEDED, **OLD_AND_BARE),
        None,
        K.MISSING_REMOTE_ID,
        W.LEGACY,
        V.WARNING,
        repairs(H.MARK_LEGACY),
    ),
    Case(
        "legacy, marked",
        row(1, S.LOST, **OLD_AND_BARE, reason=Reason("legacy")),
        None,
        K.MISSING_REMOTE_ID,
        W.LEGACY,
        V.INFO,
    ),
    Case(
        "legacy, look cut short",
        row(1, S.UNCONFIRMED, **OLD_AND_BARE),
        None,
        K.MISSING_REMOTE_ID,
        W.INCOMPLETE,
        V.WARNING,
        complete=False,
    ),
    Case(
        "bare, but young",
        row(1, S.UNCONFIRMED, attempt=0, intent_at=None),
        None,
        K.MISSING_REMOTE_ID,
        W.UNCONFIRMED,
        V.WARNING,
    ),
    Case("not shown yet", LIVE_NEW, None, K.TOO_EARLY, W.TOO_EARLY, V.INFO),
    Case("not shown, look cut short", row(1, S.RUNNING), None, K.NOT_LOOKED, W.INCOMPLETE, V.INFO, complete=False),
    Case("never shown", row(1, S.SUBMITTED), None, K.LOCAL_ONLY, W.NEVER_SHOWN, V.ERROR, repairs(H.RESUBMIT)),
    Case(
        "vanished",
        row(1, S.RUNNING, remote_seen_at=NOW - 30 * MINUTE),
        None,
        K.LOCAL_ONLY,
        W.VANISHED,
        V.ERROR,
        repairs(H.RESUBMIT),
    ),
    Case(
        "seen a moment ago",
        row(1, S.RUNNING, remote_seen_at=NOW - MINUTE),
        None,
        K.TOO_EARLY,
        W.TOO_EARLY,
        V.INFO,
    ),
    Case("lost", row(1, S.LOST), None, K.LOCAL_ONLY, W.LOST, V.WARNING, repairs(H.RESUBMIT)),
    Case("no longer listed", row(1, S.SUCCEEDED), None, K.LOCAL_ONLY, W.FORGOTTEN, V.INFO),
    Case(
        "no longer listed, no output",
        row(1, S.SUCCEEDED, output_state=OutputState.PENDING),
        None,
        K.LOCAL_ONLY,
        W.FORGOTTEN,
        V.WARNING,
        repairs(),
    ),
    # not known here
    Case("foreign", None, entry("x"), K.REMOTE_ONLY, W.FOREIGN, V.INFO),
    Case("foreign, named by its owner", None, entry("x", name="report"), K.REMOTE_ONLY, W.FOREIGN, V.INFO),
    Case("foreign?, look cut short", None, entry("x"), K.NOT_LOOKED, W.INCOMPLETE, V.INFO, complete=False),
    Case(
        "orphan",
        None,
        entry("x", name=key(77)),
        K.REMOTE_ONLY,
        W.ORPHAN,
        V.WARNING,
        repairs(H.CANCEL_REMOTE),
    ),
    Case("orphan, ended", None, entry("x", R.FAILED, name=key(77)), K.REMOTE_ONLY, W.ORPHAN, V.INFO),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_case(case: Case) -> None:
    rows, entries = [r for r in [case.row] if r], [e for e in [case.entry] if e]
    finding = only(compare(sides(rows, entries, complete=case.complete)))
    assert (finding.kind, finding.why, finding.severity) == (case.kind, case.why, case.severity)
    assert {repair.kind for repair in finding.repairs} == case.repairs
    assert finding.execution_id == (case.row.id if case.row else None)
    assert finding.explanation.endswith((".", ")"))
    assert all(repair.risk for repair in finding.repairs)


def test_an_unknown_word_is_told_verbatim() -> None:
    finding = only(compare(sides([row(1, S.RUNNING)], [entry("h1", R.UNKNOWN, status="HATCHING")])))
    assert "'HATCHING'" in finding.explanation
    assert finding.remote["status"] == "HATCHING"


def test_the_evidence_holds_both_sides() -> None:
    finding = only(compare(sides([row(1, S.RUNNING)], [entry("h1", R.SUCCEEDED)])))
    assert finding.local["state"] == "running"
    assert finding.remote["status"] == "SUCCEEDED"


def test_an_incomplete_look_says_why() -> None:
    finding = only(compare(sides([row(1, S.RUNNING)], complete=False)))
    assert "page 2 of 3" in finding.explanation
    assert finding.remote["look"] == {
        "complete": False,
        "taken_at": "2026-05-04T12:00:00Z",
        "error": {"code": "page_failed", "text": "page 2 of 3 could not be read"},
    }


def test_what_was_not_asked_for_is_not_said_to_be_absent() -> None:
    asked_nothing = replace(sides().query, known=(), doubts=())
    findings = compare(sides([row(1, S.SUCCEEDED), row(2, S.UNCONFIRMED)], query=asked_nothing))
    assert {(f.kind, f.why) for f in findings} == {
        (K.NOT_LOOKED, W.NOT_ASKED),
        (K.MISSING_REMOTE_ID, W.NOT_ASKED),
    }


# ------------------------------------------------------------------------------------ several


def two_of_attempt_one() -> list[Entry]:
    return [entry("a", name=key(1)), entry("b", name=key(1))]


def test_two_equal_submissions_are_for_a_person() -> None:
    findings = compare(sides([row(1, S.UNCONFIRMED)], two_of_attempt_one()))
    assert [(f.kind, f.why) for f in findings] == [(K.AMBIGUOUS, W.SEVERAL)] * 3
    of_row = next(f for f in findings if f.execution_id)
    assert [(r.kind, r.handle) for r in of_row.repairs] == [(H.ADOPT, "a"), (H.ADOPT, "b"), (H.IGNORE, None)]
    assert {f.handle for f in findings if f.execution_id is None} == {"a", "b"}


def test_two_equal_intents_and_one_entry_are_for_a_person() -> None:
    rows = [row(1, S.UNCONFIRMED), row(2, S.UNCONFIRMED)]
    findings = compare(sides(rows, [entry("x", echo={"what": "q"})]))
    assert {f.kind for f in findings} == {K.AMBIGUOUS}
    assert {f.execution_id for f in findings} == {execution_id(1), execution_id(2), None}


def test_one_entry_that_exactly_fits_two_rows_is_adopted_by_neither() -> None:
    def echo_is_proof(intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.echo == intent.spec else Match.NO

    rows = [row(1, S.UNCONFIRMED), row(2, S.UNCONFIRMED)]
    findings = compare(sides(rows, [entry("x", echo={"what": "q"})], match=echo_is_proof))
    assert [(f.kind, f.why) for f in findings] == [(K.AMBIGUOUS, W.SEVERAL)] * 3


def test_what_is_proven_to_be_ones_is_not_possibly_anothers() -> None:
    def by_name_or_query(intent: Intent, entry: Entry) -> Match:
        if entry.name == intent.key:
            return Match.EXACT
        return Match.POSSIBLE if entry.echo == intent.spec else Match.NO

    rows = [row(1, S.UNCONFIRMED), row(2, S.UNCONFIRMED)]
    findings = compare(sides(rows, [entry("x", name=key(1), echo={"what": "q"})], match=by_name_or_query))
    assert {(f.execution_id, f.why) for f in findings} == {
        (execution_id(1), W.UNCONFIRMED),
        (execution_id(2), W.ABSENT),
    }


@pytest.mark.parametrize("looks", [{"echo": {"what": "q"}}, {"name": key(2)}], ids=["possibly", "exactly"])
def test_what_one_held_before_is_not_anothers_whatever_it_looks_like(looks: dict[str, object]) -> None:
    rows = [row(1, S.RUNNING, attempt=2), row(2, S.UNCONFIRMED)]
    held = {"h1": execution_id(1), "before": execution_id(1)}
    findings = compare(sides(rows, [entry("h1"), entry("before", **looks)], owners=held))
    assert {f.execution_id or f.handle: f.why for f in findings} == {
        execution_id(1): W.AGREED,
        execution_id(2): W.ABSENT,
        "before": W.SURPLUS,
    }


def test_a_live_row_without_an_id_can_be_given_one() -> None:
    bare = row(1, S.RUNNING, attempt=1, handle=None)
    finding = only(compare(sides([bare], [entry("x", name=key(1))])))
    assert (finding.kind, finding.handle, H.ADOPT in {r.kind for r in finding.repairs}) == (
        K.MISSING_REMOTE_ID,
        "x",
        True,
    )


def test_one_possible_entry_is_not_enough_to_adopt() -> None:
    findings = compare(sides([row(1, S.UNCONFIRMED)], [entry("x", echo={"what": "q"})]))
    assert [(f.kind, f.why) for f in findings] == [(K.AMBIGUOUS, W.POSSIBLE)] * 2


def test_a_possible_entry_waits_for_the_visibility_delay() -> None:
    young = row(1, S.UNCONFIRMED, state_at=NOW - MINUTE)
    findings = compare(sides([young], [entry("x", echo={"what": "q"})]))
    assert {(f.kind, f.why) for f in findings} == {(K.MISSING_REMOTE_ID, W.TOO_EARLY), (K.TOO_EARLY, W.TOO_EARLY)}


def test_an_exact_match_beats_a_possible_one() -> None:
    rows = [row(1, S.UNCONFIRMED), row(2, S.UNCONFIRMED)]
    entries = [entry("x", name=key(1)), entry("y", echo={"what": "q"})]
    found = {f.handle or f.execution_id: f for f in compare(sides(rows, entries))}
    assert (found["x"].kind, found["x"].execution_id) == (K.MISSING_REMOTE_ID, execution_id(1))
    assert found["y"].kind is K.AMBIGUOUS
    assert found[execution_id(2)].kind is K.AMBIGUOUS


def test_an_owned_entry_is_nobody_elses() -> None:
    rows = [row(1, S.RUNNING, handle="x"), row(2, S.UNCONFIRMED)]
    findings = compare(sides(rows, [entry("x", echo={"what": "q"})]))
    assert {(f.execution_id, f.why) for f in findings} == {(execution_id(1), W.AGREED), (execution_id(2), W.ABSENT)}


def test_an_entry_held_outside_the_rows_is_not_foreign() -> None:
    finding = only(compare(sides([], [entry("x")], owners={"x": execution_id(9)})))
    assert (finding.kind, finding.why) == (K.MATCHED, W.OUT_OF_SCOPE)


def late(number: int, attempt: int) -> tuple[Intent, ...]:
    return (intent(number, attempt),)


@pytest.mark.parametrize("intents", [late(1, 1), ()], ids=["watched for", "known by its name"])
def test_a_late_arrival_beside_a_newer_attempt_is_surplus(intents: tuple[Intent, ...]) -> None:
    rows = [row(1, S.RUNNING, attempt=2)]
    findings = compare(sides(rows, [entry("h1", name=key(1, 2)), entry("late", name=key(1))], intents=intents))
    surplus = next(f for f in findings if f.handle == "late")
    assert (surplus.kind, surplus.why, surplus.severity) == (K.REMOTE_ONLY, W.SURPLUS, V.ERROR)
    assert surplus.local == {"execution_id": str(execution_id(1)), "attempt": 1}
    assert [(r.kind, r.automatic) for r in surplus.repairs] == [(H.CANCEL_REMOTE, False), (H.IGNORE, False)]


def test_of_two_attempts_of_a_row_in_doubt_the_newer_one_is_adopted() -> None:
    doubt = row(1, S.UNCONFIRMED, attempt=2)
    entries = [entry("old", name=key(1)), entry("new", name=key(1, 2))]
    findings = compare(sides([doubt], entries, intents=[intent(1, 1), intent(1, 2)]))
    assert {(f.handle, f.why) for f in findings} == {("new", W.UNCONFIRMED), ("old", W.SURPLUS)}


def test_what_a_row_held_before_it_was_sent_again_is_a_late_arrival() -> None:
    again = row(1, S.QUEUED, attempt=1)
    finding = only(compare(sides([again], [entry("before")], owners={"before": again.id})))
    assert (finding.kind, finding.why, finding.handle) == (K.MISSING_REMOTE_ID, W.LATE_ARRIVAL, "before")


@pytest.mark.parametrize(("there", "offered"), [(R.RUNNING, False), (R.SUCCEEDED, False), (R.CANCELLED, True)])
def test_nothing_is_sent_again_while_a_twin_does_the_work(there: RemoteState, offered: bool) -> None:
    """The accepted one of two vanished, and the other one is there."""
    findings = compare(sides([row(1, S.RUNNING)], [entry("twin", there, name=key(1))]))
    gone = next(f for f in findings if f.execution_id)
    assert gone.kind is K.LOCAL_ONLY
    assert (H.RESUBMIT in {r.kind for r in gone.repairs}) is offered


def test_a_stopped_surplus_needs_nobody() -> None:
    stopped = entry("late", R.CANCELLED, name=key(1))
    findings = compare(sides([row(1, S.RUNNING, attempt=2)], [entry("h1"), stopped]))
    assert [f.severity for f in findings if f.handle == "late"] == [V.INFO]


# ------------------------------------------------------------------------------------ scope, skew, ignoring


def test_clock_skew_of_five_minutes_is_borne() -> None:
    just_before = NOW - DAY - timedelta(minutes=5)
    assert only(compare(sides([], [entry("x", created_at=just_before)]))).why == W.FOREIGN
    ahead = entry("h1", R.RUNNING, created_at=NOW + timedelta(minutes=5))
    assert only(compare(sides([row(1, S.RUNNING)], [ahead]))).why == W.AGREED
    adopted = entry("x", name=key(1), created_at=NOW - HOUR - timedelta(minutes=5))
    assert only(compare(sides([row(1, S.UNCONFIRMED)], [adopted]))).why == W.UNCONFIRMED


def test_what_was_not_asked_for_is_left_out() -> None:
    long_ago = NOW - DAY - LIMITS.clock_skew - MINUTE
    assert compare(sides([], [entry("x", created_at=long_ago)])) == []


def test_an_ignored_difference_is_told_without_alarm() -> None:
    loud = only(compare(sides([row(1, S.SUCCEEDED)], [entry("h1", R.FAILED)])))
    quiet = only(compare(sides([row(1, S.SUCCEEDED)], [entry("h1", R.FAILED)], ignored=frozenset({loud.fingerprint}))))
    assert loud.needs_attention
    assert (quiet.kind, quiet.severity, quiet.repairs) == (K.STATUS_MISMATCH, V.INFO, ())


# ------------------------------------------------------------------------------------ everything at once


def test_precision_and_recall_on_a_planted_set() -> None:
    """All trouble in one look, among forty executions in order: each is found, and nothing besides."""
    fine = [row(n, S.RUNNING) for n in range(100, 140)]
    rows = [
        *fine,
        row(1, S.UNCONFIRMED),  # its id was lost
        row(2, S.RUNNING),  # cancelled remotely
        row(3, S.SUBMITTED),  # rejected
        row(4, S.RUNNING),  # stale
        row(5, S.UNCONFIRMED),  # two equal submissions
        row(6, S.RUNNING),  # an unknown word
        row(7, S.RUNNING),  # their clock is 5 minutes off
        row(8, S.RUNNING),  # gone
        row(9, S.RUNNING, attempt=2),  # has a late twin
        row(10, S.SUBMITTED, submitted_at=NOW - MINUTE),  # just accepted
    ]
    entries = [
        *(entry(f"h{r.id.int - 0x1000}") for r in fine),
        entry("lost-id", name=key(1)),
        entry("h2", R.CANCELLED),
        entry("h3", R.REJECTED),
        entry("h4", R.SUCCEEDED),
        entry("twin-a", name=key(5)),
        entry("twin-b", name=key(5)),
        entry("h6", R.UNKNOWN),
        entry("h7", created_at=NOW - HOUR + timedelta(minutes=5)),
        entry("h9"),
        entry("h9-late", name=key(9, 1)),
        entry("foreign"),
    ]
    findings = compare(sides(rows, entries))
    told = {(f.kind, f.handle or f.execution_id) for f in findings if f.why != W.AGREED}
    assert told == {
        (K.MISSING_REMOTE_ID, "lost-id"),
        (K.STATUS_MISMATCH, "h2"),
        (K.STATUS_MISMATCH, "h3"),
        (K.STATUS_MISMATCH, "h4"),
        (K.AMBIGUOUS, execution_id(5)),
        (K.AMBIGUOUS, "twin-a"),
        (K.AMBIGUOUS, "twin-b"),
        (K.MATCHED, "h6"),
        (K.LOCAL_ONLY, "h8"),
        (K.REMOTE_ONLY, "h9-late"),
        (K.REMOTE_ONLY, "foreign"),
        (K.TOO_EARLY, "h10"),
    }
    assert sum(f.why == W.AGREED for f in findings) == len(fine) + 2


def test_a_listing_that_fails_midway_proves_nothing_absent() -> None:
    rows = [row(n, S.RUNNING) for n in range(5)]
    findings = compare(sides(rows, [entry("h0"), entry("stray")], complete=False))
    assert sorted(f.kind for f in findings) == sorted([K.MATCHED, *[K.NOT_LOOKED] * 5])
