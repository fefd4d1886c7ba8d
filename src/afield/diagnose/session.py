"""Why one session is where it is, and what happens to it next: a ladder over what the ledger knows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from afield.connectors.base import CheckResult, CheckVerdict
from afield.diagnose.diagnosis import Diagnosis, Rung, conclude, joined
from afield.diagnose.words import ago, at_time, because, roughly
from afield.model.execution import Execution
from afield.model.session import SESSION_FINAL, STEP_FAILED, Session, SessionState, Step, StepKind, StepState
from afield.model.target import Target

_S, _T, _V = SessionState, StepState, CheckVerdict
_THINKING_TIME = timedelta(minutes=1)  # until somebody thinks about a session that is due


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What the ledger knows of a session: its steps, their targets, the executions of those that run."""

    session: Session
    steps: Sequence[Step]
    now: datetime
    targets: Mapping[UUID, Target] = field(default_factory=dict)
    executions: Mapping[UUID, Execution] = field(default_factory=dict)

    def of(self, *states: StepState) -> list[Step]:
        """The steps in one of these states."""
        return [step for step in self.steps if step.state in states]

    def execution(self, step: Step) -> Execution | None:
        return self.executions.get(step.execution_id) if step.execution_id else None


def diagnose_session(facts: SessionFacts, below: Diagnosis | None = None) -> Diagnosis:
    """Climb the ladder; with the ladder of the execution it waits for below it, if that was climbed too."""
    rungs = [Rung(name=name, result=check(facts)) for name, check in RUNGS.items()]
    own = conclude(f"session {facts.session.id}", rungs, all_well=session_expectation(facts))
    return own if below is None else joined(own, below, prefix="step")


def waited_for(facts: SessionFacts) -> Execution | None:
    """The execution that a diagnosis goes on with: of the first step that runs."""
    return next((found for step in facts.of(_T.RUNNING) if (found := facts.execution(step))), None)


def session_expectation(facts: SessionFacts) -> str:
    """What happens next, and when, in one sentence."""
    session = facts.session
    if session.state in SESSION_FINAL:
        return f"Nothing more happens by itself: the session is {_words(session.state)}{because(session.reason)}."
    running, waiting = facts.of(_T.RUNNING), facts.of(_T.WAITING_APPROVAL)
    if session.state is _S.PAUSED:
        return f"Nothing new begins until somebody resumes it{because(session.reason)}."
    if running:
        return f"{_named(running[0])} runs; the next one begins when it has ended."
    if waiting:
        return f"{_named(waiting[0])} waits for a person since {at_time(waiting[0].asked_at or session.updated_at)}."
    due = session.next_at or session.updated_at
    return f"It is thought about again {'now' if due <= facts.now else at_time(due)}."


def _words(state: SessionState | StepState) -> str:
    return state.replace("_", " ")


def _named(step: Step) -> str:
    lane = f" of lane {step.lane}" if step.lane else ""
    return f"Step {step.number}{lane} ({step.name})"


def _ok(asked: str, answered: str) -> CheckResult:
    return CheckResult(verdict=_V.OK, asked=asked, answered=answered)


def _trouble(verdict: CheckVerdict, asked: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=verdict, asked=asked, answered=cause, cause=cause, next_step=next_step)


def _recorded(facts: SessionFacts) -> CheckResult:
    session, count = facts.session, len(facts.steps)
    asked = "Is it written down?"
    if not count:
        return _trouble(_V.FAIL, asked, "The session has no steps", "start it again from its runbook")
    done = len(facts.of(_T.SUCCEEDED))
    return _ok(asked, f"{session.title}: {_words(session.state)}, {done} of {count} steps have succeeded.")


def _targets(facts: SessionFacts) -> CheckResult:
    asked = "Is there a target, and a credential for it?"
    wanted = {step.target_id: step for step in facts.steps if step.kind is StepKind.RUN and step.target_id}
    missing = [step for target_id, step in wanted.items() if target_id not in facts.targets]
    if missing:
        return _trouble(_V.FAIL, asked, f"The target of {_named(missing[0])} is not there", "edit the step's target")
    bare = [target for target in facts.targets.values() if _wants_credential(target)]
    if bare:
        cause = f"Target {bare[0].name} has no credential"
        return _trouble(_V.WARN, asked, cause, f"give it one (`PATCH /api/v1/targets/{bare[0].name}`)")
    names = ", ".join(sorted(target.name for target in facts.targets.values())) or "none is needed"
    return _ok(asked, f"{names}.")


