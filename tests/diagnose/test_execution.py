"""The ladder of one execution: for each situation the sentence a person needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from afield.connectors.base import CheckResult, CheckVerdict, Limits
from afield.diagnose.diagnosis import Diagnosis, Rung, conclude, to_text
from afield.diagnose.execution import RUNGS, Facts, diagnose_execution
from afield.model.execution import Attempt, Event, EventKind, Execution, Reason
from afield.model.states import FINAL, LIVE, ExecutionState, OutcomeOfAttempt, OutputState
from afield.model.target import LookRecord, Target

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
S, V = ExecutionState, CheckVerdict
DRIVEN = Target(
    id=UUID(int=1),
    tenant_id=UUID(int=2),
    connector="amc",
    name="shop",
    address={},
    driver="worker-1",
    driver_since=NOW - HOUR,
    look=LookRecord(taken_at=NOW - MINUTE, complete=True, entries=3, completed_at=NOW - MINUTE),
    created_at=NOW - HOUR,
)


def facts(state: ExecutionState, *, target: Target = DRIVEN, occupied: int = 0, **changes: object) -> Facts:
    sent = state is not S.QUEUED
    row = Execution(
        id=UUID(int=7),
        tenant_id=UUID(int=2),
        target_id=UUID(int=1),
        spec={},
        state=state,
        attempt=int(sent),
        handle="h" if state in LIVE | FINAL else None,
        created_at=NOW - HOUR,
        state_at=NOW - 5 * MINUTE,
        updated_at=NOW - 5 * MINUTE,
        intent_at=NOW - HOUR if sent else None,
        submitted_at=NOW - HOUR if state in LIVE else None,
    )
    row = replace(row, **changes)  # type: ignore[arg-type]
    return Facts(execution=row, target=target, limits=Limits(), now=NOW, occupied=occupied)


def failed_looks(times: int) -> Target:
    look = LookRecord(taken_at=NOW - MINUTE, complete=False, error="503 from the remote", failures=times)
    return replace(DRIVEN, look=look)


NOBODY = replace(DRIVEN, driver=None, driver_since=None)
LATER = NOW + 10 * MINUTE
BECAUSE = Reason("compile_error", "Was unable to compile the query.")

SENTENCES = [
    # nothing wrong: what happens next
    (facts(S.QUEUED), "It waits here and is sent as soon as there is room."),
    (facts(S.QUEUED, retry_at=LATER), "It waits here and is sent not before 2026-05-04 12:10:00 UTC."),
    (facts(S.SUBMITTING, state_at=NOW), "It is being sent; the reply, or a look, tells what became of it."),
    (
        facts(S.RUNNING, remote_status="RUNNING", next_at=LATER),
        "It runs at the remote (RUNNING) and is looked for again at 2026-05-04 12:10:00 UTC.",
    ),
    (facts(S.SUBMITTED), "It was accepted by the remote and is looked for again shortly."),
    (
        facts(S.SUCCEEDED, output_state=OutputState.STORED, finished_at=NOW),
        "It ended as succeeded at 2026-05-04 12:00:00 UTC, its output is stored, and nothing is left to do.",
    ),
    (
        facts(S.SUCCEEDED, output_state=OutputState.PENDING, finished_at=NOW),
        "It ended as succeeded at 2026-05-04 12:00:00 UTC, and its output is being collected.",
    ),
    # in doubt
    (
        facts(S.UNCONFIRMED, reason=Reason("timeout", "No reply within 30 s.")),
        "Nobody knows whether attempt 1 arrived: No reply within 30 s; "
        "next step: wait for a complete look after 2026-05-04 12:05:00 UTC, which decides it.",
    ),
    (
        facts(S.UNCONFIRMED, reason=Reason("ambiguous", "Could be a, b; a person has to decide.")),
        "A remote execution that could be it was found, and nothing proves it: "
        "Could be a, b; a person has to decide; next step: reconcile the target and choose which one to adopt.",
    ),
    # driving
    (
        facts(S.RUNNING, target=NOBODY),
        "No worker drives the target shop; next step: start a worker with `afield worker`, "
        "or see in its log why it stopped.",
    ),
    (
        facts(S.RUNNING, target=failed_looks(4)),
        "Looking at shop failed 4 times in a row (503 from the remote); it last worked: never; "
        "next step: diagnose the target shop.",
    ),
    (
        facts(S.RUNNING, target=replace(DRIVEN, throttled_until=LATER)),
        "shop asked for patience until 2026-05-04 12:10:00 UTC; "
        "next step: wait; if it happens often, lower `calls_per_minute` of the target.",
    ),
    # ended badly
    (
        facts(S.FAILED, reason=BECAUSE),
        "It failed: Was unable to compile the query; "
        "next step: correct what the remote complains of, and create it again.",
    ),
    (
        facts(S.LOST),
        "It was lost; next step: reconcile the target, then send it again or leave it.",
    ),
    (
        facts(S.SUCCEEDED, output_state=OutputState.UNAVAILABLE, reason=Reason("gone", "The link expired.")),
        "It succeeded, but its output cannot be had any more: The link expired; "
        "next step: create it again if the output is needed.",
    ),
]


@pytest.mark.parametrize(
    ("given", "sentence"), SENTENCES, ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_the_sentence(given: Facts, sentence: str) -> None:
    diagnosis = diagnose_execution(given)
    assert diagnosis.sentence == sentence
    assert to_text(diagnosis).splitlines()[-1] == sentence


def rung(given: Facts, name: str) -> CheckResult:
    return next(r.result for r in diagnose_execution(given).rungs if r.name == name)


@pytest.mark.parametrize(
    ("given", "name", "verdict", "answer"),
    [
        (facts(S.QUEUED, occupied=10), "sent", V.OK, "Not yet: all 10 places at the target are taken."),
        (facts(S.QUEUED, failures=3), "sent", V.WARN, "Sending it failed 3 times in a row"),
        (facts(S.QUEUED, target=NOBODY, updated_at=NOW), "driver", V.OK, "Not yet; workers have been told."),
        (facts(S.SUBMITTING), "identified", V.WARN, "Whoever sent it went away before the reply was written down"),
        (facts(S.RUNNING), "identified", V.OK, "h, accepted 2026-05-04 11:00:00 UTC."),
        (facts(S.RUNNING), "look", V.OK, "60 s ago, completely, 3 entries."),
        (facts(S.RUNNING, target=failed_looks(1)), "look", V.WARN, "failed the last time"),
        (facts(S.RUNNING, target=replace(DRIVEN, look=None)), "look", V.OK, "Not yet."),
        (
            facts(S.RUNNING, target=replace(DRIVEN, look=None), updated_at=NOW - HOUR),
            "driver",
            V.WARN,
            "was last heard of 60 min ago",
        ),
        (facts(S.RUNNING, cancel_requested_at=NOW, cancel_asked_at=NOW), "cancel", V.WARN, "has not done it yet"),
        (facts(S.RUNNING, cancel_requested_at=NOW), "cancel", V.OK, "the remote was not asked yet"),
        (
            facts(S.SUCCEEDED, output_state=OutputState.PENDING, failures=2),
            "output",
            V.WARN,
            "Collecting its output failed 2 times in a row",
        ),
        (facts(S.SUCCEEDED, target=NOBODY), "driver", V.SKIPPED, "Nothing is left to be driven."),
        (facts(S.CANCELLED, attempt=0, handle=None), "sent", V.OK, "No, and it will not be."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rung(given: Facts, name: str, verdict: CheckVerdict, answer: str) -> None:
    result = rung(given, name)
    assert result.verdict is verdict
    assert answer in result.answered


def test_earlier_attempts_are_told() -> None:
    attempts = [
        Attempt(execution_id=UUID(int=7), number=n, key=str(n), intent_at=NOW, outcome=outcome)
        for n, outcome in enumerate([OutcomeOfAttempt.ABSENT, OutcomeOfAttempt.ACCEPTED], start=1)
    ]
    given = replace(facts(S.RUNNING, attempt=2), attempts=attempts)
    assert rung(given, "sent").answered.endswith("(before: 1 absent).")


def test_who_touched_it_last_is_told() -> None:
    event = Event(seq=3, at=NOW, kind=EventKind.MOVED, tenant_id=UUID(int=2), target_id=UUID(int=1), actor="ann")
    assert "last touched by ann" in rung(replace(facts(S.RUNNING), events=[event]), "recorded").answered


@pytest.mark.parametrize("state", ExecutionState)
def test_every_state_has_a_whole_ladder(state: ExecutionState) -> None:
    diagnosis = diagnose_execution(facts(state))
    assert [r.name for r in diagnosis.rungs] == list(RUNGS)
    assert diagnosis.sentence.endswith(".")


def target_fails() -> Diagnosis:
    result = CheckResult(verdict=V.FAIL, asked="", answered="", cause="The token was refused", next_step="Connect it")
    return conclude("target shop", [Rung(name="token", result=result)], all_well="")


def test_the_target_explains_what_waits_and_not_what_has_ended() -> None:
    waiting = diagnose_execution(facts(S.RUNNING, target=failed_looks(4)), target_fails())
    assert waiting.sentence == "The token was refused; next step: connect it."
    assert waiting.rungs[-1].name == "target.token"
    ended = diagnose_execution(facts(S.FAILED, reason=BECAUSE), target_fails())
    assert ended.sentence.startswith("It failed: Was unable to compile")


def test_a_doubt_is_explained_by_itself_unless_the_target_is_in_graver_trouble() -> None:
    doubtful = facts(S.UNCONFIRMED)

    def target(verdict: CheckVerdict) -> Diagnosis:
        said = CheckResult(verdict=verdict, asked="?", answered="The target.", cause="The target")
        return conclude("target", [Rung(name="t", result=said)], all_well="Well.")

    assert "Nobody knows whether" in diagnose_execution(doubtful, target(V.WARN)).sentence
    assert diagnose_execution(doubtful, target(V.FAIL)).sentence == "The target."
