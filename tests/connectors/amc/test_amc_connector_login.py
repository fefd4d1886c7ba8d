"""Login with Amazon: tokens, and what a user is told when there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from amc_world import World, free_url, now

from afield.clock import SystemClock
from afield.connectors.amc.tokens import LoginWithAmazon, TokenUnavailableError, lifetime, refresh_form, refusal
from afield.connectors.tokens import TokenGrant
from afield.errors import CredentialError


async def refreshed(world: World, url: str | None = None, **secret: str) -> TokenGrant:
    async with aiohttp.ClientSession() as session:
        login = LoginWithAmazon(session, url or world.sim.amc.lwa_token_url, "sales", SystemClock())
        return await login.refresh(world.secret | secret)


@pytest.mark.parametrize("faults", [{}, {"expires_in_text": {}}, {"no_refresh_token": {}}])
async def test_a_token_and_how_long_it_lives(world: World, faults: dict[str, Any]) -> None:
    await world.sim.admin.put_faults({"login": faults})
    grant = await refreshed(world)
    assert abs(grant.token.expires_at - now() - timedelta(hours=1)) < timedelta(seconds=30)
    assert (grant.refresh_token is None) is ("no_refresh_token" in faults)


async def test_a_revoked_grant_asks_to_authorise_again(world: World) -> None:
    await world.sim.admin.revoke_refresh_token()
    with pytest.raises(CredentialError) as caught:
        await refreshed(world)
    assert "sales" in caught.value.message and "Authorise again" in caught.value.hint


async def test_a_wrong_client_names_the_configuration(world: World) -> None:
    with pytest.raises(CredentialError) as caught:
        await refreshed(world, client_secret="hush-hush")
    assert "client_id and client_secret" in caught.value.hint
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    "faults", [{"server_error": {"next": 2}}, {"request_lost": {"next": 2}}, {"unreadable": {"next": 1}}]
)
async def test_trouble_at_the_server_is_tried_again(world: World, faults: dict[str, Any]) -> None:
    await world.sim.admin.put_faults({"login": faults})
    assert (await refreshed(world)).token.value


async def test_trouble_that_stays_is_no_credential_error(world: World) -> None:
    await world.sim.admin.put_faults({"login": {"server_error": {}}})
    with pytest.raises(TokenUnavailableError):
        await refreshed(world)
    with pytest.raises(TokenUnavailableError):
        await refreshed(world, await free_url())


async def test_throttling_is_not_answered_with_more_calls(world: World) -> None:
    await world.sim.admin.put_faults({"login": {"throttled": {"retry_after": "seconds", "seconds": 5, "next": 1}}})
    with pytest.raises(TokenUnavailableError) as caught:
        await refreshed(world)
    assert caught.value.retry_after == timedelta(seconds=5)


def test_an_incomplete_credential_says_what_it_lacks() -> None:
    with pytest.raises(CredentialError, match="lacks client_secret, refresh_token"):
        refresh_form({"client_id": "x", "refresh_token": ""}, "sales")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(3600, 3600), ("1800", 1800), (None, 3600), ("soon", 3600), (0, 3600), (-5, 3600), ("inf", 3600), ([], 3600)],
)
def test_lifetimes(given: Any, seconds: int) -> None:
    assert lifetime(given) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "revoked"}, CredentialError),
        (401, {"error": "invalid_client"}, CredentialError),
        (400, {"error": "unauthorized_client"}, CredentialError),
        (400, {"error": "unsupported_grant_type"}, CredentialError),
        (403, {}, TokenUnavailableError),
        (429, {"error": "throttled"}, TokenUnavailableError),
        (500, {"error": "invalid_grant"}, TokenUnavailableError),
        (302, {}, TokenUnavailableError),
    ],
)
def test_refusals(status: int, said: dict[str, Any], kind: type[Exception]) -> None:
    assert type(refusal(status, said, None, "sales")) is kind
