"""What the routes of sessions take and give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AliasPath, Field, PlainSerializer

from afield.api.bodies import Given, Json, Name, ReasonBody, Shown, Time
from afield.engine import approving
from afield.model.session import (
    ApprovalRule,
    OnFail,
    Phase,
    Session,
    SessionState,
    Step,
    StepKind,
    StepState,
)
from afield.model.target import Target
from afield.runbooks.plan import KIND
from afield.runbooks.service import RUNBOOK_LABEL, VERSION_LABEL, StartOrder
from afield.runbooks.tickets.write_back import TICKET_LABEL

LONGEST_ID = 2**63 - 1
MOST_LANES = 1000

Seconds = Annotated[timedelta, PlainSerializer(lambda span: span.total_seconds(), return_type=float)]
StepNumber = Annotated[int, Field(ge=1, le=2**31 - 1, description="The step's number.", examples=[3])]
Note = Annotated[str, Field(max_length=2000, description="What is to be said about it; kept in the history.")]


# ------------------------------------------------------------------------------------------- starting


class ExecuteBody(Given):
    """A runbook, and where it is to run."""

    runbook_id: Annotated[str, Field(min_length=1, max_length=100, examples=["disk-full"])]
    version: Annotated[str | None, Field(max_length=64, description="Without it: the newest approved one.")] = None
    inputs: Json = Field(default_factory=dict, description="Values of its inputs.", examples=[{"mount": "/var"}])
    targets: Annotated[
        tuple[Name, ...],
        Field(max_length=MOST_LANES, description="Names or ids; without any: the machine of the ticket."),
    ] = ()
    ticket: Annotated[str | None, Field(max_length=256, description="A ticket's id, ours or the sender's.")] = None
    batch_size: Annotated[int, Field(ge=1, le=MOST_LANES, description="Targets under way at once.")] = 1
    error_budget: Annotated[
        int, Field(ge=0, le=MOST_LANES, description="Targets that may fail before no further one begins.")
    ] = 0
    dry_run: Annotated[bool, Field(description="Only show what would run, and where.")] = False

    def order(self, by: str, key: str | None) -> StartOrder:
        """What the product is asked for."""
        wanted = self.model_dump(exclude={"dry_run"})
        return StartOrder(**wanted, started_by=by, idempotency_key=key)


# ------------------------------------------------------------------------------------------- sessions


class SessionBody(Shown):
    """A session."""

    id: Annotated[int, Field(examples=[42])]
    kind: str
    title: str
    state: SessionState
    reason: ReasonBody | None
    runbook_id: Annotated[str | None, Field(validation_alias=AliasPath("labels", RUNBOOK_LABEL))] = None
    version: Annotated[str | None, Field(validation_alias=AliasPath("labels", VERSION_LABEL))] = None
    ticket: Annotated[str | None, Field(validation_alias=AliasPath("labels", TICKET_LABEL))] = None
    started_by: str
    batch_size: int
    error_budget: int
    labels: dict[str, str]
    data: Annotated[Json, Field(description="What it was started with: inputs, targets, environment.")]
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    next_at: Annotated[Time | None, Field(description="When it is thought about again, if nothing happens before.")]
    cancel_requested_at: Time | None
    rollback_requested_at: Time | None

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls.model_validate(session)


class WholeSessionBody(SessionBody):
    """A session, how far its steps are, and what happens next."""

    steps: Annotated[dict[StepState, int], Field(description="How many steps are in which state.")]
    expectation: Annotated[str, Field(description="What happens next, in one sentence.")]

    @classmethod
    def whole(cls, session: Session, steps: Mapping[StepState, int], expectation: str) -> Self:
        shown = SessionBody.of(session).model_dump()
        return cls.model_validate(shown | {"steps": steps, "expectation": expectation})


class SessionsBody(Shown):
    """Sessions, the latest first."""

    items: list[SessionBody]
    next_before: Annotated[int | None, Field(description="`before` of the next page; null on the last one.")]


class SessionQuery(Given):
    """Which sessions. All filters given have to hold."""

    state: Annotated[tuple[SessionState, ...], Field(description="Can be repeated.")] = ()
    runbook: Annotated[str | None, Field(max_length=100, description="A runbook's id.")] = None
    ticket: Annotated[str | None, Field(max_length=256, description="A ticket's id, ours or the sender's.")] = None
    kind: Annotated[str | None, Field(max_length=64, description=f"`{KIND}`, or another product's.")] = None
    archived: Annotated[bool, Field(description="Also those that were put away.")] = False
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int | None, Field(ge=1, le=LONGEST_ID, description="Only smaller ids.")] = None


# ------------------------------------------------------------------------------------------- steps


class ApprovalRuleBody(Shown):
    """What it takes to let a step begin."""

    needed: int
    other_than_starter: bool
    valid_for: Annotated[Seconds, Field(description="Seconds.")]

    @classmethod
    def of(cls, rule: ApprovalRule) -> Self:
        return cls.model_validate(rule)


class ApprovalBody(Shown):
    """One person's answer."""

    by: str
    approved: bool
    digest: str
    at: Time
    note: str


