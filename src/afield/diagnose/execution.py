"""Why one execution is where it is, and what happens to it next: a ladder over what the ledger knows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afield.connectors.base import CheckResult, CheckVerdict, Limits
from afield.diagnose.diagnosis import Diagnosis, Rung, conclude, joined, rank
from afield.diagnose.expectation import expectation
from afield.diagnose.words import ago, at_time, because
from afield.model.execution import Attempt, Event, Execution
from afield.model.states import FINAL, LIVE, ExecutionState, OutputState
from afield.model.target import Target

_S, _V = ExecutionState, CheckVerdict

_STARTING_TIME = timedelta(minutes=1)  # until a worker takes up what it was told of
_TOO_OFTEN = 3  # failures in a row that are no coincidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the ledger knows of an execution. `occupied`: how many of the target's places are taken."""

    execution: Execution
    target: Target
    limits: Limits
    now: datetime
    attempts: Sequence[Attempt] = ()
    events: Sequence[Event] = ()
    occupied: int = 0


def diagnose_execution(facts: Facts, target: Diagnosis | None = None) -> Diagnosis:
    """Climb the ladder; with the target's own ladder below it, if that was climbed too.

    The target explains an execution that still waits for something, never one that has ended; and one whose attempt is
    in doubt only if it is in graver trouble itself.
    """
    rungs = [Rung(name=name, result=check(facts)) for name, check in RUNGS.items()]
    subject = f"execution {facts.execution.id}"
    own = conclude(subject, rungs, all_well=expectation(facts.execution, facts.now))
    if target is None:
        return own
    in_doubt = facts.execution.state is _S.UNCONFIRMED and rank(own.verdict) <= rank(target.verdict)
    explained_by = own if facts.execution.complete or in_doubt else None
    return joined(own, target, prefix="target", explained_by=explained_by)


def _ok(asked: str, answered: str) -> CheckResult:
    return CheckResult(verdict=_V.OK, asked=asked, answered=answered)


def _skipped(asked: str, answered: str) -> CheckResult:
    return CheckResult(verdict=_V.SKIPPED, asked=asked, answered=answered)


def _trouble(verdict: CheckVerdict, asked: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=verdict, asked=asked, answered=cause, cause=cause, next_step=next_step)


def _recorded(facts: Facts) -> CheckResult:
    row = facts.execution
    last = max(facts.events, key=lambda event: event.seq, default=None)
    by = f", last touched by {last.actor}" if last else ""
    answer = f"Recorded {at_time(row.created_at)}; {row.state} since {at_time(row.state_at)}{by}."
    return _ok("Is it written down?", answer)


def _sent(facts: Facts) -> CheckResult:
    row, asked = facts.execution, "Was it sent?"
    if row.state is not _S.QUEUED:
        if row.attempt == 0:
            return _ok(asked, "No, and it will not be.")
        return _ok(asked, f"Attempt {row.attempt}, at {at_time(row.intent_at or row.state_at)}{_earlier(facts)}.")
    if row.failures >= _TOO_OFTEN:
        cause = f"Sending it failed {row.failures} times in a row{because(row.reason)}"
        return _trouble(_V.WARN, asked, cause, f"diagnose the target {facts.target.name}")
    if row.retry_at is not None and row.retry_at > facts.now:
        return _ok(asked, f"Not before {at_time(row.retry_at)}{because(row.reason)}.")
    if facts.occupied >= facts.limits.max_live:
        return _ok(asked, f"Not yet: all {facts.limits.max_live} places at the target are taken.")
    return _ok(asked, "Not yet; it is next in line for a driver.")


def _earlier(facts: Facts) -> str:
    earlier = [f"{one.number} {one.outcome}" for one in facts.attempts if one.number != facts.execution.attempt]
    return f" (before: {', '.join(earlier)})" if earlier else ""


def _identified(facts: Facts) -> CheckResult:
    row, asked = facts.execution, "Is its id at the remote known?"
    if row.state is _S.SUBMITTING:
        if facts.now < row.state_at + facts.limits.request_timeout:
            return _ok(asked, "The reply to the submission is awaited.")
        cause = "Whoever sent it went away before the reply was written down"
        return _trouble(_V.WARN, asked, cause, "wait for the next driver, which finds out by looking")
    if row.state is _S.UNCONFIRMED:
        return _in_doubt(facts, asked)
    if row.handle is None:
        return _skipped(asked, "There is none.")
    return _ok(asked, f"{row.handle}, accepted {at_time(row.submitted_at or row.state_at)}.")


def _in_doubt(facts: Facts, asked: str) -> CheckResult:
    row = facts.execution
    if row.reason is not None and row.reason.code in {"ambiguous", "possible_match"}:
        cause = f"A remote execution that could be it was found, and nothing proves it{because(row.reason)}"
        return _trouble(_V.FAIL, asked, cause, "reconcile the target and choose which one to adopt")
    decided = at_time(row.state_at + facts.limits.max_visibility_delay)
    cause = f"Nobody knows whether attempt {row.attempt} arrived{because(row.reason)}"
    return _trouble(_V.WARN, asked, cause, f"wait for a complete look after {decided}, which decides it")


