"""Executions over HTTP: recording, idempotency, lists, filters, output, cancel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from web_world import Web, a_remote, a_target, serving, working

from afield.api.app import create_app
from afield.config import Settings
from afield.kernel import Kernel
from afield.model.ids import uuid7
from afield.testing.remote import MemoryRemote

PATH = "/api/v1/executions"


@pytest.fixture
async def target(kernel: Kernel, remote: MemoryRemote) -> str:
    return await a_target(kernel, remote)


def order(**more: Any) -> dict[str, Any]:
    return {"target": "north", "spec": {"seconds": 0, "prints": "a,b\n1,2\n"}, **more}


async def test_a_recorded_execution_is_shown_whole(web: Web, target: str) -> None:
    made = await web.post(PATH, order(labels={"user_email": "ann@example.com"}, timeout_s=60))
    assert made.status == 201
    assert made.headers["location"] == f"{PATH}/{made.json['id']}"
    shown = (await web.get(f"{PATH}/{made.json['id']}")).json
    assert {**made.json, "attempts": []} == shown
    assert shown["target_id"] == target
    assert shown["state"] == "queued"
    assert shown["labels"] == {"user_email": "ann@example.com"}
    assert shown["spec"] == {"seconds": 0, "prints": "a,b\n1,2\n", "fails": False}
    assert UUID(shown["id"]).version == 7
    assert shown["created_at"].endswith("Z")
    assert datetime.fromisoformat(shown["created_at"]).tzinfo == UTC


async def test_the_same_key_records_once(web: Web, target: str) -> None:
    header = {"Idempotency-Key": "k1"}
    first = await web.post(PATH, order(), headers=header)
    again = await web.post(PATH, order(), headers=header)
    assert (first.status, again.status) == (201, 200)
    assert first.json["id"] == again.json["id"]
    assert len((await web.get(PATH)).json["items"]) == 1


async def test_the_same_key_with_another_body_is_a_conflict(web: Web, target: str) -> None:
    header = {"Idempotency-Key": "k1"}
    await web.post(PATH, order(), headers=header)
    for other in (order(spec={"seconds": 9}), order(labels={"a": "b"})):
        problem = await web.problem("POST", PATH, other, headers=header)
        assert (problem["status"], problem["code"]) == (409, "idempotency_key_reused")
        assert problem["hint"]


async def test_pages_neither_repeat_nor_miss(web: Web, target: str) -> None:
    made = [(await web.post(PATH, order())).json["id"] for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor:
        page = (await web.get(PATH, params={"limit": "3"} | ({"cursor": cursor} if cursor else {}))).json
        seen += [one["id"] for one in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert pages == 3
    assert seen == list(reversed(made))


async def test_filters_have_to_hold_together(web: Web, kernel: Kernel, target: str) -> None:
    other = a_remote()
    await a_target(kernel, other, "south")
    ann = (await web.post(PATH, order(labels={"who": "ann", "team": "x"}))).json
    ben = (await web.post(PATH, order(labels={"who": "ben", "team": "x"}))).json
    far = (await web.post(PATH, order(target="south", labels={"who": "ann"}))).json
    await web.post(f"{PATH}/{ben['id']}/cancel")

    async def found(**query: str) -> set[str]:
        return {one["id"] for one in (await web.get(PATH, params=query)).json["items"]}

    assert await found() == {ann["id"], ben["id"], far["id"]}
    assert await found(**{"label.who": "ann"}) == {ann["id"], far["id"]}
    assert await found(**{"label.who": "ann", "label.team": "x"}) == {ann["id"]}
    assert await found(target="south") == {far["id"]}
    assert await found(target=target, **{"label.who": "ann"}) == {ann["id"]}
    assert await found(state="running") == set()
    assert await found(state="queued", target="south") == {far["id"]}
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert await found(created_since=tomorrow) == set()
    assert len(await found(created_until=tomorrow)) == 3


async def test_a_misspelled_filter_does_not_show_everything(web: Web, target: str) -> None:
    problem = await web.problem("GET", PATH, params={"stat": "queued"})
    assert problem["status"] == 422
    assert "'stat'" in problem["detail"]


BAD_FILTERS = [
    ({"state": "sleeping"}, "query.state.0"),
    ({"limit": "0"}, "query.limit"),
    ({"limit": "1001"}, "query.limit"),
    ({"created_since": "2026-01-01T00:00:00"}, "query.created_since"),
]


async def test_bad_filters(web: Web) -> None:
    for query, field in BAD_FILTERS:
        problem = await web.problem("GET", PATH, params=query)
        assert (problem["status"], problem["code"]) == (422, "invalid_input")
        assert [one["field"] for one in problem["errors"]] == [field]
    problem = await web.problem("GET", PATH, params={"cursor": "nonsense"})
    assert (problem["status"], problem["code"]) == (422, "invalid_input")


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"spec": {}}, "body.target"),
    ({"target": "north"}, "body.spec"),
    ({"target": "north", "spec": {}, "colour": "red"}, "body.colour"),
    ({"target": "north", "spec": {}, "timeout_s": 0}, "body.timeout_s"),
    ({"target": "north", "spec": {}, "timeout_s": "NaN"}, "body.timeout_s"),
    ({"target": "north", "spec": {}, "labels": {"": "x"}}, "body.labels..[key]"),
    ({"target": "north", "spec": {}, "resubmit": "maybe"}, "body.resubmit"),
]
UNSTORABLE = ["a\0b", "\ud800"]


async def test_bad_bodies_are_refused_before_anything_is_recorded(web: Web, target: str) -> None:
    for body, field in BAD_BODIES:
        problem = await web.problem("POST", PATH, body)
        assert problem["status"] == 422
        assert [one["field"] for one in problem["errors"]] == [field]
    for text in UNSTORABLE:
        for body in (order(spec={"prints": text}), order(labels={"a": text}), order(labels={text: "a"})):
            assert (await web.problem("POST", PATH, body))["status"] == 422
    problem = await web.problem("POST", PATH, order(spec={"seconds": -1}))
    assert problem["status"] == 422
    assert "seconds" in problem["detail"]
    assert (await web.get(PATH)).json["items"] == []


async def test_an_unknown_target(web: Web) -> None:
    problem = await web.problem("POST", PATH, order())
    assert (problem["status"], problem["code"]) == (404, "not_found")


async def test_unknown_and_impossible_ids(web: Web) -> None:
    for suffix in ("", "/events", "/output"):
        assert (await web.problem("GET", f"{PATH}/{uuid4()}{suffix}"))["status"] == 404
        assert (await web.problem("GET", f"{PATH}/not-a-uuid{suffix}"))["status"] == 422


async def test_another_tenants_executions_are_not_there(kernel: Kernel, web: Web, target: str) -> None:
    made = (await web.post(PATH, order())).json
    async with serving(create_app(kernel, tenant_id=uuid7())) as stranger:
        assert (await stranger.get(PATH)).json["items"] == []
        for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/output"), ("POST", "/cancel")):
            assert (await stranger.problem(method, f"{PATH}/{made['id']}{path}"))["status"] == 404
        assert (await stranger.get("/api/v1/targets")).json["items"] == []
        assert (await stranger.problem("GET", f"/api/v1/targets/{target}"))["status"] == 404
        assert (await stranger.get("/api/v1/events")).json["items"] == []
        assert (await stranger.problem("POST", PATH, order()))["status"] == 404


# ------------------------------------------------------------------------------------------- the whole life


async def ended(web: Web, execution_id: str) -> dict[str, Any]:
    """Follow the events until the execution is complete."""
    async with web.session.get(f"{web.url}/api/v1/events/stream?after=0&execution={execution_id}") as stream:
        async for line in stream.content:
            if line.startswith(b"data:"):
                shown: dict[str, Any] = (await web.get(f"{PATH}/{execution_id}")).json
                if shown["complete"]:
                    return shown
    raise AssertionError("the stream ended")


async def test_followed_to_its_end_with_output(web: Web, settings: Settings, target: str) -> None:
    made = (await web.post(PATH, order())).json
    early = await web.problem("GET", f"{PATH}/{made['id']}/output")
    assert (early["status"], early["code"]) == (409, "conflict")
    async with working(settings):
        shown = await ended(web, made["id"])
    assert (shown["state"], shown["output_state"]) == ("succeeded", "stored")
    assert [one["outcome"] for one in shown["attempts"]] == ["accepted"]
    output = await web.get(f"{PATH}/{made['id']}/output")
    assert output.content == b"a,b\n1,2\n"
    assert output.headers["content-type"].startswith(shown["output"]["media_type"])
    assert output.headers["content-disposition"].startswith(f'attachment; filename="{made["id"]}')
    events = (await web.get(f"{PATH}/{made['id']}/events")).json
    assert [one["to_state"] for one in events["items"] if one["kind"] == "moved"][:2] == ["submitting", "submitted"]
    assert events["last_seq"] == events["items"][-1]["seq"]
    rest = await web.get(f"{PATH}/{made['id']}/events?after={events['last_seq']}")
    assert rest.json == {"items": [], "last_seq": events["last_seq"]}
    problem = await web.problem("POST", f"{PATH}/{made['id']}/cancel")
    assert problem["status"] == 409


async def test_output_there_never_will_be(web: Web, settings: Settings, target: str) -> None:
    made = (await web.post(PATH, order(spec={"fails": True, "seconds": 0}))).json
    async with working(settings):
        shown = await ended(web, made["id"])
    assert shown["state"] == "failed"
    problem = await web.problem("GET", f"{PATH}/{made['id']}/output")
    assert problem["status"] == 404
    assert "failed" in problem["detail"]


async def test_cancel_is_asked_for(web: Web, target: str) -> None:
    made = (await web.post(PATH, order())).json
    asked = await web.post(f"{PATH}/{made['id']}/cancel")
    assert asked.status == 202
    assert asked.json["cancel_requested_at"]
    again = await web.post(f"{PATH}/{made['id']}/cancel")
    assert again.json["cancel_requested_at"] == asked.json["cancel_requested_at"]
    kinds = [one["kind"] for one in (await web.get(f"{PATH}/{made['id']}/events")).json["items"]]
    assert kinds == ["created", "cancel_requested"]
