"""From what the kernel knows to what the workflows product shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from afield.model.execution import Event, Execution
from afield.model.states import ExecutionState, OutputState
from afield.model.target import Target
from afield.workflows.model import TRIGGERED_BY, USER_EMAIL, WORKFLOW_ID, Workflow
from afield.workflows.preview import Preview
from afield.workflows.shapes import (
    Diagnostics,
    Entry,
    ExecutionStatus,
    ExecutionSummary,
    Recommendation,
    RunDetail,
    RunResults,
    RunStatus,
    Status,
    Step,
    WorkflowShape,
)

_S = ExecutionState

WORDS: Mapping[ExecutionState, Status] = {
    _S.QUEUED: Status.PENDING,
    _S.SUBMITTING: Status.PENDING,
    _S.UNCONFIRMED: Status.PENDING,
    _S.SUBMITTED: Status.PENDING,
    _S.RUNNING: Status.RUNNING,
    _S.SUCCEEDED: Status.COMPLETED,
    _S.FAILED: Status.FAILED,
    _S.CANCELLED: Status.CANCELLED,
    _S.TIMED_OUT: Status.FAILED,
    _S.REJECTED: Status.FAILED,
    _S.LOST: Status.FAILED,
}
"""The status a state is told as; `succeeded` only once its results are settled."""

ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

MAY_MISS_ID = frozenset({_S.QUEUED, _S.SUBMITTING, _S.UNCONFIRMED, _S.REJECTED, _S.LOST})
"""States in which a run that was sent can be without an AMC id."""


def status_of(execution: Execution) -> Status:
    """One of the five words. A run whose results are still being fetched is running."""
    if execution.state is _S.SUCCEEDED and execution.output_state is OutputState.PENDING:
        return Status.RUNNING
    return WORDS[execution.state]


def progress_of(execution: Execution) -> int | None:
    """0 before anything was sent, 100 when completed; AMC tells nothing in between, so neither do we."""
    if status_of(execution) is Status.COMPLETED:
        return 100
    return 0 if execution.state is _S.QUEUED and execution.attempt == 0 else None


def misses_id(execution: Execution) -> bool:
    """Whether it was sent, or may have been, and no AMC id is known."""
    return execution.handle is None and execution.state in MAY_MISS_ID and execution.attempt > 0


def started_at(execution: Execution) -> datetime | None:
    """When it was first seen running; where that was never seen, when AMC took it."""
    return execution.started_at or execution.submitted_at


def error_message(execution: Execution) -> str | None:
    """Why it is as it is, unless it went well."""
    reason = execution.reason
    if reason is None or status_of(execution) is Status.COMPLETED:
        return None
    return reason.text or reason.code


def entry_fields(execution: Execution) -> dict[str, object]:
    """The fields of an entry."""
    status = status_of(execution)
    began, ended = started_at(execution), execution.finished_at if status in ENDED else None
    rows = (execution.output or {}).get("rows")
    return {
        "internal_execution_id": execution.id,
        "amc_execution_id": execution.handle,
        "status": status,
        "progress": progress_of(execution),
        "started_at": began,
        "completed_at": ended,
        "duration_seconds": max(0.0, (ended - began).total_seconds()) if began and ended else None,
        "error_message": error_message(execution),
        "row_count": rows if isinstance(rows, int) else None,
        "triggered_by": execution.labels.get(TRIGGERED_BY),
    }


def entry(execution: Execution) -> Entry:
    """One run, in short."""
    return Entry.model_validate(entry_fields(execution))


def _status_fields(execution: Execution, target: Target) -> dict[str, object]:
    return entry_fields(execution) | {
        "workflow_id": UUID(execution.labels[WORKFLOW_ID]),
        "instance_id": instance_id(target),
        "state": execution.state,
        "amc_status": execution.remote_status,
        "created_at": execution.created_at,
        "updated_at": execution.updated_at,
    }


def run_status(execution: Execution, target: Target) -> RunStatus:
    """One run, and where it stands."""
    return RunStatus.model_validate(_status_fields(execution, target))


def run_detail(execution: Execution, target: Target, events: Sequence[Event]) -> RunDetail:
    """One run, whole."""
    spec = execution.spec
    name = spec.get("workflow_name")
    more = {
        "workflow_name": name if isinstance(name, str) else None,
        "user_email": execution.labels.get(USER_EMAIL),
        "sql_query": str(spec.get("sql_query", "")),
        "parameters": spec.get("parameter_values") or {},
        "time_window": spec.get("time_window"),
        "attempts": execution.attempt,
        "timeline": [step(event) for event in events],
    }
    return RunDetail.model_validate(_status_fields(execution, target) | more)


def run_results(execution: Execution, preview: Preview) -> RunResults:
    """A run's stored results: the first rows, and where all of them are."""
    output = execution.output or {}
    rows, size = output.get("rows"), output.get("size")
    return RunResults(
        execution_id=execution.id,
        workflow_id=UUID(execution.labels[WORKFLOW_ID]),
        status=status_of(execution),
        columns=preview.columns,
        rows=preview.rows,
        row_count=rows if isinstance(rows, int) else None,
        truncated=not preview.whole,
        size_bytes=size if isinstance(size, int) else 0,
        media_type=str(output.get("media_type") or "text/csv"),
        download_url=f"/api/v1/executions/{execution.id}/output",
    )


