"""Requests built and replies read, on tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afield.connectors.amc import outcome
from afield.connectors.amc.answer import (
    Failed,
    Reply,
    Trouble,
    error_text,
    parse_retry_after,
    reason,
    says_absent,
)
from afield.connectors.amc.redaction import MAX_TEXT, clean
from afield.connectors.amc.remote_clock import RemoteClock
from afield.connectors.amc.spec import AmcSpec, AttemptName
from afield.connectors.amc.wire import (
    OutputColumn,
    build_execution,
    build_saved_workflow,
    build_workflow,
    entry_of,
    listing_query,
    output_columns,
    parse_download_urls,
    parse_execution,
    parse_page,
    parse_time,
    workflow_listing_query,
)
from afield.connectors.base import Accepted, NotSent, Refused, RemoteState, Unknown

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
RECORDED: dict[str, Any] = {
    "createTime": "2025-03-01T03:11:52Z",
    "lastUpdatedTime": "2025-03-01T03:14:42Z",
    "executionTime": 55,
    "parameterValues": {},
    "status": "SUCCEEDED",
    "timeWindowStart": "2025-01-20T05:00:00Z",
    "timeWindowStartOriginal": "2025-01-20T00:00:00",
    "timeWindowEndOriginal": "2025-01-25T00:00:00",
    "timeWindowTimeZoneOriginal": "America/New_York",
    "workflowExecutionId": "0b0e2c6e-6f2f-4bbf-9c2f-0d2f1a0b7c11",
    "workflowExecutionTimeoutSeconds": 21600,
    "workflowId": "my-workflow",
    "outputColumns": [{"columnType": "DIMENSION", "dataType": "STRING", "name": "campaign"}],
}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


# --------------------------------------------------------------------------------------- requests


def test_a_full_request() -> None:
    spec = AmcSpec.model_validate(
        {
            "sql_query": " SELECT 1 ",
            "time_window": {
                "type": "EXPLICIT",
                "start": "2025-01-20T00:00:00Z",
                "end": "2025-01-25T00:00:00",
            },
            "parameter_values": {"day": 7, "list": ["a", "b"], "flag": True},
            "input_parameters": [{"name": "day", "data_type": "INTEGER", "default_value": "1", "description": "d"}],
            "timeout_seconds": 900,
            "dry_run": True,
            "privacy_filter": "REMOVE_VALUES",
            "advertisers": [{"id": "1", "type": "SAS", "marketplace_id": "M"}],
        }
    )
    assert build_saved_workflow(spec, "key") == {
        "workflowId": "key",
        "sqlQuery": "SELECT 1",
        "inputParameters": [
            {"name": "day", "dataType": "INTEGER", "columnType": "DIMENSION", "description": "d", "defaultValue": "1"},
            {"name": "list", "dataType": "STRING", "columnType": "DIMENSION"},
            {"name": "flag", "dataType": "STRING", "columnType": "DIMENSION"},
        ],
        "privacyFilteringBehavior": "REMOVE_VALUES",
    }
    assert build_execution(spec, "key", AttemptName.SAVED_WORKFLOW, "tag") == {
        "workflowId": "key",
        "timeWindowType": "EXPLICIT",
        "timeWindowStart": "2025-01-20T00:00:00",
        "timeWindowEnd": "2025-01-25T00:00:00",
        "timeWindowTimeZone": "UTC",
        "parameterValues": {"day": "7", "list": ["a", "b"], "flag": "true"},
        "workflowExecutionTimeoutSeconds": 900,
        "dryRun": True,
        "advertisers": [{"id": "1", "type": "SAS", "marketplaceId": "M"}],
    }


def test_what_amc_does_anyway_is_left_out() -> None:
    spec = AmcSpec(sql_query="SELECT 1")
    assert build_workflow(spec) == {"sqlQuery": "SELECT 1"}
    window = {"timeWindowType": "MOST_RECENT_DAY", "timeWindowTimeZone": "UTC"}
    assert build_execution(spec, "key", AttemptName.SAVED_WORKFLOW, None) == {"workflowId": "key"} | window
    ad_hoc = build_execution(spec, "key", AttemptName.AD_HOC_WORKFLOW_ID, "tag")
    assert ad_hoc == {"workflow": {"workflowId": "key", "sqlQuery": "SELECT 1"}} | window
    tagged = build_execution(spec, "key", AttemptName.ECHOED_VALUES, "tag")
    declared = [{"name": "tag", "dataType": "STRING", "columnType": "DIMENSION"}]
    assert (
        tagged
        == {
            "workflow": {"sqlQuery": "SELECT 1", "inputParameters": declared},
            "parameterValues": {"tag": "key"},
        }
        | window
    )
    assert (
        build_execution(spec, "key", AttemptName.ECHOED_VALUES, None) == {"workflow": {"sqlQuery": "SELECT 1"}} | window
    )


def test_a_listing_is_oldest_first_bounded_and_with_the_cancelled() -> None:
    until = NOW + timedelta(milliseconds=1)
    assert listing_query(NOW + timedelta(milliseconds=999), until, with_sql=True) == {
        "minCreationTime": "2025-03-01T12:00:00",
        "maxCreationTime": "2025-03-01T12:00:01",
        "sortAscending": "true",
        "includeCancelled": "true",
        "includeWorkflow": "true",
        "limit": "100",
    }
    query = workflow_listing_query("w")
    assert (query["workflowId"], query["includeCancelled"]) == ("w", "true")


# --------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize("value", [RECORDED, {"workflowExecution": RECORDED}])
def test_a_recorded_reply_flat_and_wrapped(value: object) -> None:
    entry = parse_execution(body(value))
    assert entry is not None
    assert (entry.handle, entry.name) == (RECORDED["workflowExecutionId"], "my-workflow")
    assert (entry.status, entry.state) == ("SUCCEEDED", RemoteState.SUCCEEDED)
    assert entry.created_at == datetime(2025, 3, 1, 3, 11, 52, tzinfo=UTC)
    assert entry.finished_at == datetime(2025, 3, 1, 3, 14, 42, tzinfo=UTC)
    assert entry.echo["timeWindowStartOriginal"] == "2025-01-20T00:00:00"
    assert output_columns(entry) == (OutputColumn("campaign", "STRING"),)


@pytest.mark.parametrize(
    ("status", "state", "ended"),
    [
        ("PENDING", RemoteState.WAITING, False),
        ("RUNNING", RemoteState.RUNNING, False),
        ("PUBLISHING", RemoteState.RUNNING, False),
        ("SUCCEEDED", RemoteState.SUCCEEDED, True),
        ("FAILED", RemoteState.FAILED, True),
        ("CANCELLED", RemoteState.CANCELLED, True),
        ("REJECTED", RemoteState.REJECTED, True),
        ("succeeded", RemoteState.UNKNOWN, False),
        ("ON_HOLD", RemoteState.UNKNOWN, False),
        (None, RemoteState.UNKNOWN, False),
    ],
)
def test_states(status: str | None, state: RemoteState, ended: bool) -> None:
    entry = entry_of(RECORDED | {"status": status})
    assert entry is not None
    assert (entry.status, entry.state, entry.finished_at is not None) == (status or "", state, ended)


def test_a_status_reason_is_told_without_secrets() -> None:
    entry = entry_of(RECORDED | {"status": "REJECTED", "statusReason": "no\nway, Atza|abc"})
    assert entry is not None and entry.reason is not None
    assert (entry.reason.code, entry.reason.text) == ("amc_rejected", "no way, [redacted]")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"null", b'{"workflowExecutionId":"', b'{"workflowExecutionId":7}']
)
def test_an_unreadable_execution(content: bytes) -> None:
    assert parse_execution(content) is None


def test_pages() -> None:
    page = parse_page(body({"executions": [RECORDED, {}, 3], "nextToken": "n"}))
    assert page is not None
    assert ([entry.handle for entry in page.entries], page.next_token, page.unreadable) == (
        [RECORDED["workflowExecutionId"]],
        "n",
        2,
    )
    last = parse_page(body({"executions": [], "nextToken": ""}))
    assert last is not None and last.next_token is None
    assert parse_page(b"{}") is parse_page(b"<html>") is parse_page(body({"executions": {}})) is None


def test_download_urls() -> None:
    assert parse_download_urls(body({"downloadUrls": ["a", "b"], "metadataDownloadUrls": ["c"]})) == ("a", "b")
    assert parse_download_urls(b"{}") is parse_download_urls(body({"downloadUrls": [1]})) is None


@pytest.mark.parametrize("text", [None, 3, "", "soon", "2025-13-01T00:00:00Z"])
def test_no_time(text: Any) -> None:
    assert parse_time(text) is None


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (body({"code": "400", "details": "d", "message": "m"}), "d"),
        (body({"message": "Endpoint request timed out"}), "Endpoint request timed out"),
        (body({"details": " ", "message": "m"}), "m"),
        (b"<html>\n bad   gateway", "<html> bad gateway"),
        (b"\xff\x00", "\ufffd?"),
        (b"", ""),
    ],
)
def test_error_texts(content: bytes, text: str) -> None:
    assert error_text(Reply(400, content)) == text


def test_an_error_text_is_cut() -> None:
    assert len(error_text(Reply(500, b"x" * 100_000))) == MAX_TEXT


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("token Atza|IwEB-aa/b+c= rest", "IwEB"),
        ("Atzr|IwEB.x", "IwEB"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ('{"client_secret": "hush", "a": 1}', "hush"),
        ("grant_type=x&refresh_token=hush&y=1", "hush"),
        ('{"access_token":"hush"}', "hush"),
        ("https://s3/x?X-Amz-Signature=hush&X-Amz-Expires=600", "hush"),
        ("https://s3/x?X-Amz-Credential=hush%2F2025", "hush"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in clean(text) and "[redacted]" in clean(text)


@pytest.mark.parametrize(
    ("status", "content", "absent"),
    [
        (400, {"code": "400", "details": "Workflow execution with ID e1 does not exist."}, True),
        (404, {"code": "404", "details": "Workflow execution with ID e1 does not exist."}, True),
        (404, {"code": "404", "details": "Not found"}, True),
        (404, {"message": "e1 not found"}, True),
        (404, {"message": "Not Found"}, False),
        (404, {}, False),
        (400, {"code": "400", "details": "Invalid request"}, False),
        (403, {"code": "403", "details": "e1 does not exist"}, False),
        (500, {"code": "500", "details": "e1 does not exist"}, False),
    ],
)
def test_what_denies_existence(status: int, content: object, absent: bool) -> None:
    assert says_absent(Reply(status, body(content)), "e1") is absent


def test_reasons_name_the_request() -> None:
    why = reason(Reply(403, body({"details": "Unauthorized request."}), "RID1"), "The listing")
    assert (why.code, why.text) == (
        "forbidden",
        "The listing: AMC answered 403: Unauthorized request. (request RID1)",
    )
    assert reason(Reply(302, b""), "x").code == "unexpected_reply"
    assert reason(Failed(Trouble.NO_REPLY, "cut"), "x").code == "no_reply"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("7", 7),
        ("1.5", 1.5),
        ("inf", 3600),
        ("999999999999", 3600),
        ("Sat, 01 Mar 2025 12:00:30 GMT", 30),
        ("Sat, 01 Mar 2025 11:00:00 GMT", 0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == (None if seconds is None else timedelta(seconds=seconds))


# --------------------------------------------------------------------------------------- outcomes

ACCEPTED = body(RECORDED)
NO = body({"code": "x", "details": "no"})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        *[(Reply(status, ACCEPTED), Accepted) for status in (200, 201, 202)],
        *[(Reply(status, content), Unknown) for status in (200, 202) for content in (b"", b"{}", b"<html>", b'{"wo')],
        *[(Reply(status, NO), Refused) for status in (400, 401, 403, 404, 415, 422)],
        *[(Reply(status, NO), Unknown) for status in (302, 408, 409, 425, 429, 500, 502, 503, 504, 599)],
        (Failed(Trouble.NO_REPLY, "x"), Unknown),
        (Failed(Trouble.NOT_CONNECTED, "x"), NotSent),
        (Failed(Trouble.NO_TOKEN, "x"), NotSent),
    ],
)
def test_what_a_reply_to_the_start_proves(answer: Reply | Failed, kind: type) -> None:
    assert type(outcome.of_execution(answer)) is kind


@pytest.mark.parametrize(
    ("answer", "proves"),
    [
        (Reply(200, b"{}"), outcome.Naming.CREATED),
        (Reply(200, b""), outcome.Naming.CREATED),
        (Reply(400, body({"message": "Workflow with ID k already exists."})), outcome.Naming.TAKEN),
        (Reply(409, body({"details": "Workflow with ID k already exists."})), outcome.Naming.TAKEN),
        (Reply(400, NO), Refused),
        (Reply(422, NO), Refused),
        (Reply(429, b"", retry_after=timedelta(seconds=3)), NotSent),
        (Reply(504, b""), NotSent),
        (Reply(302, b""), NotSent),
        *[(Failed(trouble, "x"), NotSent) for trouble in Trouble],
    ],
)
def test_what_a_reply_to_saving_the_workflow_proves(answer: Reply | Failed, proves: object) -> None:
    got = outcome.of_workflow(answer)
    assert got is proves or type(got) is proves


# --------------------------------------------------------------------------------------- the clock


def test_the_remote_clock_is_learned_and_does_not_jitter() -> None:
    clock = RemoteClock()
    assert clock.offset is None and clock.there(NOW) == NOW
    clock.learn("nonsense", NOW)
    assert clock.offset is None
    clock.learn("Sat, 01 Mar 2025 12:00:01 GMT", NOW)
    assert clock.offset == timedelta()
    clock.learn("Sat, 01 Mar 2025 12:05:00 GMT", NOW)
    assert clock.offset == timedelta(minutes=5, seconds=0.5)
    clock.learn("Sat, 01 Mar 2025 12:05:01 GMT", NOW)
    assert clock.there(NOW) == NOW + timedelta(minutes=5, seconds=0.5)
