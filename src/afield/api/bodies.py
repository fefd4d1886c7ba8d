"""What the API takes and gives. Times are RFC 3339 in UTC, ids are UUIDs, unknown fields are refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from afield.connectors.base import Output
from afield.model.execution import Attempt, Event, EventKind, Execution, Resubmit
from afield.model.finding import Finding, FindingKind, OpenFinding, RepairKind, Severity
from afield.model.states import ExecutionState, OutcomeOfAttempt, OutputState
from afield.model.target import Target

Json: TypeAlias = dict[str, JsonValue]
Time = Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC))]
GivenTime = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
Name = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]+$", max_length=200)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100)]
LabelValue = Annotated[str, StringConstraints(max_length=1000)]
Labels = Annotated[dict[Label, LabelValue], Field(max_length=50)]

_ID = "01920000-0000-7000-8000-000000000001"
_AT = "2026-01-02T03:04:05Z"


def _check_storable(value: object) -> None:
    """Raises ValueError for what JSON can say and a database cannot keep."""
    match value:
        case str():
            if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise ValueError("text must not hold NUL characters or halves of surrogate pairs")
        case float():
            if not math.isfinite(value):
                raise ValueError("numbers must be finite")
        case list():
            for item in value:
                _check_storable(item)
        case dict():
            for name, item in value.items():
                _check_storable(name)
                _check_storable(item)


class Given(BaseModel):
    """Base of what callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, given: object) -> object:
        _check_storable(given)
        return given


class Shown(BaseModel):
    """Base of what callers get; made from the records of the model."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


# ------------------------------------------------------------------------------------------- targets


class NewTargetBody(Given):
    """A place where work can run."""

    connector: Annotated[str, Field(examples=["amc"])]
    name: Annotated[Name, Field(examples=["amc-north"])]
    address: Annotated[
        Json,
        Field(
            description="What the connector needs to find it.",
            examples=[{"instance_id": "amcabc12345", "entity_id": "ENTITY1", "marketplace_id": "ATVPDKIKX0DER"}],
        ),
    ]
    settings: Annotated[Json, Field(description="Overrides of the connector's limits; times in seconds.")] = {}
    credential: Annotated[str | None, Field(description="Name of a credential.", examples=["ads-account"])] = None


class TargetPatch(Given):
    """What may change. Settings are merged into those there are; null removes one."""

    settings: Annotated[Json | None, Field(examples=[{"max_live": 5, "min_interval": 30}])] = None
    credential: Annotated[str | None, Field(description="Name of the credential to use from now on.")] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.settings is None and self.credential is None:
            raise ValueError("give settings, or credential, or both")
        return self


class LookRecordBody(Shown):
    """What is remembered of the engine's last look at a target."""

    taken_at: Time
    complete: bool
    entries: int
    calls: int
    error: str | None
    failures: int
    completed_at: Time | None


class TargetBody(Shown):
    """A target, who drives it, and how the last look went."""

    id: UUID
    connector: str
    name: str
    address: Json
    settings: Json
    credential_id: UUID | None
    driver: str | None
    driver_since: Time | None
    look: LookRecordBody | None
    throttled_until: Time | None
    created_at: Time

    @classmethod
    def of(cls, target: Target) -> Self:
        return cls.model_validate(target)


class TargetsBody(Shown):
    """All targets, by name."""

    items: list[TargetBody]


# ------------------------------------------------------------------------------------------- credentials


class NewCredentialBody(Given):
    """A credential. The secret goes in and never comes out."""

    name: Annotated[Name, Field(examples=["ads-account"])]
    connector: Annotated[str, Field(examples=["amc"])]
    secret: Annotated[
        dict[Label, Annotated[str, StringConstraints(max_length=20_000)]],
        Field(
            min_length=1,
            repr=False,
            json_schema_extra={"writeOnly": True},
            examples=[{"client_id": "...", "client_secret": "...", "refresh_token": "..."}],
        ),
    ]


class CredentialBody(Shown):
    """The public part of a credential."""

    id: UUID
    name: str
    connector: str


class CredentialsBody(Shown):
    """All credentials, without their secrets."""

    items: list[CredentialBody]


# ------------------------------------------------------------------------------------------- executions


class NewExecutionBody(Given):
    """One piece of work for one target."""

    target: Annotated[str, Field(description="Name or id.", examples=["amc-north"])]
    spec: Annotated[Json, Field(description="What to run.", examples=[{"sql_query": "SELECT campaign FROM t"}])]
    labels: Annotated[Labels, Field(examples=[{"user_email": "ann@example.com"}])] = {}
    resubmit: Resubmit = Resubmit.WHEN_ABSENT
    timeout_s: Annotated[float | None, Field(gt=0, le=30 * 86_400, description="Seconds, from its first try.")] = None


