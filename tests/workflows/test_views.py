"""From rows to what people are told: tables."""

from __future__ import annotations

from typing import Any

import pytest
from workflow_rows import T0, a_row, a_target, a_workflow, after

from afield.model.execution import Reason
from afield.model.states import FINAL, ExecutionState, OutputState
from afield.model.target import LookRecord
from afield.workflows import views
from afield.workflows.shapes import Status

S, O = ExecutionState, OutputState  # noqa: E741

ENTRY_FIELDS = [
    "internal_execution_id",
    "amc_execution_id",
    "status",
    "progress",
    "started_at",
    "completed_at",
    "duration_seconds",
    "error_message",
    "row_count",
    "triggered_by",
]


@pytest.mark.parametrize(
    ("state", "output", "status", "progress"),
    [
        (S.QUEUED, O.NONE, Status.PENDING, 0),
        (S.SUBMITTING, O.NONE, Status.PENDING, None),
        (S.UNCONFIRMED, O.NONE, Status.PENDING, None),
        (S.SUBMITTED, O.NONE, Status.PENDING, None),
        (S.RUNNING, O.NONE, Status.RUNNING, None),
        (S.SUCCEEDED, O.PENDING, Status.RUNNING, None),
        (S.SUCCEEDED, O.STORED, Status.COMPLETED, 100),
        (S.SUCCEEDED, O.UNAVAILABLE, Status.COMPLETED, 100),
        (S.FAILED, O.NONE, Status.FAILED, None),
        (S.TIMED_OUT, O.NONE, Status.FAILED, None),
        (S.REJECTED, O.NONE, Status.FAILED, None),
        (S.LOST, O.NONE, Status.FAILED, None),
        (S.CANCELLED, O.NONE, Status.CANCELLED, None),
    ],
)
def test_status_and_progress(state: S, output: O, status: Status, progress: int | None) -> None:
    shown = views.entry(a_row(state, output_state=output))
    assert (shown.status, shown.progress) == (status, progress)


def test_every_state_has_a_word_and_only_the_final_ones_have_ended() -> None:
    assert set(views.WORDS) == set(S)
    for state in S:
        assert (views.WORDS[state] in views.ENDED) == (state in FINAL)


@pytest.mark.parametrize(
    ("more", "began", "ended", "seconds"),
    [
        ({"state": S.QUEUED}, None, None, None),
        ({"state": S.SUBMITTED, "submitted_at": after(1)}, after(1), None, None),
        ({"state": S.RUNNING, "submitted_at": after(1), "started_at": after(5)}, after(5), None, None),
        ({"state": S.FAILED, "submitted_at": after(1), "finished_at": after(9)}, after(1), after(9), 8.0),
        ({"state": S.CANCELLED, "finished_at": after(9)}, None, after(9), None),
        (
            {"state": S.SUCCEEDED, "output_state": O.PENDING, "started_at": after(5), "finished_at": after(9)},
            after(5),
            None,
            None,
        ),
        (
            {"state": S.SUCCEEDED, "output_state": O.STORED, "started_at": after(5), "finished_at": after(9)},
            after(5),
            after(9),
            4.0,
        ),
        ({"state": S.FAILED, "started_at": after(9), "finished_at": after(5)}, after(9), after(5), 0.0),
    ],
)
def test_times(more: dict[str, Any], began: Any, ended: Any, seconds: float | None) -> None:
    state = more.pop("state")
    shown = views.entry(a_row(state, **more))
    assert (shown.started_at, shown.completed_at, shown.duration_seconds) == (began, ended, seconds)


@pytest.mark.parametrize(
    ("state", "attempt", "handle", "missing"),
    [
        (S.QUEUED, 0, None, False),
        (S.QUEUED, 1, None, True),
        (S.QUEUED, 1, "amc-1", False),
        (S.SUBMITTING, 1, None, True),
        (S.UNCONFIRMED, 1, None, True),
        (S.REJECTED, 1, None, True),
        (S.REJECTED, 0, None, False),
        (S.LOST, 1, None, True),
        (S.LOST, 1, "amc-1", False),
        (S.SUBMITTED, 1, "amc-1", False),
        (S.CANCELLED, 0, None, False),
    ],
)
def test_who_misses_an_id(state: S, attempt: int, handle: str | None, missing: bool) -> None:
    assert views.misses_id(a_row(state, attempt=attempt, handle=handle)) is missing


def test_the_fields_of_an_entry_are_these() -> None:
    shown = views.entry(
        a_row(S.FAILED, handle="amc-1", reason=Reason("sql", "No such table."), output={"rows": 3}, output_state=O.NONE)
    )
    assert list(shown.model_dump()) == ENTRY_FIELDS
    assert (shown.error_message, shown.row_count, shown.amc_execution_id) == ("No such table.", 3, "amc-1")
    assert shown.triggered_by == "manual"
    assert views.entry(a_row(S.FAILED, reason=Reason("code_alone"))).error_message == "code_alone"
    assert views.entry(a_row(S.SUCCEEDED, reason=Reason("x", "odd"))).error_message is None


def test_counts_by_status() -> None:
    counts = {state: number for number, state in enumerate(S, start=1)}
    summary = views.summarise(counts, collecting=2, missing=5)
    total = summary.pending + summary.running + summary.completed + summary.failed + summary.cancelled
    assert total == sum(counts.values())
    assert summary.running == counts[S.RUNNING] + 2
    assert summary.completed == counts[S.SUCCEEDED] - 2
    assert summary.missing_amc_id == 5


def test_the_shape_of_execution_status_also_when_empty() -> None:
    shown = views.execution_status(a_workflow(), a_target(), counts={}, live=[], recent=[], missing=[]).model_dump()
    assert list(shown) == [
        "workflow_id",
        "workflow_name",
        "instance_id",
        "total_executions",
        "running_executions",
        "recent_executions",
        "missing_amc_ids",
        "execution_summary",
        "diagnostics",
    ]
    assert list(shown["execution_summary"]) == [
        "pending",
        "running",
        "completed",
        "failed",
        "cancelled",
        "missing_amc_id",
    ]
    assert set(shown["execution_summary"].values()) == {0}
    assert shown["diagnostics"] == {
        "has_running_executions": False,
        "has_missing_amc_ids": False,
        "recommendations": [],
    }
    assert (shown["instance_id"], shown["total_executions"]) == ("amcabc12345", 0)


_BROKEN = LookRecord(taken_at=T0, complete=False, error="timeout")


@pytest.mark.parametrize(
    ("states", "look", "types"),
    [
        ([], None, []),
        ([S.RUNNING], None, ["running"]),
        ([S.SUCCEEDED], None, []),
        ([S.FAILED], None, ["failures"]),
        ([S.REJECTED], None, ["create_failed"]),
        ([S.REJECTED, S.FAILED], None, ["create_failed", "failures"]),
        ([S.UNCONFIRMED], None, ["missing_amc_ids"]),
        ([S.UNCONFIRMED], _BROKEN, ["not_looked", "missing_amc_ids"]),
        ([], _BROKEN, ["not_looked"]),
    ],
)
def test_recommendations(states: list[S], look: LookRecord | None, types: list[str]) -> None:
    rows = [a_row(state, number, attempt=1) for number, state in enumerate(states)]
    missing = [row for row in rows if views.misses_id(row)]
    counts = {state: states.count(state) for state in states}
    advice = views.recommend(views.summarise(counts, 0, len(missing)), a_target(look), missing)
    assert [one.type for one in advice] == types
    assert all(one.message.endswith(".") and one.action.endswith(".") for one in advice)
    assert all(list(one.model_dump()) == ["type", "message", "action"] for one in advice)
