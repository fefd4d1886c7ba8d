"""Addresses and specs: what is accepted, and what is refused with which word, before anything is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from amc_world import new_intent

from afield.connectors.amc.connector import AmcConnector
from afield.connectors.amc.match import Matcher
from afield.connectors.amc.spec import AmcSpec, AttemptName
from afield.connectors.base import Entry, Match, RemoteState
from afield.connectors.registry import check_address, check_spec, connector_class
from afield.errors import InvalidInputError
from afield.model.ids import attempt_key, uuid7

PLACE = {"instance_id": "amcabc12345", "entity_id": "ENTITY1", "marketplace_id": "ATVPDKIKX0DER"}


def test_the_connector_is_found_by_its_name() -> None:
    assert connector_class("amc") is AmcConnector
    abilities = AmcConnector.abilities
    assert abilities.batch_look and abilities.cancel and abilities.caller_chosen_name
    assert abilities.limits.max_live == 10


@pytest.mark.parametrize(
    ("region", "host", "token"),
    [
        ("NA", "advertising-api.amazon.com", "api.amazon.com"),
        ("EU", "advertising-api-eu.amazon.com", "api.amazon.co.uk"),
        ("FE", "advertising-api-fe.amazon.com", "api.amazon.co.jp"),
    ],
)
def test_hosts_come_from_the_region(region: str, host: str, token: str) -> None:
    address = check_address("amc", {**PLACE, "region": region})
    assert (address["base_url"], address["token_url"]) == (f"https://{host}", f"https://{token}/auth/o2/token")
    assert (address["attempt_name"], address["keep_attempt_workflows"]) == ("saved_workflow", False)
    assert check_address("amc", address) == address


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"instance_id": "../x"}, "instance_id"),
        ({"region": "MARS"}, "region"),
        ({"region": ["NA"]}, "region"),
        ({"base_url": "http://amc.example.com"}, "https"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "https://user:secret@x"}, "user name"),
        ({"token_url": "nonsense"}, "token_url"),
        ({"attempt_name": "guess"}, "attempt_name"),
        ({"instance": "x"}, "instance"),
    ],
)
def test_bad_addresses(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        check_address("amc", {**PLACE, **changes})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "http://sim:8080/", "https://x.example"]
)
def test_plain_http_stays_in_the_house(url: str) -> None:
    assert check_address("amc", {**PLACE, "base_url": url})["base_url"] == url.rstrip("/")


def window(**fields: Any) -> dict[str, Any]:
    return {"sql_query": "SELECT 1", "time_window": {"type": "EXPLICIT"} | fields}


DAYS = {"start": "2025-01-20T00:00:00", "end": "2025-01-21T00:00:00"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "sql_query"),
        ({"sql_query": "  "}, "sql_query"),
        ({"sql_query": "SELECT 1", "sql": "x"}, "sql"),
        (window(), "needs start and end"),
        (window(start=DAYS["start"]), "needs start and end"),
        (window(start="2025-01-20", end="2025-01-21"), "must look like"),
        (window(start="2025-01-20T00:00:00+01:00", end=DAYS["end"]), "must look like"),
        (window(start="2025-01-20T00:00:00.5", end=DAYS["end"]), "must look like"),
        (window(start="2025-02-30T00:00:00", end=DAYS["end"]), "day is out of range"),
        (window(start=DAYS["end"], end=DAYS["start"]), "end must be after start"),
        (window(**DAYS, time_zone="Mars/Olympus"), "IANA"),
        (window(start=DAYS["start"] + "Z", end=DAYS["end"], time_zone="Europe/Paris"), "trailing Z"),
        (window(**DAYS, type="CURRENT_MONTH"), "need the type EXPLICIT"),
        ({"sql_query": "SELECT 1", "timeout_seconds": 899}, "timeout_seconds"),
        ({"sql_query": "SELECT 1", "timeout_seconds": 86401}, "timeout_seconds"),
        ({"sql_query": "SELECT 1", "parameter_values": {"a b": "x"}}, "parameter_values"),
        ({"sql_query": "SELECT 1", "parameter_values": {"a": {"b": 1}}}, "parameter_values"),
    ],
)
def test_bad_specs(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        check_spec("amc", spec)


def test_a_trailing_z_is_dropped_where_it_says_nothing_new() -> None:
    spec: Any = check_spec("amc", window(start=DAYS["start"] + "Z", end=DAYS["end"] + "Z"))
    assert (spec["time_window"]["start"], spec["time_window"]["end"]) == (DAYS["start"], DAYS["end"])
    assert check_spec("amc", spec) == spec


# --------------------------------------------------------------------------------------- match

SPEC = AmcSpec.model_validate(window(**DAYS) | {"parameter_values": {"p": "1"}, "timeout_seconds": 900}).model_dump(
    mode="json"
)
SENT = datetime(2025, 3, 1, 12, tzinfo=UTC)
INTENT = new_intent(SPEC, sent_after=SENT, sent_before=SENT + timedelta(seconds=10))
ECHO = {
    "timeWindowStartOriginal": DAYS["start"],
    "timeWindowEndOriginal": DAYS["end"],
    "timeWindowTimeZoneOriginal": "UTC",
    "parameterValues": {"p": "1"},
    "workflowExecutionTimeoutSeconds": 900,
    "sqlQuery": "SELECT  1",
}


def entry(*, name: str | None = "transient_1", created: datetime | None = SENT, **echo: Any) -> Entry:
    values = {key: value for key, value in (ECHO | echo).items() if value is not None}
    return Entry(handle="h", status="RUNNING", state=RemoteState.RUNNING, created_at=created, name=name, echo=values)


def matched(one: Entry, mode: AttemptName, run_tag: str | None = None) -> Match:
    return Matcher(mode, run_tag, timedelta(minutes=5)).match(INTENT, one)


@pytest.mark.parametrize("mode", AttemptName)
def test_our_name_is_exact_and_the_name_of_another_attempt_is_not(mode: AttemptName) -> None:
    assert matched(entry(name=INTENT.key, created=None), mode) is Match.EXACT
    assert matched(entry(name=attempt_key(uuid7(), 1)), mode) is Match.NO
    assert matched(entry(name=attempt_key(INTENT.execution_id, 2)), mode) is Match.NO


def test_with_saved_workflows_nothing_but_the_name_counts() -> None:
    assert matched(entry(), AttemptName.SAVED_WORKFLOW) is Match.NO


@pytest.mark.parametrize("mode", [AttemptName.AD_HOC_WORKFLOW_ID, AttemptName.ECHOED_VALUES])
@pytest.mark.parametrize(
    ("one", "match"),
    [
        (entry(), Match.POSSIBLE),
        (entry(name=None), Match.POSSIBLE),
        (entry(name="somebody-elses"), Match.POSSIBLE),
        (entry(created=None), Match.POSSIBLE),
        (entry(created=SENT - timedelta(minutes=5)), Match.POSSIBLE),
        (entry(created=SENT + timedelta(minutes=5, seconds=10)), Match.POSSIBLE),
        (entry(created=SENT - timedelta(minutes=6)), Match.NO),
        (entry(created=SENT + timedelta(minutes=6)), Match.NO),
        (entry(sqlQuery="SELECT 2"), Match.NO),
        (entry(sqlQuery=None), Match.POSSIBLE),
        (entry(timeWindowStartOriginal="2025-01-19T00:00:00"), Match.NO),
        (entry(timeWindowStartOriginal=DAYS["start"] + "Z"), Match.POSSIBLE),
        (entry(timeWindowEndOriginal=None), Match.POSSIBLE),
        (entry(timeWindowTimeZoneOriginal="Europe/Paris"), Match.NO),
        (entry(parameterValues={"p": "2"}), Match.NO),
        (entry(parameterValues={}), Match.POSSIBLE),
        (entry(parameterValues=None), Match.POSSIBLE),
        (entry(workflowExecutionTimeoutSeconds="900"), Match.POSSIBLE),
        (entry(workflowExecutionTimeoutSeconds=901), Match.NO),
    ],
)
def test_what_is_echoed_is_compared(mode: AttemptName, one: Entry, match: Match) -> None:
    assert matched(one, mode) is match


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"p": "1", "tag": INTENT.key}, Match.EXACT),
        ({"p": "1", "tag": "another"}, Match.NO),
        ({"p": "1"}, Match.POSSIBLE),
    ],
)
def test_a_run_tag(values: dict[str, str], match: Match) -> None:
    assert matched(entry(parameterValues=values), AttemptName.ECHOED_VALUES, "tag") is match
