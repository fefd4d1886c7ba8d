"""AMC's reporting API on the wire: requests built, replies read. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from afield.connectors.amc.answer import json_object
from afield.connectors.amc.redaction import clean
from afield.connectors.amc.spec import AmcSpec, AttemptName, InputParameter, PrivacyFilter
from afield.connectors.amc.status import ENDED, state_of
from afield.connectors.base import Entry
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

EXECUTIONS_TYPE = "application/vnd.amcworkflowexecutions.v1+json"
WORKFLOWS_TYPE = "application/vnd.amcworkflows.v1+json"
INSTANCES_TYPE = "application/vnd.amcinstances.v1+json"

PAGE_SIZE = 100  # the most a listing gives at once

CANCEL: JsonObject = {"status": "CANCELLED"}

# --------------------------------------------------------------------------------------- requests


def build_workflow(spec: AmcSpec, run_tag: str | None = None) -> JsonObject:
    """The query itself: SQL and declared parameters. A value given for an undeclared one declares it as text."""
    declared = {one.name: one for one in spec.input_parameters}
    for name in (*spec.parameter_values, *filter(None, [run_tag])):
        declared.setdefault(name, InputParameter(name=name))
    body: JsonObject = {"sqlQuery": spec.sql_query}
    if declared:
        body["inputParameters"] = [_declaration(one) for one in declared.values()]
    if spec.privacy_filter is not PrivacyFilter.REMOVE_ROWS:
        body["privacyFilteringBehavior"] = spec.privacy_filter
    return body


def _declaration(one: InputParameter) -> JsonValue:
    body: JsonObject = {"name": one.name, "dataType": one.data_type, "columnType": one.column_type}
    if one.description is not None:
        body["description"] = one.description
    if one.default_value is not None:
        body["defaultValue"] = one.default_value
    return body


def build_saved_workflow(spec: AmcSpec, key: str) -> JsonObject:
    """The body that saves the query under the attempt's name."""
    return {"workflowId": key, **build_workflow(spec)}


def build_execution(spec: AmcSpec, key: str, mode: AttemptName, run_tag: str | None) -> JsonObject:
    """The body that starts the attempt `key`. Fields that say what AMC does anyway are left out."""
    body: JsonObject = {}
    if mode is AttemptName.SAVED_WORKFLOW:
        body["workflowId"] = key
    elif mode is AttemptName.AD_HOC_WORKFLOW_ID:
        body["workflow"] = {"workflowId": key, **build_workflow(spec)}
    else:
        body["workflow"] = build_workflow(spec, run_tag)
    body |= _window(spec)
    values = sent_parameters(spec, key, mode, run_tag)
    if values:
        body["parameterValues"] = values
    return body | _options(spec)


def sent_parameters(spec: AmcSpec, key: str, mode: AttemptName, run_tag: str | None) -> JsonObject:
    """The parameter values that are sent, the run tag included."""
    values: JsonObject = {name: list(v) if isinstance(v, list) else v for name, v in spec.parameter_values.items()}
    if mode is AttemptName.ECHOED_VALUES and run_tag:
        values[run_tag] = key
    return values


def _window(spec: AmcSpec) -> JsonObject:
    window = spec.time_window
    body: JsonObject = {"timeWindowType": window.type, "timeWindowTimeZone": window.time_zone}
    if window.start is not None and window.end is not None:
        body |= {"timeWindowStart": window.start, "timeWindowEnd": window.end}
    return body


def _options(spec: AmcSpec) -> JsonObject:
    body: JsonObject = {}
    if spec.timeout_seconds is not None:
        body["workflowExecutionTimeoutSeconds"] = spec.timeout_seconds
    flags = {
        "dryRun": spec.dry_run,
        "ignoreDataGaps": spec.ignore_data_gaps,
        "disableAggregationControls": spec.disable_aggregation_controls,
        "requireSyntheticData": spec.require_synthetic_data,
    }
    body |= {name: True for name, on in flags.items() if on}
    if spec.advertisers:
        body["advertisers"] = [
            {"id": one.id, "type": one.type, "marketplaceId": one.marketplace_id} for one in spec.advertisers
        ]
    return body


def listing_query(since: datetime, until: datetime, *, with_sql: bool) -> dict[str, str]:
    """The listing of all that was created in a span (UTC, widened to whole seconds), oldest first.

    Oldest first and with a fixed end, so that what is created meanwhile does not shift the pages; cancelled ones
    included, which AMC hides unless asked.
    """
    query = _listing(with_sql=with_sql)
    query["minCreationTime"] = wire_time(since)
    query["maxCreationTime"] = wire_time(until + timedelta(microseconds=999_999))
    return query


