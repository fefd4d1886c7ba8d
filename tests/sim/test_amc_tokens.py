"""Tokens and headers: who gets in."""

import pytest
from sim_caller import Caller

from afield_sim.testing import Simulator


async def test_the_first_login(caller: Caller):
    answer = await caller.login()
    assert answer.status == 200
    assert answer.json["access_token"].startswith("Atza|")
    assert answer.json["refresh_token"] == caller.amc.refresh_token
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 3600)


async def test_json_without_a_content_type_is_taken_too(caller: Caller):
    body = {
        "grant_type": "refresh_token", "refresh_token": caller.amc.refresh_token,
        "client_id": caller.amc.client_id, "client_secret": caller.amc.client_secret,
    }  # fmt: skip
    assert (await caller.send("POST", caller.amc.lwa_token_url, json=body)).status == 200


async def test_an_authorization_code_is_good_once(sim: Simulator, caller: Caller):
    code = await sim.admin.issue_code()
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://here", "refresh_token": ""}
    assert (await caller.login(**fields)).status == 200
    again = await caller.login(**fields)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"refresh_token": "Atzr|other"}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
async def test_what_is_wrong_is_said(caller: Caller, change, status, error):
    answer = await caller.login(**change)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.json["error_description"]


async def test_a_revoked_refresh_token(sim: Simulator, caller: Caller):
    await sim.admin.revoke_refresh_token()
    answer = await caller.login()
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    await sim.admin.restore_refresh_token()
    assert (await caller.login()).status == 200


async def test_access_tokens_expire(sim: Simulator, caller: Caller):
    assert (await caller.list_all()).status == 200
    await sim.admin.advance(3600)
    assert (await caller.list_all()).status == 401
    await caller.login()
    assert (await caller.list_all()).status == 200


async def test_their_life_can_be_shortened(sim: Simulator, caller: Caller):
    await sim.admin.put_settings(account={"access_token_seconds": 5})
    assert (await caller.login()).json["expires_in"] == 5
    await sim.admin.advance(5)
    assert (await caller.list_all()).status == 401


async def test_all_access_tokens_can_be_revoked_in_the_middle(sim: Simulator, caller: Caller):
    execution_id = await caller.created()
    assert await sim.admin.revoke_access_tokens() == 1
    assert (await caller.get(execution_id)).status == 401
    await sim.admin.put_faults({"login": {"expired_status": 403}})
    assert (await caller.get(execution_id)).status == 403


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Authorization", "Bearer Atza|made-up", 401),
        ("Authorization", "Basic abc", 401),
        ("Amazon-Advertising-API-ClientId", "other", 401),
        ("Amazon-Advertising-API-AdvertiserId", "ENTITYOTHER", 403),
        ("Amazon-Advertising-API-MarketplaceId", "", 403),
    ],
)
async def test_headers_are_checked(caller: Caller, header, value, status):
    caller.headers[header] = value
    answer = await caller.list_all()
    assert answer.status == status
    if status == 403:
        assert answer.json == {"code": "403", "details": "Unauthorized request."}


async def test_an_instance_of_somebody_else(caller: Caller):
    caller.instance = "amcother000"
    answer = await caller.list_all()
    assert (answer.status, answer.json["details"]) == (403, "Unauthorized request.")


@pytest.mark.parametrize(
    ("fault", "params", "status"),
    [
        ("throttled", {"next": 1}, 429),
        ("server_error", {"next": 1, "status": 503}, 503),
        ("invalid_grant", {"next": 1}, 400),
        ("invalid_client", {"next": 1}, 401),
    ],
)
async def test_faults_of_the_token_endpoint(sim: Simulator, caller: Caller, fault, params, status):
    await sim.admin.put_faults({"login": {fault: params}})
    assert (await caller.login()).status == status
    assert (await caller.login()).status == 200


async def test_odd_but_good_token_replies(sim: Simulator, caller: Caller):
    await sim.admin.put_faults({"login": {"no_refresh_token": {}, "expires_in_text": {}}})
    answer = await caller.login()
    assert "refresh_token" not in answer.json
    assert answer.json["expires_in"] == "3600"
    await sim.admin.put_faults({"login": {"unreadable": {}}})
    assert (await caller.send("POST", caller.amc.lwa_token_url, data={})).status == 400


async def test_tokens_are_counted(sim: Simulator, caller: Caller):
    await caller.login(client_secret="wrong")
    await caller.login()
    assert (await sim.admin.counters())["tokens"] == {"issued": 2, "refresh_token": 2, "refused": 1}
