"""What people do to sessions over real HTTP, and who may."""

from __future__ import annotations

from pathlib import Path

import pytest
from web_runbooks_world import (
    ASK_FIRST,
    CLEAN,
    WAIT,
    a_machine,
    a_runbook,
    approve,
    approved,
    control,
    started,
    steps_of,
    until,
)
from web_world import Json, Web, working

from afield.config import Settings
from afield.kernel import Kernel

PATH = "/api/v1/agent"
MAKE = """  - name: Make a file
    command: touch "$HOME/made" && exit 0
    timeout: 60s
    rollback:
      command: echo undone
  - name: Fail
    command: exit 3
    timeout: 60s
"""


@pytest.fixture(autouse=True)
async def machine(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    return await a_machine(kernel, tmp_path)


async def test_a_failed_step_is_tried_again_with_another_command_or_undone(web: Web, settings: Settings) -> None:
    await approved(web, a_runbook(MAKE))
    async with working(settings):
        session_id = await started(web)
        assert (await until(web, session_id))["state"] == "failed"
        failed = await steps_of(web, session_id)
        assert [(one["state"], one["exit_code"]) for one in failed] == [("succeeded", 0), ("failed", 3)]
        retried = await control(web, session_id, "retry", step=2, command="echo better", note="typo")
        assert retried["state"] == "in_progress"
        assert (await until(web, session_id, "completed"))["state"] == "completed"
        assert (await steps_of(web, session_id))[1]["stdout"] == "better\n"
        await control(web, session_id, "rollback")
        await until(web, session_id, "rolled_back")
    steps = await steps_of(web, session_id)
    assert [one["state"] for one in steps] == ["rolled_back", "succeeded", "succeeded"]
    assert (steps[2]["phase"], steps[2]["undoes"], steps[2]["stdout"]) == ("rollback", 1, "undone\n")
    events = (await web.get(f"{PATH}/{session_id}/events")).json["items"]
    said = [one["reason"]["text"] for one in events if one["reason"] and one["reason"]["code"] == "retried"]
    assert said == ["local tries step 2 again: typo"]


async def test_a_changed_command_is_judged_and_asked_about_again(web: Web, settings: Settings) -> None:
    await approved(web, a_runbook(ASK_FIRST + CLEAN.replace("Clean up", "Clean more"), env="prod"))
    async with working(settings):
        session_id = await started(web)
        await until(web, session_id, "waiting_approval")
        before = await steps_of(web, session_id)
        path = f"{PATH}/{session_id}/control"
        harm = {"action": "edit", "step": 2, "command": "exit 0; rm -rf /"}
        assert "policy forbids" in (await web.problem("POST", path, harm))["detail"]
        await control(web, session_id, "edit", step=2, command="exit 0; docker system prune -f")
        await control(web, session_id, "edit", step=1, command="echo another")
        old = {"step": 1, "approved": True, "digest": before[0]["digest"]}
        assert (await web.problem("POST", f"{PATH}/{session_id}/approve-step", old))["status"] == 409
        first, second = await steps_of(web, session_id)
        assert (first["command"], first["digest"] == before[0]["digest"]) == ("echo another", False)
        assert (second["rule"]["needed"], before[1]["rule"]["needed"]) == (1, 0), "what may do harm asks for a person"
        await until(web, session_id, "waiting_approval")
        await approve(web, session_id)
        await until(web, session_id, "waiting_approval")
        await control(web, session_id, "skip", step=2)
        assert (await until(web, session_id))["state"] == "completed"
    assert [one["stdout"] for one in await steps_of(web, session_id)] == ["another\n", ""]


async def test_a_running_step_is_stopped_by_a_cancel(web: Web, settings: Settings) -> None:
    await approved(web, a_runbook(WAIT))
    async with working(settings):
        session_id = await started(web)
        await until(web, session_id, "in_progress")
        assert (await web.problem("POST", f"{PATH}/{session_id}/complete"))["status"] == 409
        asked = await web.post(f"{PATH}/{session_id}/cancel", {"note": "wrong machine"})
        assert asked.status == 202
        ended = await until(web, session_id)
    assert (ended["state"], "wrong machine" in ended["reason"]["text"]) == ("cancelled", True)
    assert [one["state"] for one in await steps_of(web, session_id)] == ["cancelled"]
    assert (await web.problem("POST", f"{PATH}/{session_id}/cancel"))["status"] == 409


async def test_a_session_is_paused_resumed_and_declared_done(web: Web) -> None:
    await approved(web)
    session_id = await started(web)
    assert (await control(web, session_id, "pause", note="lunch"))["state"] == "paused"
    assert (await web.problem("POST", f"{PATH}/{session_id}/control", {"action": "pause"}))["status"] == 409
    assert (await control(web, session_id, "resume"))["state"] == "in_progress"
    await control(web, session_id, "pause")
    done = (await web.post(f"{PATH}/{session_id}/complete", {"note": "done by hand"})).json
    assert (done["state"], "done by hand" in done["reason"]["text"]) == ("completed", True)
    assert (await web.problem("POST", f"{PATH}/{session_id}/abandon"))["status"] == 409


WRONG: list[Json] = [
    {},
    {"action": "explode"},
    {"action": "pause", "step": 1},
    {"action": "skip"},
    {"action": "resolve", "step": 1},
    {"action": "resolve", "step": 1, "outcome": "perhaps"},
    {"action": "edit"},
    {"action": "edit", "step": 1},
    {"action": "edit", "step": 1, "command": ""},
    {"action": "retry", "command": "echo"},
    {"action": "retry", "lanes": [-1]},
    {"action": "rollback", "colour": "red"},
]


async def test_an_action_takes_what_it_needs_and_nothing_else(web: Web) -> None:
    await approved(web)
    session_id = await started(web)
    path = f"{PATH}/{session_id}/control"
    for wrong in WRONG:
        assert (await web.problem("POST", path, wrong))["status"] == 422, wrong
    assert (await web.problem("POST", path, {"action": "skip", "step": 9}))["status"] == 404
    resolve = {"action": "resolve", "step": 1, "outcome": "failed"}
    assert (await web.problem("POST", path, resolve))["status"] == 409
    elsewhere = {"action": "edit", "step": 1, "target": "nowhere"}
    assert (await web.problem("POST", path, elsewhere))["status"] == 404
    assert len((await web.get(f"{PATH}/{session_id}/events")).json["items"]) == 1, "nothing was recorded"


async def test_a_role_allows_what_it_is_for(web: Web, kernel: Kernel) -> None:
    await approved(web)
    session_id = await started(web)
    people = {}
    for role in ("admin", "viewer", "approver", "operator"):
        bearer = {"headers": {"authorization": f"Bearer {people.get('admin', '')}"}}
        added = await web.post("/api/v1/people", {"name": role, "role": role}, **(bearer if people else {}))
        people[role] = added.json["token"]
    answer: Json = {"step": 1, "approved": False}
    restart: Json = {"reason": "stuck", "confirm_name": "vm"}
    debug = f"{PATH}/debug"
    calls: list[tuple[str, str, Json | None, str]] = [
        ("GET", f"{PATH}/{session_id}", None, "viewer"),
        ("GET", f"{debug}/execution-state?session_id={session_id}", None, "viewer"),
        ("POST", f"{debug}/test-azure-connection?session_id={session_id}", None, "viewer"),
        ("POST", f"{PATH}/{session_id}/diagnose", None, "viewer"),
        ("POST", "/api/v1/runbooks/lint", {"text": "no runbook"}, "viewer"),
        ("POST", f"{PATH}/{session_id}/approve-step", answer, "approver"),
        ("POST", "/api/v1/runbooks/none/1.0.0/approve", None, "approver"),
        ("POST", f"{PATH}/{session_id}/control", {"action": "resume"}, "operator"),
        ("POST", f"{PATH}/execute", {"runbook_id": "none"}, "operator"),
        ("POST", "/api/v1/runbooks", {"text": "no runbook"}, "operator"),
        ("POST", f"{debug}/test-azure-connection?session_id={session_id}&execute=true", None, "operator"),
        ("POST", f"{debug}/restart-azure-vm?session_id={session_id}", restart, "operator"),
        ("DELETE", f"{PATH}/{session_id}", None, "operator"),
    ]
    ranks = ("viewer", "approver", "operator")
    for method, path, body, least in calls:
        for role in ranks:
            answered = await web.call(method, path, body, headers={"authorization": f"Bearer {people[role]}"})
            allowed = ranks.index(role) >= ranks.index(least)
            assert (answered.status != 403) == allowed, (method, path, role, answered.content)
