"""Replies about executions, as AMC words them: flat, and without what is not known."""

from collections.abc import Mapping

from .model import FINAL, SUCCEEDED, Column, Execution
from .times import show_time

EXECUTIONS = "application/vnd.amcworkflowexecutions.v1+json"
WORKFLOWS = "application/vnd.amcworkflows.v1+json"
SCHEDULES = "application/vnd.amcschedules.v1+json"
DATA_SOURCES = "application/vnd.amcdatasources.v1+json"
INSTANCES = "application/vnd.amcinstances.v1+json"
JSON = "application/json"
OCTETS = "application/octet-stream"

DAY = 86_400
HOUR = 3_600


def show_execution(execution: Execution, *, include_workflow: bool = False) -> dict[str, object]:
    """One execution as get, create and list show it."""
    created = execution.created_at
    shown: dict[str, object] = {
        "createTime": show_time(created),
        "dataGaps": [],
        "disableAggregationControls": execution.disable_aggregation_controls,
        "executionCategory": "AD_HOC",
        "expireTime": show_time(created + DAY),
        "ignoreDataGaps": execution.ignore_data_gaps,
        "lastUpdatedTime": show_time(execution.updated_at + execution.skew),
        "parameterValues": execution.parameter_values,
        "status": execution.shown_status,
        "timeWindowTimeZoneOriginal": execution.window.zone,
        "waitUntil": show_time(created - HOUR),
        "workflowExecutionId": execution.id,
        "workflowExecutionTimeoutSeconds": execution.timeout_seconds,
        "workflowId": execution.workflow_id,
    }
    shown.update(_window(execution))
    shown.update(_present(execution, include_workflow=include_workflow))
    if execution.status in FINAL:
        shown.update(_finished(execution))
    return shown


def _window(execution: Execution) -> Mapping[str, object]:
    window = execution.window
    shown: dict[str, object] = {}
    if window.start is not None and window.end is not None:
        shown["timeWindowStart"] = show_time(window.start)
        shown["timeWindowEnd"] = show_time(window.end)
    if window.start_original is not None:
        shown["timeWindowStartOriginal"] = window.start_original
        shown["timeWindowEndOriginal"] = window.end_original
    return shown


def _present(execution: Execution, *, include_workflow: bool) -> Mapping[str, object]:
    candidates = {
        "statusReason": execution.status_reason,
        "requireSyntheticData": execution.require_synthetic_data,
        "advertisers": execution.advertisers,
        "sqlQuery": execution.sql if include_workflow else None,
    }
    return {key: value for key, value in candidates.items() if value is not None}


def _finished(execution: Execution) -> Mapping[str, object]:
    shown: dict[str, object] = {
        "availableTimeBeforeWindowSecs": 0,
        "invalidationOffsetSecs": 266_400,
        "validatedTime": int(execution.created_at * 1000),
    }
    if execution.started_at is not None and execution.finished_at is not None:
        shown["executionTime"] = max(0, int(execution.finished_at - execution.started_at))
    if execution.status == SUCCEEDED:
        shown["outputColumns"] = [_column(column) for column in execution.columns]
        shown["outputS3URI"] = "N/A"
        available = "AVAILABLE" if execution.files else "UNAVAILABLE"
        shown["outputChannels"] = [{"channel": {"type": "DOWNLOAD"}, "status": available}]
    return shown


def _column(column: Column) -> Mapping[str, object]:
    shown: dict[str, object] = {
        "columnType": column.column_type,
        "dataType": column.data_type,
        "name": column.name,
    }
    if column.precision is not None:
        shown.update(precision=column.precision, scale=column.scale)
    return shown