class UndoBody(Shown):
    """How a step is undone."""

    command: Annotated[str, Field(validation_alias=AliasPath("work", "text"))]
    spec: Annotated[Json, Field(validation_alias=AliasPath("work", "spec"))]
    on_fail: OnFail
    rule: ApprovalRuleBody


class StepBody(Shown):
    """One step: what it does, and what became of it."""

    number: StepNumber
    name: str
    kind: StepKind
    phase: Phase
    lane: Annotated[int, Field(description="Steps of one lane run one after the other; a lane for each target.")]
    state: StepState
    reason: ReasonBody | None
    target_id: UUID | None
    target: Annotated[str | None, Field(description="The target's name.")] = None
    command: Annotated[str, Field(validation_alias=AliasPath("work", "text"), description="What runs, or is asked.")]
    spec: Annotated[Json, Field(validation_alias=AliasPath("work", "spec"), description="All of what runs.")]
    digest: Annotated[str, Field(description="Names exactly this work at this target.")]
    timeout_s: Annotated[float | None, Field(validation_alias=AliasPath("work", "timeout_s"))]
    expected_output: str | None
    on_fail: OnFail
    severity: str
    retries: int
    rule: ApprovalRuleBody
    approvals: list[ApprovalBody]
    asked_at: Time | None
    undo: UndoBody | None
    undoes: Annotated[int | None, Field(description="The number of the step that this one undoes.")]
    attempt: int
    execution_id: UUID | None
    remote_id: str | None
    exit_code: int | None
    stdout: Annotated[str, Field(description="The end of it.")]
    stderr: str
    started_at: Time | None
    finished_at: Time | None

    @classmethod
    def of(cls, step: Step, targets: Mapping[UUID, Target]) -> Self:
        target = targets.get(step.target_id) if step.target_id else None
        return cls.model_validate(step).model_copy(update={"target": target.name if target else None})


class StepsBody(Shown):
    """A session's steps, by number."""

    items: list[StepBody]
    next_after: Annotated[int | None, Field(description="`after` of the next page; null on the last one.")]


class LiveBody(Shown):
    """What a running step has printed so far: the end of it, as its remote shows it."""

    running: Annotated[bool, Field(description="Its execution is live at the remote.")]
    taken_at: Annotated[Time | None, Field(description="When the remote was asked; null: it does not show output.")]
    stdout: str
    stderr: str


class StepQuery(Given):
    """Which steps. All filters given have to hold."""

    state: Annotated[tuple[StepState, ...], Field(description="Can be repeated.")] = ()
    lane: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    after: Annotated[int, Field(ge=0, le=2**31 - 1, description="Only higher numbers.")] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


# ------------------------------------------------------------------------------------------- people


class PendingApprovalBody(Shown):
    """A step that waits for a person: exactly what it would do, and where."""

    session_id: int
    title: str
    started_by: str
    step: StepBody
    digest: Annotated[str, Field(description="To be sent with the answer: it is about exactly this.")]
    command: str
    target: str | None
    given: Annotated[list[str], Field(description="Who has approved it so far.")]
    expires_at: Time | None

    @classmethod
    def of(cls, session: Session, step: Step, targets: Mapping[UUID, Target], given: list[str]) -> Self:
        shown = StepBody.of(step, targets)
        return cls(
            session_id=session.id,
            title=session.title,
            started_by=session.started_by,
            step=shown,
            digest=step.digest,
            command=step.work.text,
            target=shown.target,
            given=given,
            expires_at=approving.expires_at(step),
        )


class PendingApprovalsBody(Shown):
    """All steps that wait for a person, the oldest session first."""

    items: list[PendingApprovalBody]