def step(event: Event) -> Step:
    """One line of a run's history."""
    reason = event.reason
    said = (reason.text or reason.code) if reason else ""
    return Step(seq=event.seq, at=event.at, kind=event.kind, state=event.to_state, message=said)


def workflow_shape(workflow: Workflow, target: Target) -> WorkflowShape:
    """A saved query."""
    return WorkflowShape(
        workflow_id=workflow.id,
        name=workflow.name,
        description=workflow.description,
        instance_id=instance_id(target),
        sql_query=workflow.sql_query,
        parameters=workflow.parameters,
        time_window=workflow.time_window,
        options=workflow.options,
        created_by=workflow.created_by,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def instance_id(target: Target) -> str:
    """The AMC instance behind a target."""
    return str(target.address.get("instance_id") or target.name)


# ------------------------------------------------------------------------------------------- a workflow's state


def summarise(counts: Mapping[ExecutionState, int], collecting: int, missing: int) -> ExecutionSummary:
    """Counts by status from counts by state; `collecting` of the succeeded still wait for their results."""
    by_word = dict.fromkeys(Status, 0)
    for state, count in counts.items():
        by_word[WORDS[state]] += count
    by_word[Status.COMPLETED] -= collecting
    by_word[Status.RUNNING] += collecting
    words = {word.value: count for word, count in by_word.items()}
    return ExecutionSummary(**words, missing_amc_id=missing)


def execution_status(
    workflow: Workflow,
    target: Target,
    *,
    counts: Mapping[ExecutionState, int],
    live: Sequence[Execution],
    recent: Sequence[Execution],
    missing: Sequence[Execution],
) -> ExecutionStatus:
    """Where all runs stand. `live`: all that have not ended; `missing`: those without an AMC id."""
    collecting = sum(1 for row in live if row.state is _S.SUCCEEDED)
    summary = summarise(counts, collecting, len(missing))
    return ExecutionStatus(
        workflow_id=workflow.id,
        workflow_name=workflow.name,
        instance_id=instance_id(target),
        total_executions=sum(counts.values()),
        running_executions=[entry(row) for row in live],
        recent_executions=[entry(row) for row in recent],
        missing_amc_ids=[entry(row) for row in missing],
        execution_summary=summary,
        diagnostics=Diagnostics(
            has_running_executions=bool(live),
            has_missing_amc_ids=bool(missing),
            recommendations=recommend(summary, target, missing),
        ),
    )


def recommend(summary: ExecutionSummary, target: Target, missing: Sequence[Execution]) -> list[Recommendation]:
    """What to do about what stands out, the most urgent first."""
    instance, found = instance_id(target), []
    if target.look is not None and not target.look.complete:
        text = f"AMC could not be asked completely ({target.look.error or 'no reason given'})."
        found.append(_advice("not_looked", text, f"Run `afield diagnose target {target.name}`."))
    doubtful = [row for row in missing if row.state in {_S.SUBMITTING, _S.UNCONFIRMED, _S.LOST}]
    if doubtful:
        text = f"Of {_many(len(doubtful), 'run')} it is not known whether AMC took {_them(len(doubtful))}."
        action = f"Wait for the next complete look, or run `afield reconcile --instance-id {instance}`."
        found.append(_advice("missing_amc_ids", text, action))
    refused = [row for row in missing if row.state is _S.REJECTED]
    if refused:
        text = f"AMC refused {_many(len(refused), 'run')}."
        found.append(_advice("create_failed", text, "Read error_message, correct the query, and run it again."))
    if summary.failed > len(refused):
        text = f"{_many(summary.failed - len(refused), 'run')} failed."
        found.append(_advice("failures", text, "Read error_message in the runs' details."))
    if summary.pending + summary.running and not found:
        text = f"{_many(summary.pending + summary.running, 'run')} under way."
        found.append(_advice("running", text, "Nothing to do: Afield follows until the end."))
    return found


def _advice(kind: str, message: str, action: str) -> Recommendation:
    return Recommendation(type=kind, message=message, action=action)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
