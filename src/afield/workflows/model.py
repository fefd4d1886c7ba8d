"""A saved query, what a run of it may change, and the execution that a run is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject

PRODUCT = "workflows"
WORKFLOW_ID = "workflow_id"
USER_EMAIL = "user_email"
TRIGGERED_BY = "triggered_by"

_OWN_FIELDS = frozenset({"sql_query", "workflow_name", "parameter_values", "time_window"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A saved query for one AMC instance."""

    id: UUID
    tenant_id: UUID
    target_id: UUID
    name: str
    sql_query: str
    description: str = ""
    parameters: JsonObject = field(default_factory=dict)  # values, unless a run gives others
    time_window: JsonObject | None = None
    options: JsonObject = field(default_factory=dict)  # further fields of the connector's spec
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run changes, and who wanted it."""

    parameters: JsonObject = field(default_factory=dict)
    time_window: JsonObject | None = None
    options: JsonObject = field(default_factory=dict)
    triggered_by: str | None = None
    user_email: str | None = None
    idempotency_key: str | None = None


def spec_of(workflow: Workflow, run: Run) -> JsonObject:
    """The execution's spec: the run's values go before the workflow's. Raises InvalidInputError for an option that
    has a place of its own."""
    options = workflow.options | run.options
    taken = sorted(_OWN_FIELDS & options.keys())
    if taken:
        raise InvalidInputError(f"{taken[0]!r} is not an option.", hint="It has a field of its own.")
    window = run.time_window if run.time_window is not None else workflow.time_window
    return {
        **options,
        "sql_query": workflow.sql_query,
        "workflow_name": workflow.name,
        "parameter_values": {**workflow.parameters, **run.parameters},
        **({} if window is None else {"time_window": window}),
    }


def labels_of(workflow: Workflow, run: Run) -> Mapping[str, str]:
    """The labels by which a run is found again."""
    labels = {
        "product": PRODUCT,
        WORKFLOW_ID: str(workflow.id),
        USER_EMAIL: run.user_email or workflow.created_by,
        TRIGGERED_BY: run.triggered_by or "manual",
    }
    return {name: value for name, value in labels.items() if value}
