"""Targets, credentials, and asking remotes: look, findings, reconcile, diagnose."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from web_world import Web, a_target

from afield.kernel import Kernel
from afield.model.ids import attempt_key, uuid7
from afield.testing.faults import Fault
from afield.testing.remote import MemoryRemote

PATH = "/api/v1/targets"


def new(remote: MemoryRemote, **more: Any) -> dict[str, Any]:
    return {"connector": "memory", "name": "north", "address": {"remote": remote.name}, **more}


async def test_record_show_list(web: Web, remote: MemoryRemote) -> None:
    made = await web.post(PATH, new(remote, settings={"max_live": 3}))
    assert made.status == 201
    assert made.headers["location"] == f"{PATH}/{made.json['id']}"
    for name in (made.json["id"], "north", remote.name):
        assert (await web.get(f"{PATH}/{name}")).json == made.json
    assert (await web.get(PATH)).json == {"items": [made.json]}
    assert made.json["settings"] == {"max_live": 3}
    assert made.json["look"] is None


async def test_what_is_refused(web: Web, remote: MemoryRemote) -> None:
    await web.post(PATH, new(remote))
    cases: list[tuple[dict[str, Any], int, str]] = [
        (new(remote), 409, "conflict"),
        (new(remote, name="a", connector="nonsense"), 422, "invalid_input"),
        (new(remote, name="b", address={}), 422, "invalid_input"),
        (new(remote, name="c", address={"remote": "x", "more": 1}), 422, "invalid_input"),
        (new(remote, name="d", settings={"max_live": -1}), 422, "invalid_input"),
        (new(remote, name="e", credential="nobody's"), 404, "not_found"),
        (new(remote, name="with/slash"), 422, "invalid_input"),
        (new(remote, name=""), 422, "invalid_input"),
        (new(remote, name="f", shape="round"), 422, "invalid_input"),
    ]
    for body, status, code in cases:
        problem = await web.problem("POST", PATH, body)
        assert (problem["status"], problem["code"]) == (status, code), body
    assert [one["name"] for one in (await web.get(PATH)).json["items"]] == ["north"]
    assert (await web.problem("GET", f"{PATH}/nowhere"))["status"] == 404


async def test_settings_are_merged(web: Web, remote: MemoryRemote) -> None:
    await web.post(PATH, new(remote, settings={"max_live": 3, "min_interval": 5}))
    changed = await web.call(
        "PATCH", f"{PATH}/north", {"settings": {"max_live": 4, "min_interval": None, "max_calls": 2}}
    )
    assert changed.json["settings"] == {"max_live": 4, "max_calls": 2}
    for body in ({}, {"settings": {"max_live": "many"}}, {"name": "south"}):
        assert (await web.problem("PATCH", f"{PATH}/north", body))["status"] == 422
    assert (await web.get(f"{PATH}/north")).json == changed.json


async def test_secrets_go_in_and_never_come_out(web: Web, kernel: Kernel, remote: MemoryRemote) -> None:
    body = {"name": "ads", "connector": "memory", "secret": {"refresh_token": "hush"}}
    made = await web.post("/api/v1/credentials", body)
    assert (made.status, set(made.json)) == (201, {"id", "name", "connector"})
    listed = await web.get("/api/v1/credentials")
    assert listed.json == {"items": [made.json]}
    assert b"hush" not in made.content + listed.content
    assert await kernel.credentials.secret(UUID(made.json["id"])) == {"refresh_token": "hush"}
    assert (await web.problem("POST", "/api/v1/credentials", body))["status"] == 409
    target = await web.post(PATH, new(remote, credential="ads"))
    assert target.json["credential_id"] == made.json["id"]


# ------------------------------------------------------------------------------------------- both sides


@pytest.fixture
async def target(kernel: Kernel, remote: MemoryRemote) -> str:
    return await a_target(kernel, remote)


async def foreign(remote: MemoryRemote) -> str:
    """Somebody else's execution."""
    return await remote.submit("theirs", {"seconds": 1000})


async def orphan(remote: MemoryRemote) -> str:
    """One that bears the name of an execution nobody here knows: it needs attention."""
    return await remote.submit(attempt_key(uuid7(), 1), {"seconds": 1000})