def _driver(facts: Facts) -> CheckResult:
    row, target, asked = facts.execution, facts.target, "Does a worker drive the target?"
    if row.complete:
        return _skipped(asked, "Nothing is left to be driven.")
    if target.driver is None:
        if facts.now < row.updated_at + _STARTING_TIME:
            return _ok(asked, "Not yet; workers have been told.")
        cause = f"No worker drives the target {target.name}"
        return _trouble(_V.FAIL, asked, cause, "start a worker with `afield worker`, or see in its log why it stopped")
    signs = [row.updated_at, target.driver_since, target.look.taken_at if target.look else None]
    heard = max(sign for sign in signs if sign is not None)
    if row.state is not _S.QUEUED and heard + 2 * facts.limits.max_interval < facts.now:
        cause = f"The worker {target.driver} holds the target and was last heard of {ago(heard, facts.now)}"
        return _trouble(_V.WARN, asked, cause, "see whether it is alive; another takes over when it is not")
    return _ok(asked, f"{target.driver}, last heard of {ago(heard, facts.now)}.")


def _look(facts: Facts) -> CheckResult:
    row, target, asked = facts.execution, facts.target, "When was the remote last asked, and did it answer?"
    if row.state not in LIVE and row.state is not _S.UNCONFIRMED:
        return _skipped(asked, "It does not wait for news from there.")
    look = target.look
    if look is None:
        return _ok(asked, "Not yet.")
    if look.failures:
        last = at_time(look.completed_at) if look.completed_at else "never"
        times = f"{look.failures} times in a row" if look.failures > 1 else "the last time"
        cause = f"Looking at {target.name} failed {times} ({look.error or 'incomplete'}); it last worked: {last}"
        verdict = _V.FAIL if look.failures >= _TOO_OFTEN else _V.WARN
        return _trouble(verdict, asked, cause, f"diagnose the target {target.name}")
    seen = f"; this one was shown as {row.remote_status!r}" if row.remote_status else ""
    return _ok(asked, f"{ago(look.taken_at, facts.now)}, completely, {look.entries} entries{seen}.")


def _throttle(facts: Facts) -> CheckResult:
    until, asked = facts.target.throttled_until, "Did the remote ask for patience?"
    if facts.execution.complete or until is None or until <= facts.now:
        return _ok(asked, "No.")
    cause = f"{facts.target.name} asked for patience until {at_time(until)}"
    return _trouble(_V.WARN, asked, cause, "wait; if it happens often, lower `calls_per_minute` of the target")


def _cancel(facts: Facts) -> CheckResult:
    row, asked = facts.execution, "Is it to be stopped?"
    if row.cancel_requested_at is None or row.state in FINAL:
        return _ok(asked, "No." if row.cancel_requested_at is None else "It was asked for, and it has ended.")
    if row.cancel_asked_at is None:
        return _ok(asked, f"Yes, since {at_time(row.cancel_requested_at)}; the remote was not asked yet.")
    cause = f"It is to be stopped, and the remote, asked {ago(row.cancel_asked_at, facts.now)}, has not done it yet"
    return _trouble(_V.WARN, asked, cause, "wait for the next look; the remote is asked again if need be")


_LEFT_TO_DO: Mapping[ExecutionState, str] = {
    _S.FAILED: "correct what the remote complains of, and create it again",
    _S.REJECTED: "correct what the remote complains of, and create it again",
    _S.TIMED_OUT: "give it more time, or less to do",
    _S.LOST: "reconcile the target, then send it again or leave it",
}


def _outcome(facts: Facts) -> CheckResult:
    row, asked = facts.execution, "How did it end?"
    if row.state not in FINAL:
        return _skipped(asked, f"It has not{because(row.reason)}.")
    if row.state in _LEFT_TO_DO:
        ended = {_S.TIMED_OUT: "Its time was over", _S.LOST: "It was lost"}.get(row.state, f"It {_past(row.state)}")
        return _trouble(_V.FAIL, asked, f"{ended}{because(row.reason)}", _LEFT_TO_DO[row.state])
    return _ok(asked, f"It {_past(row.state)}{because(row.reason)}.")


def _past(state: ExecutionState) -> str:
    return f"was {state}" if state in {_S.REJECTED, _S.CANCELLED} else str(state)


def _output(facts: Facts) -> CheckResult:
    row, asked = facts.execution, "Is its output here?"
    if row.output_state is OutputState.UNAVAILABLE:
        cause = f"It {_past(row.state)}, but its output cannot be had any more{because(row.reason)}"
        return _trouble(_V.FAIL, asked, cause, "create it again if the output is needed")
    if row.output_state is OutputState.PENDING and row.failures:
        cause = f"Collecting its output failed {row.failures} times in a row{because(row.reason)}"
        return _trouble(_V.WARN, asked, cause, "wait for the next try, or diagnose the target")
    if row.output_state is OutputState.NONE:
        return _skipped(asked, "There is nothing to collect.")
    return _ok(asked, "Yes." if row.output_state is OutputState.STORED else "It is being collected.")


def _next(facts: Facts) -> CheckResult:
    return _ok("What happens next?", expectation(facts.execution, facts.now))


RUNGS: Mapping[str, Callable[[Facts], CheckResult]] = {
    "recorded": _recorded,
    "sent": _sent,
    "identified": _identified,
    "driver": _driver,
    "look": _look,
    "throttle": _throttle,
    "cancel": _cancel,
    "outcome": _outcome,
    "output": _output,
    "next": _next,
}
"""The ladder of an execution, in order. A new rung is a function of the facts and a line here."""
