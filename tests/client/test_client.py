"""The Python client against a served API."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from web_world import Web, serving, settings_for

from afield.api.app import create_app
from afield.client import ApiError, Client
from afield.errors import UnavailableError
from afield.kernel import open_kernel
from afield.testing.connector import MemoryConnector

SPEC = {"prints": "x"}


async def test_the_same_key_records_one(client: Client) -> None:
    first = await client.submit("north", SPEC, key="monday", labels={"user_email": "ada@example.com"})
    again = await client.submit("north", SPEC, key="monday", labels={"user_email": "ada@example.com"})
    assert again["id"] == first["id"]
    assert (await client.submit("north", SPEC))["id"] != first["id"]
    shown = await client.execution(str(first["id"]))
    assert (shown["state"], shown["labels"]) == ("queued", {"user_email": "ada@example.com"})
    with pytest.raises(ApiError) as caught:
        await client.submit("north", {"prints": "y"}, key="monday")
    assert (caught.value.http_status, caught.value.problem["code"]) == (409, "idempotency_key_reused")


async def test_a_refusal_says_what_and_what_next(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        await client.submit("nowhere", SPEC)
    assert caught.value.http_status == 404
    assert "nowhere" in caught.value.message
    assert caught.value.hint == caught.value.problem["hint"] != ""
    with pytest.raises(ApiError) as caught:
        await client.execution("a/../b?c")
    assert caught.value.http_status in {404, 422}, "an id is never a path"


async def test_all_pages_newest_first(client: Client) -> None:
    made = [str((await client.submit("north", SPEC, labels={"n": str(n % 2)}))["id"]) for n in range(5)]
    assert [row["id"] async for row in client.executions(limit="2")] == made[::-1]
    assert [row["id"] async for row in client.executions(state="running")] == []


async def test_a_cancel_and_a_comparison(client: Client) -> None:
    made = await client.submit("north", SPEC)
    assert (await client.cancel(str(made["id"])))["cancel_requested_at"]
    compared = await client.reconcile("north")
    assert isinstance(compared["findings"], list)
    assert isinstance((await client.reconcile("north", apply="automatic"))["findings"], list)


async def test_a_target_of_ones_own(client: Client) -> None:
    made = await client.add_target("south", MemoryConnector.name, {"remote": "somewhere"}, settings={})
    assert made["name"] == "south"
    with pytest.raises(ApiError) as caught:
        await client.add_target("south", MemoryConnector.name, {"remote": "somewhere"}, settings={})
    assert caught.value.http_status == 409


async def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        async with Client(f"http://127.0.0.1:{probe.getsockname()[1]}") as client:
            with pytest.raises(UnavailableError) as caught:
                await client.submit("north", SPEC)
            assert "afield up" in caught.value.hint
            assert await client.ready() is False


async def test_without_a_worker_it_is_not_ready(client: Client) -> None:
    assert await client.ready() is False
    with pytest.raises(UnavailableError):
        await client.call("GET", "/readyz")


async def test_a_token_is_asked_for_and_given(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path / "home", database_url, api_token="let me in, please")
    async with open_kernel(settings) as kernel, serving(create_app(kernel)) as web:
        async with Client(web.url) as stranger:
            with pytest.raises(ApiError) as caught:
                await stranger.submit("north", SPEC)
            assert caught.value.http_status == 401
        async with Client(web.url, token="let me in, please") as friend:
            assert [row async for row in friend.executions()] == []


async def test_a_client_is_opened_first(web: Web) -> None:
    with pytest.raises(AssertionError, match="async with"):
        await Client(web.url).ready()
