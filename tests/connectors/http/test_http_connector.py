"""The http connector: what counts as success, what is sent again and what never is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from http_world import Service, connected, new_request, running_service
from pydantic import ValidationError

from afield.connectors.base import (
    Accepted,
    CheckVerdict,
    CollectError,
    Entry,
    Intent,
    Known,
    LookQuery,
    Match,
    NotSent,
    RemoteState,
    Unknown,
)
from afield.connectors.http.client import patience
from afield.connectors.http.connector import HttpConnector
from afield.connectors.http.spec import HttpAddress, HttpSpec
from afield.errors import CredentialError
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.faults import Fault
from afield.testing.notes import MemoryNotes


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as service:
        yield service


def _known(intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=intent.key, submitted_at=intent.sent_after, key=intent.key),))


async def _done(connector: HttpConnector, intent: Intent) -> Entry:
    assert isinstance(await connector.submit(intent), Accepted)
    (entry,) = (await connector.look(_known(intent))).entries
    return entry


# --------------------------------------------------------------------------------------- answers


async def test_a_request_carries_its_headers_and_its_key(service: Service) -> None:
    artifacts = MemoryArtifacts()
    async with connected(service, secret={"Authorization": "Bearer s3cret"}) as connector:
        intent = new_request(headers={"X-Team": "ops"}, json_body={"a": [1]}, expected_body="forty")
        entry = await _done(connector, intent)
        output = await connector.collect(intent.key, artifacts.sink("out"))
    sent = service.requests[0].headers
    assert (sent["Authorization"], sent["X-Team"]) == ("Bearer s3cret", "ops")
    assert sent["Idempotency-Key"] == f"afield-{intent.execution_id.hex}"
    assert service.bodies == ['{"a":[1]}']
    assert (entry.state, entry.status) == (RemoteState.SUCCEEDED, "200")
    assert artifacts.stored["out"] == b"forty-two"
    assert output.detail["status"] == 200
    assert "secret" not in str(output.detail), "cookies are not kept"


@pytest.mark.parametrize(
    ("path", "more", "state", "code"),
    [
        ("/status?code=500", {}, RemoteState.FAILED, "status_500"),
        ("/status?code=404", {"expected_status": [404]}, RemoteState.SUCCEEDED, ""),
        ("/status?code=204", {"expected_status": [200]}, RemoteState.FAILED, "status_204"),
        ("/things", {"expected_body": "forty-three"}, RemoteState.FAILED, "body_not_expected"),
        ("/moved", {}, RemoteState.FAILED, "status_302"),
        ("/status?code=401", {"expected_status": [401]}, RemoteState.SUCCEEDED, ""),
    ],
)
async def test_what_counts_as_success(
    service: Service, path: str, more: JsonObject, state: RemoteState, code: str
) -> None:
    async with connected(service) as connector:
        entry = await _done(connector, new_request("GET", path, **more))
    assert (entry.state, entry.reason.code if entry.reason else "") == (state, code)
    assert len(service.requests) == 1, "nothing is followed"


async def test_a_large_answer_is_cut_and_said_to_be(service: Service) -> None:
    async with connected(service) as connector:
        intent = new_request("GET", "/large")
        await _done(connector, intent)
        output = await connector.collect(intent.key, MemoryArtifacts().sink("out"))
    assert (output.size, output.detail["body_cut"]) == (1024 * 1024, True)


async def test_a_refused_credential_is_for_a_person(service: Service) -> None:
    notes = MemoryNotes()
    async with connected(service, notes) as connector:
        with pytest.raises(CredentialError):
            await connector.submit(new_request("GET", "/status?code=401"))
    assert notes.kept == {}


# --------------------------------------------------------------------------------------- no answer


async def test_an_answer_outlives_its_worker(service: Service) -> None:
    notes, intent = MemoryNotes(), new_request()
    async with connected(service, notes) as connector:
        await connector.submit(intent)
    async with connected(service, notes) as another:
        assert isinstance(await another.submit(intent), Accepted), "it is not sent again"
        (entry,) = (await another.look(LookQuery(doubts=(intent,)))).entries
        assert another.match(intent, entry) is Match.EXACT
        await another.release(intent)
        with pytest.raises(CollectError) as caught:
            await another.collect(intent.key, MemoryArtifacts().sink("out"))
    assert caught.value.final
    assert (len(service.requests), notes.kept) == (1, {})


async def test_a_request_that_may_have_acted_waits_for_a_person(service: Service) -> None:
    notes, intent = MemoryNotes(), new_request("POST")
    service.faults.arm(Fault.REPLY_LOST)
    async with connected(service, notes) as connector:
        assert isinstance(await connector.submit(intent), Unknown)
        assert isinstance(await connector.submit(intent), Unknown), "never sent again by itself"
        (entry,) = (await connector.look(LookQuery(doubts=(intent,)))).entries
        assert connector.match(intent, entry) is Match.POSSIBLE
        (adopted,) = (await connector.look(_known(intent))).entries
    assert (adopted.state, adopted.reason.code if adopted.reason else "") == (RemoteState.FAILED, "answer_lost")
    assert len(service.requests) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_a_request_that_does_no_harm_is_not_in_doubt(service: Service, method: str) -> None:
    notes, intent = MemoryNotes(), new_request(method)
    service.faults.arm(Fault.REPLY_LOST)
    async with connected(service, notes) as connector:
        assert isinstance(await connector.submit(intent), NotSent)
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
    assert (snapshot.complete, snapshot.entries, notes.kept) == (True, (), {})


@pytest.mark.parametrize(("method", "answer"), [("GET", Accepted), ("POST", Unknown)])
async def test_an_answer_that_takes_too_long(service: Service, method: str, answer: type) -> None:
    async with connected(service) as connector:
        intent = new_request(method, "/never", timeout_s=0.2)
        assert isinstance(await connector.submit(intent), answer)
        if answer is Accepted:
            (entry,) = (await connector.look(_known(intent))).entries
            assert entry.state is RemoteState.TIMED_OUT


async def test_nobody_there_and_too_old_are_not_sent() -> None:
    async with running_service() as service:
        pass
    notes = MemoryNotes()
    async with connected(service, notes) as connector:
        gone, old = await connector.submit(new_request()), await connector.submit(new_request(age=3600))
    assert isinstance(gone, NotSent)
    assert isinstance(old, NotSent)
    assert (gone.reason.code, old.reason.code, notes.kept) == ("no_connection", "held_back", {})


# --------------------------------------------------------------------------------------- input


@pytest.mark.parametrize(
    "bad",
    [
        {"path": "//evil.example/x"},
        {"path": "https://evil.example/x"},
        {"path": "/../admin"},
        {"path": "/a/%2e%2e/%2e%2E/b"},
        {"path": "/a b"},
        {"path": "/a\r\nHost: evil"},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"idempotency-key": "mine"}},
        {"body": "x", "json_body": 1},
        {"expected_status": [99]},
    ],
)
def test_a_request_stays_where_the_target_is(bad: JsonObject) -> None:
    with pytest.raises(ValidationError):
        HttpSpec.model_validate({"method": "GET", "path": "/"} | bad)


@pytest.mark.parametrize("url", ["ftp://host", "http://host.example", "https://user:pass" + chr(64) + "host", "/x"])
def test_an_address_is_a_safe_url(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpAddress(base_url=url)


def test_patience_is_read_both_ways() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert patience("7", now) == timedelta(seconds=7)
    assert patience("Thu, 01 Jan 2026 00:01:00 GMT", now) == timedelta(minutes=1)
    assert (patience("99999", now), patience("soon", now), patience(None, now)) == (timedelta(hours=1), None, None)


# --------------------------------------------------------------------------------------- diagnosing


async def test_the_ladder(service: Service) -> None:
    async def climb(**address: str) -> list[CheckVerdict]:
        async with connected(service, **address) as connector:
            return [(await check.probe()).verdict for check in connector.ladder()]

    ok, fail = CheckVerdict.OK, CheckVerdict.FAIL
    assert await climb() == [ok, CheckVerdict.SKIPPED]
    assert service.requests == []
    assert await climb(health_path="/things") == [ok, ok]
    assert await climb(health_path="/status?code=503") == [ok, fail]
    async with running_service() as gone:
        pass
    assert (await climb(base_url=gone.url))[0] is fail