async def test_a_look_is_shared_and_changes_nothing(web: Web, remote: MemoryRemote, target: str) -> None:
    handle = await foreign(remote)
    answers = await asyncio.gather(*(web.post(f"{PATH}/north/look") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert remote.calls["page"] == 1
    looked = answers[0].json
    assert looked["looked"]["complete"] is True
    assert looked["looked"]["taken_at"].endswith("Z")
    assert looked["counts"]["remote_only"] == 1
    assert [(one["kind"], one["handle"]) for one in looked["findings"]] == [("remote_only", handle)]
    assert len(looked["counts"]) == 8


async def test_a_look_that_fails_names_no_orphans(web: Web, remote: MemoryRemote, target: str) -> None:
    await foreign(remote)
    remote.faults.arm(Fault.LISTING_CUT)
    looked = (await web.post(f"{PATH}/north/look")).json
    assert looked["looked"]["complete"] is False
    assert looked["looked"]["error"]
    assert looked["counts"]["remote_only"] == 0


async def test_a_refused_credential_is_said_not_raised(web: Web, remote: MemoryRemote, target: str) -> None:
    remote.faults.arm(Fault.DENIED)
    looked = (await web.post(f"{PATH}/north/look")).json["looked"]
    assert looked["complete"] is False
    assert "Enter another one" in looked["error"]


async def test_findings_are_listed_and_ignored(web: Web, remote: MemoryRemote, target: str) -> None:
    handle = await orphan(remote)
    await web.post(f"{PATH}/north/look")
    found = (await web.get("/api/v1/findings")).json["items"]
    assert [(one["kind"], one["handle"], one["why"]) for one in found] == [("remote_only", handle, "orphan")]
    assert (await web.get("/api/v1/findings?target=north&kind=remote_only")).json["items"] == found
    assert (await web.get("/api/v1/findings?kind=local_only")).json["items"] == []
    for _ in range(2):
        ignored = await web.post(f"/api/v1/findings/{found[0]['id']}/ignore")
        assert (ignored.status, ignored.json["ignored"]) == (200, True)
    assert (await web.get("/api/v1/findings")).json["items"] == []
    assert [one["ignored"] for one in (await web.get("/api/v1/findings?open=false")).json["items"]] == [True]
    assert (await web.problem("POST", f"/api/v1/findings/{uuid4()}/ignore"))["status"] == 404


async def test_reconcile_is_a_dry_run_unless_told_otherwise(web: Web, remote: MemoryRemote, target: str) -> None:
    handle = await orphan(remote)
    dry = (await web.post("/api/v1/reconcile", {"target": "north"})).json
    assert (dry["dry_run"], dry["repairs"]) == (True, [])
    assert remote.calls["cancel"] == 0
    fingerprint = dry["findings"][0]["fingerprint"]
    automatic = (await web.post("/api/v1/reconcile", {"target": "north", "apply": "automatic"})).json
    assert (automatic["dry_run"], automatic["repairs"]) == (False, [])
    chosen = (await web.post("/api/v1/reconcile", {"target": "north", "apply": [fingerprint]})).json
    assert [(one["kind"], one["handle"], one["done"]) for one in chosen["repairs"]] == [("cancel_remote", handle, True)]
    assert remote.calls["cancel"] == 1
    kinds = [one["kind"] for one in (await web.get("/api/v1/events?kind=repaired")).json["items"]]
    assert set(kinds) == {"repaired"}


async def test_a_repair_chosen_in_full(web: Web, remote: MemoryRemote, target: str) -> None:
    handle = await orphan(remote)
    fingerprint = (await web.post(f"{PATH}/north/look")).json["findings"][0]["fingerprint"]
    choice = {"finding": fingerprint, "repair": "cancel_remote", "handle": handle}
    applied = (await web.post("/api/v1/reconcile", {"target": "north", "apply": [choice]})).json
    assert [one["done"] for one in applied["repairs"]] == [True]


async def test_reconcile_refuses_what_is_not_offered(web: Web, remote: MemoryRemote, target: str) -> None:
    await foreign(remote)
    fingerprint = (await web.post(f"{PATH}/north/look")).json["findings"][0]["fingerprint"]
    for apply in (
        ["nonsense"],
        [fingerprint],
        [{"finding": fingerprint, "repair": "resubmit"}],
        [{"finding": "remote_only:-:x", "repair": "cancel_remote"}],
        "all",
        True,
        [{"finding": fingerprint, "repair": "hope"}],
    ):
        problem = await web.problem("POST", "/api/v1/reconcile", {"target": "north", "apply": apply})
        assert problem["status"] == 422, apply
    assert remote.calls["cancel"] == 0


async def test_reconcile_on_the_last_comparison_asks_nobody(web: Web, remote: MemoryRemote, target: str) -> None:
    stale = {"target": "north", "fresh": False}
    problem = await web.problem("POST", "/api/v1/reconcile", stale)
    assert (problem["status"], problem["code"]) == (502, "could_not_look")
    await web.post(f"{PATH}/north/look")
    calls = remote.calls["page"]
    assert (await web.post("/api/v1/reconcile", stale)).json["looked"]["complete"] is True
    assert remote.calls["page"] == calls


# ------------------------------------------------------------------------------------------- diagnosing


async def test_diagnoses_read_only(web: Web, remote: MemoryRemote, target: str) -> None:
    found = (await web.post(f"{PATH}/north/diagnose")).json
    assert found["subject"] == "target north"
    assert found["sentence"]
    made = (await web.post("/api/v1/executions", {"target": "north", "spec": {}})).json
    execution = (await web.post(f"/api/v1/executions/{made['id']}/diagnose")).json
    assert made["id"] in execution["subject"]
    assert execution["sentence"]
    assert {"name", "verdict", "asked", "answered", "next_step", "cause", "seconds"} == set(execution["rungs"][0])
    after = (await web.get(f"/api/v1/executions/{made['id']}")).json
    assert after["state"] == "queued"
    problem = await web.problem("POST", f"{PATH}/north/diagnose", {"intrusive": ["format the disk"]})
    assert problem["status"] == 422
    assert (await web.problem("POST", f"{PATH}/nowhere/diagnose"))["status"] == 404
    assert (await web.problem("POST", f"/api/v1/executions/{uuid4()}/diagnose"))["status"] == 404