class ReasonBody(Shown):
    """A stable code, and a sentence."""

    code: str
    text: str


class OutputBody(Shown):
    """A stored output: what it is. `GET .../output` brings it."""

    size: int
    media_type: str
    rows: int | None
    columns: list[str]
    detail: Json

    @classmethod
    def of(cls, output: Output) -> Self:
        return cls.model_validate(output.to_json())


class AttemptBody(Shown):
    """One try at submitting."""

    number: int
    key: str
    intent_at: Time
    outcome: OutcomeOfAttempt
    handle: str | None
    settled_at: Time | None


class ExecutionBody(Shown):
    """One execution, as the ledger holds it."""

    id: Annotated[UUID, Field(examples=[_ID])]
    target_id: UUID
    state: ExecutionState
    reason: ReasonBody | None
    attempt: int
    handle: Annotated[str | None, Field(description="The remote's id.")]
    remote_status: Annotated[str | None, Field(description="The remote's word, verbatim.", examples=["RUNNING"])]
    remote_seen_at: Time | None
    spec: Json
    labels: dict[str, str]
    idempotency_key: str | None
    resubmit: Resubmit
    timeout_s: float | None
    deadline_at: Time | None
    cancel_requested_at: Time | None
    created_at: Annotated[Time, Field(examples=[_AT])]
    updated_at: Time
    state_at: Annotated[Time, Field(description="Since when it is in this state.")]
    submitted_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    next_at: Annotated[Time | None, Field(description="When the engine means to act or look next.")]
    retry_at: Time | None
    complete: Annotated[bool, Field(description="Final, and its output settled: nothing more is to be expected.")]
    output_state: OutputState
    output: OutputBody | None

    @classmethod
    def of(cls, execution: Execution) -> Self:
        return cls.model_validate(execution)


class WholeExecutionBody(ExecutionBody):
    """One execution with all its attempts."""

    attempts: list[AttemptBody]

    @classmethod
    def with_attempts(cls, execution: Execution, attempts: list[Attempt]) -> Self:
        tries = [AttemptBody.model_validate(one).model_dump() for one in attempts]
        return cls.model_validate(ExecutionBody.of(execution).model_dump() | {"attempts": tries})


class ExecutionsBody(Shown):
    """One page, newest first. `next_cursor` is null on the last one."""

    items: list[ExecutionBody]
    next_cursor: str | None


# ------------------------------------------------------------------------------------------- events


class EventBody(Shown):
    """One line of history."""

    seq: Annotated[int, Field(examples=[42])]
    at: Time
    kind: EventKind
    target_id: UUID | None
    execution_id: UUID | None
    session_id: int | None
    from_state: ExecutionState | None
    to_state: ExecutionState | None
    attempt: int | None
    actor: str
    reason: ReasonBody | None
    data: Json

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls.model_validate(event)


class EventsBody(Shown):
    """Events in order. Go on with `after` = the last one's `seq`."""

    items: list[EventBody]
    last_seq: Annotated[int, Field(description="Where to go on: nothing above it has been given.")]


# ------------------------------------------------------------------------------------------- findings


class RepairBody(Shown):
    """One way to settle a finding."""

    kind: RepairKind
    risk: str
    handle: str | None
    automatic: Annotated[bool, Field(description="Can neither lose nor start work.")]


class FindingBody(Shown):
    """One difference between the two sides, or their agreement."""

    fingerprint: str
    kind: FindingKind
    severity: Severity
    why: str
    explanation: str
    target_id: UUID
    execution_id: UUID | None
    handle: str | None
    local: Json
    remote: Json
    repairs: list[RepairBody]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls.model_validate(finding)


class OpenFindingBody(FindingBody):
    """A finding as it is kept over several looks."""

    id: UUID
    first_seen_at: Time
    last_seen_at: Time
    resolved_at: Time | None
    ignored: bool

    @classmethod
    def kept(cls, kept: OpenFinding) -> Self:
        about = {name: getattr(kept, name) for name in OpenFindingBody.model_fields.keys() - FindingBody.model_fields}
        return cls.model_validate(FindingBody.of(kept.finding).model_dump() | about)


class FindingsBody(Shown):
    """Findings that need attention."""

    items: list[OpenFindingBody]


class LookedBody(Shown):
    """Whether the remote could be asked completely, when, and if not, why."""

    complete: bool
    taken_at: Time
    since: Time
    entries: int
    calls: int
    error: str | None
