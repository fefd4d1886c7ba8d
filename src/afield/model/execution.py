"""One execution as the ledger holds it, the moves it makes, and the events they leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from afield.model.ids import attempt_key
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL, ExecutionState, OutcomeOfAttempt, OutputState


class Resubmit(StrEnum):
    """What may happen once an attempt is shown absent."""

    WHEN_ABSENT = "when_absent"  # back to queued, by itself
    NEVER = "never"  # lost, until a person decides


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is: a stable code, and a sentence for a person."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """The part of an execution the engine needs to decide: light, no spec, no labels. Times are UTC."""

    id: UUID
    target_id: UUID
    state: ExecutionState
    attempt: int = 0  # 0 before the first try
    handle: str | None = None  # the remote's id
    remote_status: str | None = None  # the remote's word, verbatim
    remote_seen_at: datetime | None = None
    resubmit: Resubmit = Resubmit.WHEN_ABSENT
    created_at: datetime
    state_at: datetime  # since when it is in this state
    intent_at: datetime | None = None  # when the current attempt's intent was committed
    submitted_at: datetime | None = None
    timeout_s: float | None = None  # how long it may take, from its first intent
    deadline_at: datetime | None = None  # when its time is over
    cancel_requested_at: datetime | None = None
    cancel_asked_at: datetime | None = None  # when the remote was last asked to stop it
    retry_at: datetime | None = None  # nothing is tried before this time
    failures: int = 0  # of the next step, in a row; drives the delay
    output_state: OutputState = OutputState.NONE
    reason: Reason | None = None

    @property
    def key(self) -> str:
        """The current attempt's key."""
        return attempt_key(self.id, self.attempt)

    @property
    def complete(self) -> bool:
        """Whether nothing more is to be expected: final, and its output settled."""
        return self.state in FINAL and self.output_state is not OutputState.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(Tracked):
    """One piece of work for one target, whole."""

    tenant_id: UUID
    spec: JsonObject
    labels: dict[str, str] = field(default_factory=dict)  # of the product that made it: workflow_id, user_email, ...
    idempotency_key: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime
    next_at: datetime | None = None  # when the engine means to act or look next
    output: JsonObject | None = None  # Output, as JSON; see connectors.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at submitting an execution. Its key is in the ledger before the try."""

    execution_id: UUID
    number: int
    key: str
    intent_at: datetime
    outcome: OutcomeOfAttempt = OutcomeOfAttempt.OPEN
    handle: str | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExecution:
    """A request to record an execution. `id` may be given, so that the caller knows it before the commit."""

    id: UUID
    tenant_id: UUID
    target_id: UUID
    spec: JsonObject
    labels: dict[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    resubmit: Resubmit = Resubmit.WHEN_ABSENT
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change somebody wants to make, with what they believe to be true.

    The ledger applies it only where the row is in state `expect`, at attempt `attempt` (for a move to
    `submitting`: at `attempt - 1`), and, if `epoch` is given, where the target's fencing epoch still is that.
    `to == expect` is a note: fields change, the state does not. A field left at None stays as it is; `retry_at`,
    `reason` and `failures` are cleared by every change of state unless they are given.
    """

    execution_id: UUID
    expect: ExecutionState
    to: ExecutionState
    attempt: int
    at: datetime
    epoch: int | None = None  # None: a person's or a product's move, not a driver's
    actor: str = "engine"
    reason: Reason | None = None
    handle: str | None = None
    remote_status: str | None = None
    retry_at: datetime | None = None
    failures: int | None = None
    deadline_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    output_state: OutputState | None = None
    output: JsonObject | None = None
    adopted_attempt: int | None = None  # when an earlier attempt's remote execution is tied to the row


class Verdict(StrEnum):
    """The ledger's answer to a move."""

    APPLIED = "applied"
    STALE_STATE = "stale_state"  # the row is in another state or at another attempt
    STALE_EPOCH = "stale_epoch"  # another driver has taken the target
    FORBIDDEN = "forbidden"  # no such arrow in the table of moves
    OWNED = "owned"  # another execution of the target already holds this handle
    MISSING = "missing"  # no such execution


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a move: the verdict, the state the row is in now, the number of the event if one was written."""

    verdict: Verdict
    state: ExecutionState | None = None
    seq: int | None = None

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.APPLIED


class EventKind(StrEnum):
    """What an event tells."""

    CREATED = "created"
    MOVED = "moved"
    NOTED = "noted"
    CANCEL_REQUESTED = "cancel_requested"
    LOOKED = "looked"
    FINDING = "finding"
    REPAIRED = "repaired"
    SESSION = "session"  # a session moved, or a person did something to it
    STEP = "step"  # a step of a session moved; its states stand in `data`


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of history. `seq` grows with every commit: whoever has read up to n misses nothing after n."""

    seq: int
    at: datetime
    kind: EventKind
    tenant_id: UUID
    target_id: UUID | None = None  # None: it is about a session
    execution_id: UUID | None = None
    session_id: int | None = None
    from_state: ExecutionState | None = None
    to_state: ExecutionState | None = None
    attempt: int | None = None
    epoch: int | None = None
    actor: str = "engine"
    reason: Reason | None = None
    data: JsonObject = field(default_factory=dict)
