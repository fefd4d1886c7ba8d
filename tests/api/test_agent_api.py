"""Runbook sessions over real HTTP: planned, started, run by a worker, approved, followed, put away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from web_runbooks_world import (
    ASK_FIRST,
    FINAL,
    a_machine,
    a_runbook,
    approve,
    approved,
    one_pending,
    started,
    steps_of,
    until,
)
from web_world import Json, Web, serving, working

from afield.api.app import create_app
from afield.config import Settings
from afield.kernel import Kernel

PATH = "/api/v1/agent"
EXECUTE = f"{PATH}/execute"
ORDER = {"runbook_id": "free-space", "targets": ["here"], "inputs": {"folder": "/srv/my logs"}}


@pytest.fixture(autouse=True)
async def machine(kernel: Kernel, tmp_path: Path) -> str:
    return await a_machine(kernel, tmp_path)


async def sessions(web: Web, query: str = "") -> list[int]:
    return [one["id"] for one in (await web.get(f"{PATH}/sessions{query}")).json["items"]]


async def messages(web: Web, session_id: int, since_id: int = 0, **more: Any) -> list[Json]:
    """All that a WebSocket says until it is closed."""
    url = f"{web.url}{PATH}/{session_id}/ws?since_id={since_id}"
    async with web.session.ws_connect(url, **more) as socket:
        told = [json.loads(message.data) async for message in socket]
        assert socket.close_code == 1000
    return told


async def test_a_dry_run_shows_what_will_be_recorded_and_records_nothing(web: Web) -> None:
    await approved(web)
    plan = await web.post(EXECUTE, ORDER | {"dry_run": True})
    assert plan.status == 200
    (planned,) = plan.json["steps"]
    assert (planned["command"], planned["target"], planned["connector"]) == (
        "echo cleaning '/srv/my logs'",
        "here",
        "local",
    )
    assert (planned["verdict"], plan.json["can_start"], plan.json["blocked"]) == ("ok", True, [])
    assert await sessions(web) == []
    made = await web.post(EXECUTE, ORDER)
    (step,) = await steps_of(web, made.json["id"])
    assert (step["digest"], step["spec"]) == (planned["digest"], planned["spec"])


async def test_a_dry_run_of_a_draft_tells_what_the_policy_forbids(web: Web) -> None:
    harm = a_runbook("  - name: Wipe\n    command: exit 0; rm -rf /\n", env="prod")
    assert (await web.post("/api/v1/runbooks", {"text": harm})).status == 201
    order = ORDER | {"version": "1.0.0"}
    plan = (await web.post(EXECUTE, order | {"dry_run": True})).json
    assert (plan["status"], plan["can_start"], plan["blocked"]) == ("draft", False, [1])
    assert plan["steps"][0]["matches"][0]["why"]
    assert (await web.problem("POST", EXECUTE, order))["status"] == 409
    assert await sessions(web) == []


async def test_a_session_runs_and_is_followed_to_its_end(web: Web, settings: Settings) -> None:
    await approved(web)
    async with working(settings):
        key = {"idempotency-key": "once"}
        first = await web.post(EXECUTE, ORDER, headers=key)
        told = await messages(web, first.json["id"])
        again = await web.post(EXECUTE, ORDER, headers=key)
    assert (first.status, again.status, again.json["id"]) == (201, 200, first.json["id"])
    assert first.headers["location"] == f"{PATH}/{first.json['id']}"
    assert (told[-1]["type"], told[-1]["session"]["state"]) == ("end", "completed")
    events = [one["event"] for one in told[:-1]]
    assert [one["data"]["to"] for one in events if one["kind"] == "step"] == ["running", "succeeded"]
    (step,) = await steps_of(web, first.json["id"])
    assert (step["state"], step["exit_code"], step["stdout"]) == ("succeeded", 0, "cleaning /srv/my logs\n")
    assert (step["target"], step["attempt"], bool(step["execution_id"])) == ("here", 1, True)
    shown = (await web.get(f"{PATH}/{first.json['id']}")).json
    assert (shown["runbook_id"], shown["version"], shown["steps"]) == ("free-space", "1.0.0", {"succeeded": 1})
    assert shown["expectation"].startswith("Nothing more happens by itself")
    page = (await web.get(f"{PATH}/{first.json['id']}/events?since_id={events[0]['seq']}")).json
    assert page["items"] == events[1:], "the same events, page by page"
    late = await messages(web, first.json["id"], since_id=events[-1]["seq"])
    assert [one["type"] for one in late] == ["end"], "nobody waits for a session that is over"


async def test_an_approval_is_about_exactly_what_was_read(web: Web, settings: Settings) -> None:
    await approved(web, a_runbook(ASK_FIRST))
    async with working(settings):
        session_id = await started(web)
        await until(web, session_id, "waiting_approval")
        waiting = await one_pending(web)
        assert (waiting["session_id"], waiting["target"]) == (session_id, "here")
        assert waiting["command"] == "echo cleaning '/var/log/app'"
        assert waiting["expires_at"] > waiting["step"]["asked_at"]
        answer = f"{PATH}/{session_id}/approve-step"
        blind = await web.problem("POST", answer, {"step": 1, "approved": True})
        assert (blind["status"], "digest" in blind["detail"]) == (422, True)
        other = {"step": 1, "approved": True, "digest": "0" * 64}
        assert (await web.problem("POST", answer, other))["status"] == 409
        await approve(web, session_id)
        assert (await until(web, session_id))["state"] == "completed"
    (step,) = await steps_of(web, session_id)
    assert [(one["by"], one["digest"]) for one in step["approvals"]] == [("local", waiting["digest"])]
    assert (await web.get(f"{PATH}/pending-approvals")).json["items"] == []


async def test_a_no_needs_no_digest_and_ends_the_session(web: Web, settings: Settings) -> None:
    await approved(web, a_runbook(ASK_FIRST))
    async with working(settings):
        session_id = await started(web)
        await until(web, session_id, "waiting_approval")
        no = {"step": 1, "approved": False, "note": "not on a Friday"}
        assert (await web.post(f"{PATH}/{session_id}/approve-step", no)).status == 200
        ended = await until(web, session_id)
    assert ended["state"] == "failed"
    (step,) = await steps_of(web, session_id)
    assert (step["state"], step["attempt"]) == ("rejected", 0)
    assert "not on a Friday" in step["reason"]["text"]


async def test_sessions_are_listed_page_by_page_and_put_away(web: Web) -> None:
    await approved(web)
    await approved(web, a_runbook(runbook_id="other"))
    await web.post("/api/v1/tickets", {"external_id": "INC7", "title": "Disk full"})
    first, second = await started(web), await started(web, ticket="INC7")
    third = await started(web, runbook_id="other")
    assert await sessions(web) == [third, second, first]
    assert await sessions(web, "?runbook=free-space&ticket=INC7") == [second]
    assert await sessions(web, "?state=completed&state=failed") == []
    page = (await web.get(f"{PATH}/sessions?limit=2")).json
    assert page["next_before"] == second
    assert (await web.get(f"{PATH}/sessions?limit=2&before={second}")).json["next_before"] is None
    refused = await web.problem("DELETE", f"{PATH}/{first}")
    assert (refused["status"], "Cancel or abandon it first" in refused["hint"]) == (422, True)
    assert (await web.post(f"{PATH}/{first}/abandon")).json["state"] == "abandoned"
    assert (await web.call("DELETE", f"{PATH}/{first}")).status == 204
    assert await sessions(web) == [third, second]
    assert await sessions(web, "?archived=true") == [third, second, first]
    assert (await web.get(f"{PATH}/{first}")).status == 200


WRONG: list[tuple[Json, int]] = [
    ({"inputs": {"colour": "red"}}, 422),
    ({"inputs": {"folder": "not a path"}}, 422),
    ({"inputs": {"folder": "/a\0b"}}, 422),
    ({"batch_size": 0}, 422),
    ({"error_budget": -1}, 422),
    ({"colour": "red"}, 422),
    ({"targets": []}, 422),
    ({"targets": ["nowhere"]}, 404),
    ({"ticket": "INC0"}, 404),
    ({"runbook_id": "none"}, 404),
    ({"version": "9.9.9"}, 404),
]


async def test_a_bad_order_is_refused_before_anything_is_recorded(web: Web) -> None:
    await approved(web)
    for wrong, status in WRONG:
        for body in (ORDER | wrong, ORDER | wrong | {"dry_run": True}):
            assert (await web.problem("POST", EXECUTE, body))["status"] == status, wrong
    assert await sessions(web) == []


async def test_what_is_not_there_is_not_found(web: Web) -> None:
    for path in ("", "/steps", "/events", "/events/stream"):
        assert (await web.problem("GET", f"{PATH}/77{path}"))["status"] == 404
    assert (await web.problem("POST", f"{PATH}/77/cancel"))["status"] == 404
    for number in ("0", "-1", "x", str(2**63), "1.5"):
        assert (await web.problem("GET", f"{PATH}/{number}"))["status"] == 422
    assert (await web.problem("GET", f"{PATH}/sessions?colour=red"))["status"] == 422
    assert (await web.problem("GET", f"{PATH}/sessions?before=0"))["status"] == 422
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await messages(web, 77)


async def test_a_stream_goes_on_where_it_broke_off(web: Web) -> None:
    await approved(web)
    session_id = await started(web)
    await web.post(f"{PATH}/{session_id}/control", {"action": "pause"})
    first, second = (await web.get(f"{PATH}/{session_id}/events")).json["items"]
    headers = {"accept": "text/event-stream", "last-event-id": str(first["seq"])}
    async with web.session.get(f"{web.url}{PATH}/{session_id}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.content:
            if line.startswith(b"data:"):
                assert json.loads(line[5:]) == second
                break
    assert (second["data"]["to"], second["actor"]) == ("paused", "local")


async def test_a_websocket_follows_what_people_do_and_ends_when_the_server_does(web: Web) -> None:
    await approved(web)
    session_id = await started(web)
    async with web.session.ws_connect(f"{web.url}{PATH}/{session_id}/ws", protocols=["afield"]) as socket:
        assert (await socket.receive_json())["event"]["data"]["to"] == "pending"
        await socket.send_str("nobody listens to this")
        await web.post(f"{PATH}/{session_id}/control", {"action": "pause"})
        assert (await socket.receive_json())["event"]["data"]["to"] == "paused"
        web.stop.set()
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert (socket.close_code, socket.protocol) == (1001, "afield")


async def test_a_websocket_is_for_those_who_may_read(kernel: Kernel, settings: Settings) -> None:
    async with serving(create_app(kernel)) as web:
        await approved(web)
        session_id = await started(web)
        assert (await web.post(f"{PATH}/{session_id}/abandon")).status == 200
        with pytest.raises(aiohttp.WSServerHandshakeError):  # any page may open any WebSocket
            await messages(web, session_id, headers={"origin": "https://evil.example"})
        assert len(await messages(web, session_id, headers={"origin": web.url})) > 1
    kernel.settings = settings.model_copy(update={"api_token": SecretStr("open-sesame")})
    async with serving(create_app(kernel)) as web:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await messages(web, session_id)
        told = await messages(web, session_id, protocols=["afield", "bearer.open-sesame"])
        assert told[-1]["session"]["state"] in FINAL


async def test_a_client_that_leaves_is_let_go(web: Web) -> None:
    await approved(web)
    session_id = await started(web)
    for _ in range(5):
        async with web.session.ws_connect(f"{web.url}{PATH}/{session_id}/ws") as socket:
            await socket.receive_json()
    async with asyncio.timeout(10):
        while web.app.state.runtime.kernel.ledger.listener._followers:
            await asyncio.sleep(0)
