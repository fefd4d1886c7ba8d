"""Sessions: an ordered set of steps in one or more lanes, one lane for each target, and how far they have come.

A step is run by an execution of its target, or waits for a person. A session never holds more truth than its rows:
what is to be done next follows from them alone (`engine.decide`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject


class SessionState(StrEnum):
    """How far a session is."""

    PENDING = "pending"  # recorded, nothing has begun
    WAITING_APPROVAL = "waiting_approval"  # nothing runs, and a person has to decide
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"  # nothing new begins until somebody resumes it
    COMPLETED = "completed"  # final: every step ended well, or was left out on purpose
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # final: it went through, some steps or lanes failed
    FAILED = "failed"  # final: stopped at a step that failed
    CANCELLED = "cancelled"  # final: stopped by a person
    ROLLING_BACK = "rolling_back"  # what was done is being undone
    ROLLED_BACK = "rolled_back"  # final: what had run is undone
    ROLLBACK_FAILED = "rollback_failed"  # final: undoing failed; a person has to look
    ABANDONED = "abandoned"  # final: a person gave it up as it was


class StepState(StrEnum):
    """How far a step is."""

    PENDING = "pending"
    WAITING_APPROVAL = "waiting_approval"  # a person has to approve it, or to do it and say so
    RUNNING = "running"  # its execution is recorded; where that is, the execution says
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # never began
    REJECTED = "rejected"  # a person said no, nobody answered in time, or the target refused it
    ROLLED_BACK = "rolled_back"  # it ran, and was undone
    UNKNOWN = "unknown"  # nobody can say whether it ran; a person decides


class Phase(StrEnum):
    """Which part of the session a step belongs to."""

    PRECHECK = "precheck"
    STEP = "step"
    POSTCHECK = "postcheck"
    ROLLBACK = "rollback"


class StepKind(StrEnum):
    """What carries a step out."""

    RUN = "run"  # an execution on its target
    MANUAL = "manual"  # a person does it and says so
    APPROVAL = "approval"  # a person lets the session go on


class OnFail(StrEnum):
    """What the failure of a step means for its lane."""

    STOP = "stop"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


_S = SessionState
_T = StepState

SESSION_FINAL = frozenset(
    {_S.COMPLETED, _S.COMPLETED_WITH_ERRORS, _S.FAILED, _S.CANCELLED, _S.ROLLED_BACK, _S.ROLLBACK_FAILED, _S.ABANDONED}
)
"""Nothing happens by itself any more; a person may still retry or roll back some of them."""

_AGAIN = {_S.IN_PROGRESS, _S.ROLLING_BACK, _S.ABANDONED}

SESSION_ALLOWED: Mapping[SessionState, frozenset[SessionState]] = {
    _S.PENDING: frozenset(_S) - {_S.PENDING, _S.ROLLED_BACK, _S.ROLLBACK_FAILED},
    _S.WAITING_APPROVAL: frozenset(_S) - {_S.PENDING, _S.WAITING_APPROVAL},
    _S.IN_PROGRESS: frozenset(_S) - {_S.PENDING, _S.IN_PROGRESS},
    _S.PAUSED: frozenset(_S) - {_S.PENDING, _S.PAUSED},
    _S.ROLLING_BACK: frozenset(_S) - {_S.PENDING, _S.ROLLING_BACK, _S.COMPLETED},
    _S.COMPLETED: frozenset({_S.ROLLING_BACK}),
    _S.COMPLETED_WITH_ERRORS: frozenset(_AGAIN),
    _S.FAILED: frozenset(_AGAIN | {_S.COMPLETED}),
    _S.CANCELLED: frozenset(_AGAIN),
    _S.ROLLED_BACK: frozenset(),
    _S.ROLLBACK_FAILED: frozenset({_S.ROLLING_BACK, _S.ABANDONED}),
    _S.ABANDONED: frozenset(),
}
"""Allowed moves of a session; the migration writes them into the database."""

STEP_SETTLED = frozenset(_T) - {_T.PENDING, _T.WAITING_APPROVAL, _T.RUNNING}
"""Nothing happens to the step by itself any more."""

STEP_FAILED = frozenset({_T.FAILED, _T.TIMED_OUT, _T.CANCELLED, _T.REJECTED})
"""The step did not do what it should."""

_RAN_AND_ENDED = {_T.SUCCEEDED, _T.FAILED, _T.TIMED_OUT, _T.CANCELLED, _T.UNKNOWN}

STEP_ALLOWED: Mapping[StepState, frozenset[StepState]] = {
    _T.PENDING: frozenset({_T.WAITING_APPROVAL, _T.RUNNING, _T.SKIPPED, _T.CANCELLED, _T.REJECTED}),
    _T.WAITING_APPROVAL: frozenset(
        {_T.PENDING, _T.RUNNING, _T.SUCCEEDED, _T.FAILED, _T.SKIPPED, _T.CANCELLED, _T.REJECTED}
    ),
    _T.RUNNING: frozenset(_RAN_AND_ENDED | {_T.REJECTED, _T.PENDING}),
    _T.SUCCEEDED: frozenset({_T.ROLLED_BACK}),
    _T.FAILED: frozenset({_T.PENDING, _T.SKIPPED, _T.ROLLED_BACK}),
    _T.TIMED_OUT: frozenset({_T.PENDING, _T.SKIPPED, _T.ROLLED_BACK}),
    _T.CANCELLED: frozenset({_T.PENDING, _T.SKIPPED, _T.ROLLED_BACK}),
    _T.REJECTED: frozenset({_T.PENDING, _T.SKIPPED}),
    _T.SKIPPED: frozenset({_T.PENDING}),
    _T.UNKNOWN: frozenset({_T.SUCCEEDED, _T.FAILED, _T.SKIPPED}),
    _T.ROLLED_BACK: frozenset({_T.PENDING}),
}
"""Allowed moves of a step; the migration writes them into the database."""

RESERVED_LABELS = "afield."
"""How the labels begin that are Afield's own."""

