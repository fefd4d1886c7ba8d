"""Runbooks over real HTTP: saved, checked, approved, archived."""

from __future__ import annotations

import pytest
from web_runbooks_world import a_runbook, approved
from web_world import Web

PATH = "/api/v1/runbooks"


async def test_a_runbook_is_kept_in_versions(web: Web) -> None:
    await approved(web)
    newer = a_runbook(version="1.1.0")
    saved = await web.post(PATH, {"text": newer})
    assert (saved.status, saved.headers["location"]) == (201, f"{PATH}/free-space/1.1.0")
    assert (saved.json["runbook"]["status"], saved.json["lint"]["ok"]) == ("draft", True)
    versions = (await web.get(f"{PATH}/free-space")).json["items"]
    assert [(one["version"], one["status"], one["revision"]) for one in versions] == [
        ("1.1.0", "draft", 2),
        ("1.0.0", "approved", 1),
    ]
    assert (await web.get(f"{PATH}/free-space/1.1.0")).json["text"] == newer
    drafts = (await web.get(f"{PATH}?status=draft&service=shop&env=dev")).json
    assert [one["version"] for one in drafts["items"]] == ["1.1.0"]
    page = (await web.get(f"{PATH}?limit=1")).json
    rest = (await web.get(f"{PATH}?limit=1&cursor={page['next_cursor']}")).json
    assert [one["version"] for one in page["items"] + rest["items"]] == ["1.1.0", "1.0.0"]
    archived = await web.post(f"{PATH}/free-space/1.0.0/archive")
    assert (archived.json["status"], archived.json["archived_by"]) == ("archived", "local")
    order = {"runbook_id": "free-space", "version": "1.0.0", "targets": ["here"]}
    assert (await web.problem("POST", "/api/v1/agent/execute", order))["status"] == 409


async def test_what_was_read_is_what_is_approved(web: Web) -> None:
    read = (await web.post(PATH, {"text": a_runbook()})).json["runbook"]
    await web.post(PATH, {"text": a_runbook().replace("cleaning", "wiping")})
    approve = f"{PATH}/free-space/1.0.0/approve"
    assert (await web.problem("POST", approve, {"digest": read["digest"]}))["status"] == 409
    assert (await web.post(approve)).json["approved_by"] == "local"
    other = await web.problem("POST", PATH, {"text": a_runbook()})
    assert (other["status"], "new version" in other["hint"]) == (409, True)
    assert (await web.problem("POST", f"{PATH}/none/1.0.0/approve"))["status"] == 404


async def test_problems_are_told_with_their_lines(web: Web) -> None:
    text = a_runbook().replace("timeout: 60s", "timeout: soon")
    line = 1 + text.split("\n").index("    timeout: soon")
    told = (await web.call("POST", f"{PATH}/lint", data=text.encode())).json
    assert (told["ok"], [one["line"] for one in told["problems"] if one["severity"] == "error"]) == (False, [line])
    assert f"line {line}" in (await web.problem("POST", PATH, {"text": text}))["detail"]
    assert (await web.get(PATH)).json["items"] == []
    assert (await web.post(f"{PATH}/lint", {"text": a_runbook()})).json["ok"]


async def test_a_draft_with_errors_is_kept_and_not_approved(web: Web) -> None:
    text = a_runbook("  - name: Wipe\n    command: exit 0; rm -rf /\n", env="prod")
    saved = (await web.post(PATH, {"text": text})).json
    assert (saved["lint"]["ok"], saved["runbook"]["status"]) == (False, "draft")
    assert (await web.problem("POST", f"{PATH}/free-space/1.0.0/approve"))["status"] == 422


@pytest.mark.parametrize("path", [PATH, f"{PATH}/lint"])
async def test_what_is_no_text_is_refused(web: Web, path: str) -> None:
    for data in (b"", b"\xff\xfe", b"a\0b"):
        assert (await web.problem("POST", path, data=data, headers={"content-type": "text/markdown"}))["status"] == 422
    for body in ({}, {"text": ""}, {"text": "x", "colour": "red"}, [], {"text": "a\0b"}):
        assert (await web.problem("POST", path, body))["status"] == 422
    assert (await web.problem("POST", path, data=b"{", headers={"content-type": "application/json"}))["status"] == 422
    assert (await web.get(PATH)).json["items"] == []


async def test_the_schema_is_published(web: Web) -> None:
    schema = (await web.get(f"{PATH}/schema")).json
    assert (schema["type"], "runbook_id" in schema["required"]) == ("object", True)
