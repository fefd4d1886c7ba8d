"""Who may call, and what their role lets them do, over real HTTP."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr
from web_world import Web, a_remote, a_target, serving, settings_for

from afield.api.app import create_app
from afield.config import Settings
from afield.kernel import open_kernel
from afield.model.ids import uuid7


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path / "home", database_url)


def bearer(token: str) -> dict[str, dict[str, str]]:
    return {"headers": {"authorization": f"Bearer {token}"}}


async def _add(web: Web, name: str, role: str, **more: dict[str, str]) -> str:
    answer = await web.post("/api/v1/people", {"name": name, "role": role}, **more)
    assert answer.status == 201, answer.content
    return str(answer.json["token"])


async def test_without_people_everybody_is_an_administrator_of_the_name_they_give(settings: Settings) -> None:
    async with serving(create_app(settings)) as web:
        assert (await web.get("/api/v1/me")).json == {"name": "local", "role": "admin"}
        named = await web.get("/api/v1/me", headers={"x-afield-user": "ada"})
        assert named.json == {"name": "ada", "role": "admin"}


async def test_from_the_first_person_on_a_token_is_needed(settings: Settings) -> None:
    async with open_kernel(settings) as kernel, serving(create_app(kernel)) as web:
        token = await _add(web, "ada", "admin")
        assert (await web.problem("GET", "/api/v1/targets"))["status"] == 401
        claimed = await web.get("/api/v1/me", headers={"x-afield-user": "ada"})
        assert claimed.status == 401, "the name alone is not believed any more"
        assert (await web.get("/api/v1/me", **bearer(token))).json == {"name": "ada", "role": "admin"}
        assert (await web.get("/healthz")).status == 200
        raw = await kernel.ledger.database.all("select encode(token, 'escape') from afield.person")
        assert token not in raw[0][0], "only the digest is kept"


async def test_roles_open_what_they_should_and_nothing_else(settings: Settings) -> None:
    async with open_kernel(settings) as kernel, serving(create_app(kernel)) as web:
        remote = a_remote()
        target = await a_target(kernel, remote)
        admin = bearer(await _add(web, "root", "admin"))
        viewer = bearer(await _add(web, "val", "viewer", **admin))
        operator = bearer(await _add(web, "olga", "operator", **admin))
        order = {"target": target, "spec": {"seconds": 1.0}}

        assert (await web.get("/api/v1/targets", **viewer)).status == 200
        refused = await web.problem("POST", "/api/v1/executions", order, **viewer)
        assert (refused["status"], refused["code"]) == (403, "forbidden")
        assert "viewer" in refused["detail"]
        made = await web.post("/api/v1/executions", order, **operator)
        assert made.status == 201
        diagnosed = await web.post(f"/api/v1/targets/{target}/diagnose", {"intrusive": ["any"]}, **viewer)
        assert diagnosed.status == 403, "what runs something is no reading"
        secret = {"name": "c", "connector": "memory", "secret": {}}
        assert (await web.post("/api/v1/credentials", secret, **operator)).status == 403
        assert (await web.get("/api/v1/people", **operator)).status == 403

        await web.post(f"/api/v1/executions/{made.json['id']}/cancel", **operator)
        events = (await web.get(f"/api/v1/executions/{made.json['id']}/events", **viewer)).json["items"]
        assert "olga" in {event["actor"] for event in events}


async def test_a_token_that_was_taken_back_opens_nothing(settings: Settings) -> None:
    async with serving(create_app(settings)) as web:
        admin = bearer(await _add(web, "root", "admin"))
        token = await _add(web, "val", "viewer", **admin)
        taken = await web.call("DELETE", "/api/v1/people/VAL", **admin)
        assert taken.json["revoked_at"] is not None
        assert (await web.get("/api/v1/me", **bearer(token))).status == 401
        again = await _add(web, "val", "viewer", **admin)
        assert again != token
        assert (await web.problem("DELETE", "/api/v1/people/nobody", **admin))["status"] == 404


async def test_the_token_of_the_settings_is_an_administrator(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr("open")})
    async with serving(create_app(guarded)) as web:
        assert (await web.get("/api/v1/me", **bearer("open"))).json == {"name": "api", "role": "admin"}
        assert (await web.get("/api/v1/me", **bearer("opens"))).status == 401


@pytest.mark.parametrize("wrong", [{"name": "", "role": "admin"}, {"name": "x", "role": "king"}, {"name": " \t"}])
async def test_a_bad_person_is_refused(settings: Settings, wrong: dict[str, str]) -> None:
    async with serving(create_app(settings)) as web:
        assert (await web.problem("POST", "/api/v1/people", wrong))["status"] == 422


async def test_two_people_never_have_one_name(settings: Settings) -> None:
    async with serving(create_app(settings)) as web:
        admin = bearer(await _add(web, "Ada", "admin"))
        again = await web.problem("POST", "/api/v1/people", {"name": "ada", "role": "viewer"}, **admin)
        assert again["status"] == 409


async def test_a_websocket_needs_a_token_too(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr("open")})
    async with serving(create_app(guarded)) as web:
        url = f"{web.url}/api/v1/sockets/{uuid7()}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await web.session.ws_connect(url)
        assert refused.value.status == 403