def _wants_credential(target: Target) -> bool:
    remote = target.connector not in {"local", "memory", "nameless", "http"}
    return remote and target.credential_id is None and target.address.get("identity") != "managed_identity"


def _people(facts: SessionFacts) -> CheckResult:
    asked, waiting = "Does it wait for a person?", facts.of(_T.WAITING_APPROVAL)
    if not waiting:
        return _ok(asked, "No.")
    step = waiting[0]
    span = roughly(facts.now - step.asked_at) if step.asked_at else "a while"
    verb = "approve" if step.kind is StepKind.RUN else "answer"
    cause = f"{_named(step)} has waited for a person for {span}"
    return _trouble(_V.WARN, asked, cause, f"{verb} it: `afield session approve {facts.session.id} {step.number}`")


def _unknown(facts: SessionFacts) -> CheckResult:
    asked, unknown = "Is the outcome of every step known?", facts.of(_T.UNKNOWN)
    if not unknown:
        return _ok(asked, "Yes.")
    cause = f"Nobody can say whether {_named(unknown[0])} ran{because(unknown[0].reason)}"
    step = f"look at the machine, then `afield session resolve {facts.session.id} {unknown[0].number} --outcome ...`"
    return _trouble(_V.FAIL, asked, cause, step)


def _running(facts: SessionFacts) -> CheckResult:
    asked, running = "What runs?", facts.of(_T.RUNNING)
    if not running:
        return _ok(asked, "Nothing.")
    step = running[0]
    execution = facts.execution(step)
    if execution is None:
        if facts.now < facts.session.updated_at + _THINKING_TIME:
            return _ok(asked, f"{_named(step)} is about to be recorded.")
        cause = f"{_named(step)} was begun, and its execution was never recorded"
        return _trouble(_V.FAIL, asked, cause, "start a worker with `afield worker`; it records it, once")
    target = facts.targets.get(step.target_id) if step.target_id else None
    place = f" on {target.name}" if target else ""
    if execution.reason is not None and not execution.complete:
        cause = f"{_named(step)}{place} is {execution.state}{because(execution.reason)}"
        return _trouble(_V.WARN, asked, cause, f"`afield diagnose execution {execution.id}`")
    return _ok(asked, f"{_named(step)}{place}: {execution.state} since {at_time(execution.state_at)}.")


def _advancing(facts: SessionFacts) -> CheckResult:
    session, asked = facts.session, "Is it thought about when it is due?"
    due = session.next_at
    if session.state in SESSION_FINAL or due is None or facts.now < due + _THINKING_TIME:
        return _ok(asked, "Yes." if session.state not in SESSION_FINAL else "It has ended.")
    cause = f"It was due {ago(due, facts.now)}, and no worker has thought about it"
    return _trouble(_V.FAIL, asked, cause, "start a worker with `afield worker`, or see in its log why it stopped")


def _failures(facts: SessionFacts) -> CheckResult:
    asked, failed = "Did a step fail?", [step for step in facts.steps if step.state in STEP_FAILED]
    if not failed:
        return _ok(asked, "No.")
    step = failed[0]
    code = f" with exit code {step.exit_code}" if step.exit_code else ""
    cause = f"{_named(step)} {_words(step.state)}{code}{because(step.reason)}"
    verdict = _V.WARN if facts.session.state in {_S.COMPLETED, _S.ROLLED_BACK} else _V.FAIL
    return _trouble(verdict, asked, cause, f"read its output: `afield session show {facts.session.id}`")


def _next(facts: SessionFacts) -> CheckResult:
    return _ok("What happens next?", session_expectation(facts))


RUNGS: Mapping[str, Callable[[SessionFacts], CheckResult]] = {
    "recorded": _recorded,
    "targets": _targets,
    "people": _people,
    "unknown": _unknown,
    "running": _running,
    "advancing": _advancing,
    "failures": _failures,
    "next": _next,
}
"""The ladder of a session, in order."""