SESSION_KEY = "afield.session"
"""Label of an execution: the session it was made for."""

STEP_KEY = "afield.step"
"""Label of an execution: the number of its step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """What it takes to let a step begin."""

    needed: int = 0  # approvals, each by another person
    other_than_starter: bool = False
    valid_for: timedelta = timedelta(hours=24)  # for an answer, and then for the step to begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's answer. It is about exactly the work and target its digest names."""

    by: str
    approved: bool
    digest: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a step does: the spec of an execution, or a text for a person."""

    spec: JsonObject = field(default_factory=dict)  # of the target's connector
    text: str = ""  # what a person sees: the command, the question
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """How a step is undone, on the same target."""

    work: Work
    on_fail: OnFail = OnFail.STOP  # STOP or CONTINUE: whether the steps before it are still undone
    rule: ApprovalRule = ApprovalRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step to be recorded. Its number is given by its place."""

    name: str
    kind: StepKind = StepKind.RUN
    phase: Phase = Phase.STEP
    lane: int = 0
    target_id: UUID | None = None  # of a step of kind RUN
    work: Work = Work()
    expected_output: str | None = None  # text its output must contain; `/.../`: a regular expression
    on_fail: OnFail = OnFail.STOP
    retries: int = 0  # further attempts after a failure or a time-out
    rule: ApprovalRule = ApprovalRule()
    undo: Undo | None = None
    severity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(NewStep):
    """One step as the ledger holds it."""

    number: int  # from 1, in the order of recording; steps of one lane run in this order
    state: StepState = StepState.PENDING
    undoes: int | None = None  # the number of the step that this one undoes
    attempt: int = 0
    execution_id: UUID | None = None  # of the current attempt; written down before the execution is recorded
    approvals: tuple[Approval, ...] = ()
    asked_at: datetime | None = None  # since when a person is asked
    exit_code: int | None = None
    stdout: str = ""  # the end of it
    stderr: str = ""
    reason: Reason | None = None
    remote_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def digest(self) -> str:
        """Names exactly what an approval is about: the target and the work."""
        about = [str(self.target_id), self.kind, self.work.spec, self.work.text, self.work.timeout_s]
        return hashlib.sha256(json.dumps(about, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def ran(self) -> bool:
        """Whether it did, or may have done, something at its target that an undo could take back."""
        return self.attempt > 0 and self.state in _RAN_AND_ENDED | {StepState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be recorded, with all its steps."""

    tenant_id: UUID
    kind: str  # the product it belongs to: runbook, ...
    title: str
    started_by: str
    steps: tuple[NewStep, ...]
    batch_size: int = 1  # lanes under way at once
    error_budget: int = 0  # lanes that may fail before no further lane begins
    labels: Mapping[str, str] = field(default_factory=dict)  # ticket, runbook, ...
    data: JsonObject = field(default_factory=dict)  # the product's own: inputs, versions, ...
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session as the ledger holds it."""

    id: int
    key: UUID  # random; what its executions' ids are derived from, so that two installations never share one
    tenant_id: UUID
    version: int  # grows with every write; a write names the one it is based on
    kind: str
    title: str
    state: SessionState
    reason: Reason | None = None
    started_by: str
    batch_size: int = 1
    error_budget: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    data: JsonObject = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    next_at: datetime | None = None  # when it is to be thought about again, if nothing happens before
    cancel_requested_at: datetime | None = None
    rollback_requested_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A session after a change: itself, and the steps that changed or were added. Written together or not at all,
    and only if the ledger still holds version `session.version`."""

    session: Session
    steps: tuple[Step, ...] = ()
    actor: str = "engine"
    at: datetime
    note: Reason | None = None  # what a person did, for the event
