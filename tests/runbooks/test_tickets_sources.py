"""Senders' formats, signatures and files: recorded shapes in, tickets out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from afield.errors import InvalidInputError
from afield.runbooks.tickets.csv_import import read_csv
from afield.runbooks.tickets.mapping import read
from afield.runbooks.tickets.model import SourceKind, TicketStatus
from afield.runbooks.tickets.signatures import SignatureError, sign, verify
from afield.runbooks.tickets.sources import READERS
from afield.runbooks.tickets.write_back import check_url

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECRET = "a secret of the sender"
BODY = b'{"a":1}'
ALERTS = {
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "status": "firing",
    "receiver": "afield",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "web-01:9100", "severity": "critical"},
            "annotations": {"summary": "Disk is 97 % full", "description": "on /var"},
            "startsAt": "2026-01-02T00:00:00Z",
            "fingerprint": "c0ffee",
        },
        {"status": "resolved", "labels": {"alertname": "Down", "host": "db-01"}, "fingerprint": "beef"},
    ],
}
INCIDENT = {
    "event": {
        "id": "01",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-01-02T00:00:00Z",
        "data": {
            "id": "PGR0VU2",
            "type": "incident",
            "number": 2,
            "status": "triggered",
            "title": "Disk full on web-01",
            "service": {"id": "PF9KMXH", "summary": "Shop"},
            "urgency": "high",
            "priority": {"summary": "P1"},
        },
    }
}


def test_every_alert_of_a_group_is_a_ticket() -> None:
    disk, down = READERS[SourceKind.ALERTMANAGER](ALERTS, {})
    assert (disk.external_id, disk.title, disk.ci_name) == ("c0ffee", "Disk is 97 % full", "web-01")
    assert (disk.severity, disk.status) == ("critical", TicketStatus.OPEN)
    assert (down.title, down.status, down.ci_name) == ("Down", TicketStatus.RESOLVED, "db-01")


def test_an_incident_is_a_ticket_and_a_ping_is_none() -> None:
    (ticket,) = READERS[SourceKind.PAGERDUTY](INCIDENT, {})
    assert (ticket.external_id, ticket.title, ticket.severity) == ("PGR0VU2", "Disk full on web-01", "P1")
    ping = {"event": {"event_type": "pagey.ping", "data": {"message": "hello"}}}
    assert READERS[SourceKind.PAGERDUTY](ping, {}) == []


def test_a_monitor_that_recovered_is_resolved() -> None:
    sent = {"alert_id": 77, "title": "Disk", "transition": "Recovered", "hostname": "web-01"}
    (ticket,) = READERS[SourceKind.DATADOG](sent, {})
    assert (ticket.external_id, ticket.status, ticket.ci_name) == ("77", TicketStatus.RESOLVED, "web-01")


def test_a_mapping_finds_fields_anywhere() -> None:
    body = {"result": [{"number": "INC1", "short": "Disk", "ci": {"name": "web-01"}, "p": 1}]}
    mapping = {
        "items": "result",
        "external_id": "number",
        "title": "P{p}: {short}",
        "ci_name": "ci.name",
    }
    (ticket,) = read(body, mapping)  # type: ignore[arg-type]
    assert (ticket.external_id, ticket.title, ticket.ci_name) == ("INC1", "P1: Disk", "web-01")
    assert ticket.fields == body["result"][0]


@pytest.mark.parametrize(
    ("body", "mapping", "problem"),
    [
        ({"title": "x"}, {}, "has no external_id"),
        ({"external_id": "1"}, {}, "has no title"),
        ({}, {"colour": "x"}, "has no field colour"),
        ({}, {"title": 7}, "mapping of title is not a path"),
        ({}, {"items": "result"}, "no list at 'result'"),
        ({"external_id": "x" * 300, "title": "t"}, {}, "longer than 256"),
    ],
)
def test_what_cannot_be_a_ticket_is_refused(body: object, mapping: object, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read(body, mapping)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(SourceKind))
def test_a_delivery_without_a_signature_is_refused(kind: SourceKind) -> None:
    with pytest.raises(SignatureError):
        verify(kind, SECRET, {}, BODY, NOW)


def _pagerduty(secret: str) -> str:
    return "v1=" + hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        (SourceKind.GENERIC, {"x-afield-signature": sign(SECRET, BODY, NOW - timedelta(minutes=4))}),
        (SourceKind.PAGERDUTY, {"x-pagerduty-signature": f"{_pagerduty('older')},{_pagerduty(SECRET)}"}),
        (SourceKind.ALERTMANAGER, {"authorization": f"Bearer {SECRET}"}),
        (SourceKind.ALERTMANAGER, {"authorization": "Basic " + base64.b64encode(f"am:{SECRET}".encode()).decode()}),
        (SourceKind.DATADOG, {"x-afield-token": SECRET}),
    ],
)
def test_what_is_signed_is_let_in_and_nothing_like_it(kind: SourceKind, headers: dict[str, str]) -> None:
    verify(kind, SECRET, headers, BODY, NOW)
    with pytest.raises(SignatureError):
        verify(kind, "another secret", headers, BODY, NOW)
    if kind in {SourceKind.GENERIC, SourceKind.PAGERDUTY}:
        with pytest.raises(SignatureError):
            verify(kind, SECRET, headers, BODY + b" ", NOW)


@pytest.mark.parametrize("value", ["", "t=,v1=00", "t=99999999999999,v1=0", "v1=00", "t=x,v1=y", "=,="])
def test_a_strange_signature_is_refused(value: str) -> None:
    with pytest.raises(SignatureError):
        verify(SourceKind.GENERIC, SECRET, {"x-afield-signature": value}, BODY, NOW)


def test_an_old_delivery_cannot_be_sent_again() -> None:
    headers = {"x-afield-signature": sign(SECRET, BODY, NOW - timedelta(minutes=6))}
    with pytest.raises(SignatureError, match="too long ago"):
        verify(SourceKind.GENERIC, SECRET, headers, BODY, NOW)


def test_a_file_is_read_by_its_header() -> None:
    text = '\ufeffNumber,Short Description,State,Host,Owner\nINC1,"Disk, full",Resolved,web-01,ada\nINC2,Down,,,\n'
    imported = read_csv(text)
    first, second = imported.tickets
    assert (first.external_id, first.title, first.status) == ("INC1", "Disk, full", TicketStatus.RESOLVED)
    assert (first.ci_name, first.fields) == ("web-01", {"Owner": "ada"})
    assert (second.ci_name, imported.bad) == (None, ())


def test_bad_rows_are_told_with_their_lines() -> None:
    imported = read_csv("id,title\n1,one\n,two\n1,again\n4\n5,five\n")
    assert [ticket.external_id for ticket in imported.tickets] == ["1", "5"]
    assert [bad.line for bad in imported.bad] == [3, 4, 5]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", 'id,title\n1,"open\n'])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_csv(text)


@pytest.mark.parametrize(
    "url", ["http://shop.example/x", "ftp://x", "https://", "https://u:p" + chr(64) + "x.example/"]
)
def test_only_safe_addresses_are_told(url: str) -> None:
    with pytest.raises(InvalidInputError):
        check_url(url)
    assert check_url("https://desk.example/hook")
    assert check_url("http://127.0.0.1:8080/hook")


def test_bodies_survive_the_wire() -> None:
    assert READERS[SourceKind.ALERTMANAGER](orjson.loads(orjson.dumps(ALERTS)), {})