def workflow_listing_query(workflow_id: str) -> dict[str, str]:
    """The listing of all runs of one saved workflow."""
    return {"workflowId": workflow_id, **_listing(with_sql=False)}


def _listing(*, with_sql: bool) -> dict[str, str]:
    query = {"sortAscending": "true", "includeCancelled": "true", "limit": str(PAGE_SIZE)}
    if with_sql:
        query["includeWorkflow"] = "true"
    return query


# --------------------------------------------------------------------------------------- times


def wire_time(when: datetime) -> str:
    """A time as AMC's filters take it: UTC, cut to whole seconds, no zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(value: JsonValue) -> datetime | None:
    """A time as AMC gives it (UTC); None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


# --------------------------------------------------------------------------------------- replies

_ECHOED = (
    "timeWindowStartOriginal",
    "timeWindowEndOriginal",
    "timeWindowTimeZoneOriginal",
    "parameterValues",
    "workflowExecutionTimeoutSeconds",
    "lastUpdatedTime",
    "executionTime",
    "outputColumns",
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `unreadable` counts rows that were no executions."""

    entries: tuple[Entry, ...]
    next_token: str | None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column as AMC declares it."""

    name: str
    data_type: str

    def to_json(self) -> JsonObject:
        return {"name": self.name, "data_type": self.data_type}


def unwrapped(body: bytes, wrapper: str) -> JsonObject | None:
    """The object of a reply, which AMC sends flat and describes as wrapped; None if there is none."""
    value = json_object(body)
    inner = value.get(wrapper) if value is not None else None
    return inner if isinstance(inner, dict) else value


def parse_execution(body: bytes) -> Entry | None:
    """The execution in a reply to create or get; None when it is not readable."""
    value = unwrapped(body, "workflowExecution")
    return None if value is None else entry_of(value)


def entry_of(value: JsonObject) -> Entry | None:
    """One execution as AMC shows it; None without an id."""
    handle = value.get("workflowExecutionId")
    if not isinstance(handle, str) or not handle:
        return None
    status = value.get("status")
    status = status if isinstance(status, str) else ""
    state = state_of(status)
    name = value.get("workflowId")
    return Entry(
        handle=handle,
        status=status,
        state=state,
        created_at=parse_time(value.get("createTime")),
        finished_at=parse_time(value.get("lastUpdatedTime")) if state in ENDED else None,
        name=name if isinstance(name, str) else None,
        reason=_reason(status, value.get("statusReason")),
        echo=_echo(value),
    )


def _reason(status: str, text: JsonValue) -> Reason | None:
    return Reason(f"amc_{status.lower()}", clean(text)) if isinstance(text, str) and text.strip() else None


def _echo(value: JsonObject) -> JsonObject:
    echo: JsonObject = {name: value[name] for name in _ECHOED if name in value}
    workflow = value.get("workflow")
    sql = value.get("sqlQuery") or (workflow.get("sqlQuery") if isinstance(workflow, dict) else None)
    if sql is not None:
        echo["sqlQuery"] = sql
    return echo


def parse_page(body: bytes) -> Page | None:
    """One page of a listing; None when it is not readable."""
    value = json_object(body)
    rows = value.get("executions") if value is not None else None
    if value is None or not isinstance(rows, list):
        return None
    entries = [entry_of(row) if isinstance(row, dict) else None for row in rows]
    token = value.get("nextToken")
    found = tuple(entry for entry in entries if entry is not None)
    return Page(found, token if isinstance(token, str) and token else None, len(entries) - len(found))


def output_columns(entry: Entry) -> tuple[OutputColumn, ...]:
    """The output columns of a finished execution, as far as AMC tells them."""
    columns = entry.echo.get("outputColumns")
    rows = [one for one in columns if isinstance(one, dict)] if isinstance(columns, list) else []
    return tuple(OutputColumn(str(one.get("name", "")), str(one.get("dataType", ""))) for one in rows)


def parse_download_urls(body: bytes) -> tuple[str, ...] | None:
    """Where the parts of an output are, in order; None when the reply is not readable."""
    value = json_object(body)
    urls = value.get("downloadUrls") if value is not None else None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        return None
    return tuple(url for url in urls if isinstance(url, str))
