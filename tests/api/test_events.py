"""The event feed: pages, streams, replay, many clients at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from web_world import Web, a_target, serving

from afield.api.app import create_app
from afield.api.sse import stream
from afield.config import Settings
from afield.kernel import Kernel, Order, open_kernel
from afield.model.execution import Event
from afield.testing.remote import MemoryRemote

PATH = "/api/v1/events"
STREAM = f"{PATH}/stream"


@pytest.fixture(autouse=True)
async def target(kernel: Kernel, remote: MemoryRemote) -> str:
    return await a_target(kernel, remote)


async def record(kernel: Kernel, count: int = 1) -> list[str]:
    """Record executions, one after the other; each makes one event."""
    orders = [Order(target="north", spec={"seconds": 0}) for _ in range(count)]
    return [str((await kernel.submit(order)).execution.id) for order in orders]


class Reader:
    """Reads a stream's events as a browser does."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._lines = response.content

    async def opened(self) -> None:
        while (await self._lines.readline()).strip():
            pass

    async def event(self) -> dict[str, Any]:
        fields: dict[str, str] = {}
        while line := (await self._lines.readline()).decode():
            if line == "\n" and "data" in fields:
                data: dict[str, Any] = json.loads(fields["data"])
                assert fields["id"] == str(data["seq"])
                assert fields["event"] == data["kind"]
                return data
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        raise EOFError

    async def events(self, count: int) -> list[dict[str, Any]]:
        return [await self.event() for _ in range(count)]


@asynccontextmanager
async def reading(web: Web, path: str = STREAM, **more: Any) -> AsyncIterator[Reader]:
    async with web.session.get(web.url + path, **more) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        reader = Reader(response)
        await reader.opened()
        yield reader


async def test_pages_in_order_and_by_filter(web: Web, kernel: Kernel) -> None:
    ids = await record(kernel, 3)
    all_of_them = (await web.get(PATH)).json
    assert [one["execution_id"] for one in all_of_them["items"] if one["kind"] == "created"] == ids
    first = (await web.get(f"{PATH}?limit=1")).json
    rest = (await web.get(f"{PATH}?after={first['last_seq']}")).json
    assert first["items"] + rest["items"] == all_of_them["items"]
    mine = (await web.get(f"{PATH}?execution={ids[1]}")).json
    assert [one["execution_id"] for one in mine["items"]] == [ids[1]]
    assert (await web.get(f"{PATH}?kind=cancel_requested")).json["items"] == []
    assert (await web.get(f"{PATH}?target=north&kind=created")).json == (await web.get(f"{PATH}?kind=created")).json
    assert (await web.problem("GET", f"{PATH}?target=nowhere"))["status"] == 404
    assert (await web.problem("GET", f"{PATH}?after=-1"))["status"] == 422


async def test_replay_from_any_number_then_live(web: Web, kernel: Kernel) -> None:
    ids = await record(kernel, 3)
    seqs = [one["seq"] for one in (await web.get(PATH)).json["items"]]
    async with (
        reading(web, headers={"Last-Event-ID": str(seqs[0])}) as by_header,
        reading(web, f"{STREAM}?after={seqs[0]}") as by_query,
        reading(web, f"{STREAM}?after=0", headers={"Last-Event-ID": str(seqs[0])}) as by_both,
        reading(web, PATH, headers={"accept": "text/event-stream", "Last-Event-ID": str(seqs[0])}) as by_accept,
        reading(web, PATH + "?after=0", headers={"accept": "text/event-stream"}) as from_the_start,
    ):
        ids += await record(kernel, 2)
        for reader in (by_header, by_query, by_both, by_accept):
            assert [one["execution_id"] for one in await reader.events(4)] == ids[1:]
        assert [one["execution_id"] for one in await from_the_start.events(5)] == ids


async def test_without_a_number_only_what_is_new(web: Web, kernel: Kernel) -> None:
    await record(kernel)
    async with reading(web) as reader:
        new = await record(kernel)
        assert (await reader.event())["execution_id"] == new[0]


async def test_live_across_two_processes_pools(web: Web, settings: Settings) -> None:
    async with open_kernel(settings) as elsewhere, reading(web) as reader:
        made = await record(elsewhere, 2)
        assert [one["execution_id"] for one in await reader.events(2)] == made


async def test_filters_of_a_stream(web: Web, kernel: Kernel) -> None:
    ids = await record(kernel, 2)
    async with reading(web, f"{STREAM}?after=0&execution={ids[1]}") as reader:
        assert (await reader.event())["execution_id"] == ids[1]
        await web.post(f"/api/v1/executions/{ids[0]}/cancel")
        await web.post(f"/api/v1/executions/{ids[1]}/cancel")
        event = await reader.event()
        assert (event["execution_id"], event["kind"]) == (ids[1], "cancel_requested")


@pytest.mark.parametrize("header", ["x", "-1", "9" * 40])
async def test_a_last_event_id_that_is_none(web: Web, header: str) -> None:
    problem = await web.problem("GET", STREAM, headers={"Last-Event-ID": header})
    assert problem["status"] == 422


async def test_fifty_clients_at_once_hold_up_nobody(web: Web, kernel: Kernel) -> None:
    async with _fifty(web) as readers:
        assert (await web.get("/healthz")).status == 200
        made = await record(kernel, 3)
        assert (await web.get("/api/v1/executions")).status == 200
        for events in await asyncio.gather(*(reader.events(3) for reader in readers)):
            assert [one["execution_id"] for one in events] == made
        assert (await web.get("/healthz")).status == 200


@asynccontextmanager
async def _fifty(web: Web) -> AsyncIterator[list[Reader]]:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(reading(web)) for _ in range(50)]


async def test_streams_end_when_the_server_stops(kernel: Kernel) -> None:
    async with serving(create_app(kernel)) as web, reading(web) as reader:
        web.stop.set()
        with pytest.raises(EOFError):
            await reader.event()


# ------------------------------------------------------------------------------------------- the stream alone


async def _silence() -> AsyncIterator[Event]:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
    yield


async def test_silence_is_filled_with_comments() -> None:
    closing = asyncio.Event()
    async with aclosing(stream(_silence(), closing, heartbeat=0.001)) as pieces:
        assert (await anext(pieces)).startswith(b"retry:")
        assert await anext(pieces) == b": heartbeat\n\n"
        assert await anext(pieces) == b": heartbeat\n\n"
        closing.set()
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)


async def test_a_client_that_leaves_frees_what_it_held() -> None:
    freed = asyncio.Event()

    async def feed() -> AsyncIterator[Event]:
        try:
            await asyncio.Event().wait()
            yield  # type: ignore[misc]
        finally:
            freed.set()

    pieces = stream(feed(), asyncio.Event(), heartbeat=0.001)
    await anext(pieces)
    await anext(pieces)
    await pieces.aclose()
    assert freed.is_set()


async def test_a_feed_that_breaks_ends_the_stream() -> None:
    from afield.errors import UnavailableError

    async def feed() -> AsyncIterator[Event]:
        raise UnavailableError("The database is away.")
        yield

    pieces = [piece async for piece in stream(feed(), asyncio.Event())]
    assert len(pieces) == 1
