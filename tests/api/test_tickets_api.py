"""Tickets over real HTTP: signed deliveries, files, and which machine one is about."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from web_world import Web, serving, settings_for

from afield.api.app import create_app
from afield.clock import SystemClock
from afield.config import Settings
from afield.connectors.accounts import Machine
from afield.kernel import Kernel, open_kernel
from afield.ledger.accounts import Accounts
from afield.ledger.machines import Machines
from afield.model.target import DEFAULT_TENANT
from afield.runbooks.tickets.signatures import sign

SECRET = "a secret of sixteen letters"
ALERT = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "web-01:9100"},
            "fingerprint": "c0ffee",
        }
    ],
}


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path / "home", database_url)


async def _webhook(web: Web, name: str, kind: str, **more: object) -> None:
    made = await web.post("/api/v1/webhooks", {"name": name, "kind": kind, "secret": SECRET} | more)
    assert made.status == 201, made.content
    assert SECRET not in made.content.decode()


async def _machines(kernel: Kernel, *names: str) -> None:
    now = kernel.clock.now()
    account = await Accounts(kernel.ledger.database).add(
        DEFAULT_TENANT, "cloud", kind="azure", address={}, credential_id=None, at=now
    )
    machines = [Machine(remote_id=f"/vms/{name}", name=name, connector="memory", address={}) for name in names]
    await Machines(kernel.ledger.database).replace_all(account.id, machines, complete=True, at=now)


async def test_an_alert_comes_in_once_and_is_changed_when_it_is_resolved(settings: Settings) -> None:
    bearer = {"authorization": f"Bearer {SECRET}"}
    async with serving(create_app(settings)) as web:
        await _webhook(web, "prometheus", "alertmanager")
        first = await web.post("/hooks/prometheus", ALERT, headers=bearer)
        assert first.status == 202
        resolved = orjson.loads(orjson.dumps(ALERT).replace(b"firing", b"resolved"))
        again = await web.post("/hooks/prometheus", resolved, headers=bearer)
        assert again.json["tickets"] == first.json["tickets"]
        (ticket,) = (await web.get("/api/v1/tickets")).json["items"]
        assert (ticket["external_id"], ticket["status"], ticket["source"]) == ("c0ffee", "resolved", "prometheus")


async def test_a_delivery_that_is_not_signed_leaves_nothing(settings: Settings) -> None:
    async with serving(create_app(settings)) as web:
        await _webhook(web, "desk", "generic")
        refused = await web.problem("POST", "/hooks/desk", {"external_id": "1", "title": "t"})
        assert (refused["status"], refused["code"]) == (401, "bad_signature")
        old = sign(SECRET, b"{}", SystemClock().now() - timedelta(hours=1))
        assert (await web.post("/hooks/desk", data=b"{}", headers={"x-afield-signature": old})).status == 401
        assert (await web.problem("POST", "/hooks/nobody", {}))["status"] == 404
        assert (await web.get("/api/v1/tickets")).json["items"] == []


async def test_a_signed_delivery_is_read_by_its_mapping(settings: Settings) -> None:
    body = b'{"result":{"number":"INC7","text":"Disk full"}}'
    async with serving(create_app(settings)) as web:
        await _webhook(
            web, "desk", "generic", mapping={"external_id": "result.number", "title": "{result.text} ({result.number})"}
        )
        headers = {"x-afield-signature": sign(SECRET, body, SystemClock().now())}
        assert (await web.call("POST", "/hooks/desk", data=body, headers=headers)).status == 202
        found = await web.get("/api/v1/tickets/INC7")
        assert found.json["title"] == "Disk full (INC7)"


async def test_a_senders_door_is_no_door_to_anything_else(settings: Settings) -> None:
    from pydantic import SecretStr

    guarded = settings.model_copy(update={"api_token": SecretStr("open")})
    async with serving(create_app(guarded)) as web:
        assert (await web.problem("POST", "/hooks/none", {}))["status"] == 404
        assert (await web.problem("GET", "/api/v1/tickets"))["status"] == 401
        assert (await web.problem("GET", "/hooks/../api/v1/tickets"))["status"] in {401, 404}


async def test_a_file_is_taken_whole_or_not_at_all(settings: Settings) -> None:
    text = b"id,title\nA,one\n,two\n"
    async with serving(create_app(settings)) as web:
        refused = await web.call("POST", "/api/v1/tickets/import", data=text)
        assert refused.status == 422
        assert "line 3" in refused.json["detail"]
        assert (await web.get("/api/v1/tickets")).json["items"] == []
        taken = await web.call("POST", "/api/v1/tickets/import?partial=true", data=text)
        assert [one["external_id"] for one in taken.json["items"]] == ["A"]
        assert [bad["line"] for bad in taken.json["bad"]] == [3]


async def test_a_ticket_leads_to_its_machine_or_to_a_question(settings: Settings) -> None:
    async with open_kernel(settings) as kernel, serving(create_app(kernel)) as web:
        await _machines(kernel, "web-01", "web-02")
        for number, title in enumerate(["Disk full on WEB-01", "Disk full on web-03"]):
            await web.post("/api/v1/tickets", {"external_id": f"T{number}", "title": title})
        clear = (await web.get("/api/v1/tickets/T0/machine")).json
        assert (clear["remote_id"], clear["question"]) == ("/vms/web-01", "")
        unclear = (await web.get("/api/v1/tickets/T1/machine")).json
        assert unclear["remote_id"] is None
        assert "Similar names are web-0" in unclear["question"]
        assert unclear["steps"], "what was tried is told"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b", "kind": "generic", "secret": SECRET},
        {"name": "csv", "kind": "generic", "secret": SECRET},
        {"name": "x", "kind": "generic", "secret": "short"},
        {"name": "x", "kind": "smoke", "secret": SECRET},
        {"name": "x", "kind": "generic", "secret": SECRET, "write_back_url": "http://desk.example"},
        {"name": "x", "kind": "generic", "secret": SECRET, "mapping": {"colour": "red"}},
    ],
)
async def test_a_bad_webhook_is_refused(settings: Settings, wrong: dict[str, object]) -> None:
    async with serving(create_app(settings)) as web:
        assert (await web.problem("POST", "/api/v1/webhooks", wrong))["status"] == 422
        assert (await web.get("/api/v1/webhooks")).json["items"] == []
