"""Rows for tables of tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from afield.model.execution import Execution
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, LookRecord, Target
from afield.workflows.model import Workflow

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TARGET_ID = UUID(int=7)
WORKFLOW_ID = UUID(int=8)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def a_row(state: ExecutionState, number: int = 1, **more: Any) -> Execution:
    fields: dict[str, Any] = {
        "id": UUID(int=number),
        "tenant_id": DEFAULT_TENANT,
        "target_id": TARGET_ID,
        "state": state,
        "spec": {},
        "labels": {"workflow_id": str(WORKFLOW_ID), "triggered_by": "manual"},
        "created_at": T0,
        "state_at": T0,
        "updated_at": T0,
    }
    return Execution(**fields | more)


def a_target(look: LookRecord | None = None) -> Target:
    return Target(
        id=TARGET_ID,
        tenant_id=DEFAULT_TENANT,
        connector="amc",
        name="north",
        address={"instance_id": "amcabc12345"},
        look=look,
        created_at=T0,
    )


def a_workflow(**more: Any) -> Workflow:
    fields: dict[str, Any] = {
        "id": WORKFLOW_ID,
        "tenant_id": DEFAULT_TENANT,
        "target_id": TARGET_ID,
        "name": "Weekly reach",
        "sql_query": "SELECT 1",
        "created_at": T0,
        "updated_at": T0,
    }
    return Workflow(**fields | more)
