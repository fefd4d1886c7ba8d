"""The web process: where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from pydantic import SecretStr

from afield.api.serve import check_exposure, serve
from afield.config import Settings
from afield.errors import InvalidInputError, UnavailableError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org", ""])
def test_the_network_needs_a_token(host: str) -> None:
    with pytest.raises(InvalidInputError, match="AFIELD_API_TOKEN"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, api_token=SecretStr("x")))


async def test_it_refuses_to_start_open_to_the_network(settings: Settings) -> None:
    with pytest.raises(InvalidInputError):
        await serve(settings.model_copy(update={"host": "0.0.0.0"}), stop=asyncio.Event())


async def test_a_port_that_is_taken(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=str(port)):
            await serve(settings.model_copy(update={"port": port}), stop=asyncio.Event())


async def test_it_says_when_it_is_ready_and_ends_when_it_is_told(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[str] = loop.create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings.model_copy(update={"port": 0}), stop=stop, ready=ready.set_result))
    await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
    url = ready.result()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{url}/api/v1/events/stream") as stream:
            assert (await stream.content.readline()).startswith(b"retry:")
            stop.set()
            await serving
            assert (await stream.content.read()).rpartition(b"\n\n")[2] == b""
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/healthz")
