"""What the workflows product shows: the fields, exactly as they are called."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

Time = Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC))]
Json: TypeAlias = dict[str, JsonValue]


class Status(StrEnum):
    """What people are told of a run."""

    PENDING = "pending"  # not seen running: waits here, is on its way, or waits at AMC
    RUNNING = "running"  # runs at AMC, or has ended well and its results are being fetched
    COMPLETED = "completed"  # ended well, results settled
    FAILED = "failed"  # ended badly, refused, timed out, or lost
    CANCELLED = "cancelled"


class Shape(BaseModel):
    """Base of what is shown."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class WorkflowShape(Shape):
    """A saved query."""

    workflow_id: UUID
    name: str
    description: str
    instance_id: str
    sql_query: str
    parameters: Json
    time_window: Json | None
    options: Json
    created_by: str | None
    created_at: Time
    updated_at: Time


class WorkflowPage(Shape):
    """One page, newest first."""

    items: list[WorkflowShape]
    next_cursor: str | None


# ------------------------------------------------------------------------------------------- runs


class Entry(Shape):
    """One run, in short."""

    internal_execution_id: UUID
    amc_execution_id: str | None
    status: Status
    progress: Annotated[int | None, Field(description="0 before it is sent, 100 when completed, else not known.")]
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    error_message: str | None
    row_count: int | None
    triggered_by: str | None


class EntryPage(Shape):
    """One page of a workflow's runs, newest first."""

    workflow_id: UUID
    items: list[Entry]
    next_cursor: str | None


class RunStatus(Entry):
    """One run, and where it stands."""

    workflow_id: UUID
    instance_id: str
    state: Annotated[str, Field(description="The kernel's word, finer than `status`.")]
    amc_status: Annotated[str | None, Field(description="AMC's word, verbatim.")]
    created_at: Time
    updated_at: Time


class Step(Shape):
    """One line of a run's history."""

    seq: int
    at: Time
    kind: str
    state: str | None
    message: str


class RunDetail(RunStatus):
    """One run, whole."""

    workflow_name: str | None
    user_email: str | None
    sql_query: str
    parameters: Json
    time_window: Json | None
    attempts: int
    timeline: list[Step]


class RunResults(Shape):
    """A run's stored results: the first rows, and where all of them are."""

    execution_id: UUID
    workflow_id: UUID
    status: Status
    columns: list[str]
    rows: Annotated[list[list[str]], Field(description="The first rows, values as text.")]
    row_count: int | None
    truncated: Annotated[bool, Field(description="There are more rows than these.")]
    size_bytes: int
    media_type: str
    download_url: str


# ------------------------------------------------------------------------------------------- a workflow's state


class ExecutionSummary(Shape):
    """How many runs there are of each status; those that miss an AMC id are counted under their status too."""

    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    missing_amc_id: int


class Recommendation(Shape):
    """What to do about something."""

    type: Annotated[str, Field(examples=["missing_amc_ids", "failures", "not_looked", "running"])]
    message: str
    action: str


class Diagnostics(Shape):
    """What stands out."""

    has_running_executions: bool
    has_missing_amc_ids: bool
    recommendations: list[Recommendation]


class ExecutionStatus(Shape):
    """Where all runs of a workflow stand."""

    workflow_id: UUID
    workflow_name: str
    instance_id: str
    total_executions: int
    running_executions: Annotated[list[Entry], Field(description="All that have not ended, newest first.")]
    recent_executions: Annotated[list[Entry], Field(description="The ten newest.")]
    missing_amc_ids: Annotated[list[Entry], Field(description="Those that were sent, or may have been, without an id.")]
    execution_summary: ExecutionSummary
    diagnostics: Diagnostics


# ------------------------------------------------------------------------------------------- both sides


class CrossEntry(Shape):
    """One execution, here, there, or on both sides."""

    internal_execution_id: UUID | None
    amc_execution_id: str | None
    workflow_id: str | None
    user_email: str | None
    status: Status | None
    state: str | None
    amc_status: str | None
    why: str
    explanation: str
    repairs: list[str]


class CrossResults(Shape):
    """Both sides, sorted by what they say of each other."""

    matched: list[CrossEntry]
    database_only: list[CrossEntry]
    amc_only: list[CrossEntry]
    missing_amc_ids: list[CrossEntry]
    status_mismatches: list[CrossEntry]


class CrossSummary(Shape):
    """How many there are of each; the last three are those of which nothing can be said (yet)."""

    matched: int
    database_only: int
    amc_only: int
    missing_amc_ids: int
    status_mismatches: int
    ambiguous: int
    too_early: int
    not_looked: int


class Looked(Shape):
    """Whether AMC could be asked completely, when, and if not, why."""

    complete: bool
    taken_at: Time | None
    error: str | None


class CrossReference(Shape):
    """What the database and AMC say, side by side."""

    success: Annotated[bool, Field(description="Whether AMC was asked completely; if not, `looked.error` says why.")]
    instance_id: str
    database_executions_count: int
    amc_executions_count: Annotated[int | None, Field(description="null when AMC was not asked completely.")]
    cross_reference_results: CrossResults
    summary: CrossSummary
    looked: Looked
