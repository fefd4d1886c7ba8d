"""Collecting outputs: parts joined, transfers mended, nothing half done."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from amc_world import SPEC, World, new_intent, now, stub, submitted

from afield.connectors.amc.connector import AmcConnector
from afield.connectors.amc.download import same_parts
from afield.connectors.base import CollectError, Known, LookQuery, Output
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, armed

ROWS = SPEC | {"sql_query": "SELECT campaign, COUNT(DISTINCT user_id) AS users FROM dsp_impressions GROUP BY campaign"}


async def finished(world: World, connector: AmcConnector) -> str:
    await world.settings(instant=False, pending_seconds=0, running_seconds=0, minimum_users=1)
    week = {"type": "ALL"}
    handle = await submitted(connector, new_intent(ROWS | {"time_window": week}))
    await world.sim.admin.wait(what="finished", at_least=1)
    return handle


async def collected(world: World, connector: AmcConnector, handle: str) -> tuple[Output, bytes]:
    output = await connector.collect(handle, world.artifacts.sink("out"))
    assert output.artifact == "out" and world.artifacts.media_types["out"] == "text/csv"
    stored = world.artifacts.stored["out"]
    assert output.size == len(stored)
    return output, stored


async def test_a_result_with_its_columns_and_rows(world: World, connector: AmcConnector) -> None:
    handle = await finished(world, connector)
    output, stored = await collected(world, connector, handle)
    lines = stored.decode().splitlines()
    assert output.columns == ("campaign", "users") and lines[0] == "campaign,users"
    assert output.rows == len(lines) - 1 > 1
    columns: Any = output.detail["output_columns"]
    assert [column["name"] for column in columns] == ["campaign", "users"]


async def test_what_a_look_told_is_not_asked_again(world: World, connector: AmcConnector) -> None:
    handle = await finished(world, connector)
    await connector.look(LookQuery(known=(Known(handle=handle, submitted_at=now()),)))
    output, _ = await collected(world, connector, handle)
    assert output.detail["output_columns"]
    assert await world.calls("get") == 0


async def test_parts_are_joined_under_one_header(world: World, connector: AmcConnector) -> None:
    _, whole = await collected(world, connector, await finished(world, connector))
    await world.faults(result_files={"count": 3})
    output, stored = await collected(world, connector, await finished_again(world, connector))
    assert output.detail["parts"] == 3
    assert sorted(stored.splitlines()) == sorted(whole.splitlines())


async def finished_again(world: World, connector: AmcConnector) -> str:
    handle = await submitted(connector, new_intent(ROWS | {"time_window": {"type": "ALL"}}))
    await world.sim.admin.wait(what="finished", at_least=2)
    return handle


async def test_an_empty_result_has_no_rows(world: World, connector: AmcConnector) -> None:
    await world.faults(empty_result={})
    output, _ = await collected(world, connector, await finished(world, connector))
    assert (output.rows, output.columns) == (0, ("campaign", "users"))


async def test_a_transfer_that_breaks_goes_on_with_fresh_urls(world: World, connector: AmcConnector) -> None:
    handle = await finished(world, connector)
    _, whole = await collected(world, connector, handle)
    before = await world.calls("download_urls")
    await world.faults(download_cut={"next": 2, "after_bytes": 40})
    _, again = await collected(world, connector, handle)
    assert again == whole
    assert await world.calls("download_urls") == before + 3


async def test_a_transfer_that_always_breaks_is_given_up_for_now(world: World, connector: AmcConnector) -> None:
    handle = await finished(world, connector)
    await world.faults(download_cut={"after_bytes": 10})
    sink = Interrupted(world, lambda _: asyncio.sleep(0))
    with pytest.raises(CollectError) as caught:
        await connector.collect(handle, sink)
    assert sink.aborted
    assert caught.value.reason.code == "download_failed" and not caught.value.final
    assert "http" not in caught.value.reason.text
    assert world.artifacts.stored == {}


async def test_urls_that_expire_between_parts_are_replaced(world: World, connector: AmcConnector) -> None:
    await world.faults(result_files={"count": 3})
    handle = await finished(world, connector)
    before = await world.calls("download_urls")

    async def expire(_: str) -> None:
        await world.sim.admin.advance(700)

    sink = Interrupted(world, expire)
    output = await connector.collect(handle, sink)
    assert output.rows == len(world.artifacts.stored["out"].splitlines()) - 1
    assert await world.calls("download_urls") > before + 1


class Interrupted:
    """A sink during whose first write something happens."""

    def __init__(self, world: World, happens: Callable[[str], Awaitable[None]]) -> None:
        self._sink = world.artifacts.sink("out")
        self._happens = happens
        self._first = True
        self.aborted = False

    async def write(self, data: bytes) -> None:
        if self._first:
            self._first = False
            await self._happens("write")
        await self._sink.write(data)

    async def commit(self, media_type: str) -> str:
        return await self._sink.commit(media_type)

    async def abort(self) -> None:
        self.aborted = True
        await self._sink.abort()


@pytest.mark.parametrize("status", [400, 404])
async def test_an_output_that_is_not_ready_can_be_had_later(world: World, connector: AmcConnector, status: int) -> None:
    await world.faults(download_not_ready={"seconds": 600, "status": status})
    handle = await finished(world, connector)
    with pytest.raises(CollectError) as caught:
        await connector.collect(handle, world.artifacts.sink("out"))
    assert caught.value.reason.code == "not_ready" and not caught.value.final
    assert caught.value.retry_after == timedelta(seconds=1)


@pytest.mark.parametrize("calls", ["get", "download_urls"])
async def test_a_throttled_collection_tells_how_long_to_wait(world: World, connector: AmcConnector, calls: str) -> None:
    handle = await finished(world, connector)
    await world.faults(throttled={"calls": [calls], "retry_after": "seconds", "seconds": 8})
    with pytest.raises(CollectError) as caught:
        await connector.collect(handle, world.artifacts.sink("out"))
    assert (caught.value.reason.code, caught.value.retry_after) == ("throttled", timedelta(seconds=8))


async def test_a_dead_credential_is_no_collect_error(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.revoke_refresh_token()
    with pytest.raises(CredentialError):
        await connector.collect("x", world.artifacts.sink("out"))


async def test_the_point_between_two_parts_is_named(world: World, connector: AmcConnector) -> None:
    await world.faults(result_files={"count": 2})
    handle = await finished(world, connector)
    reached: list[bool] = []
    with armed(FaultPoint.DURING_COLLECT, lambda: reached.append("out" in world.artifacts.stored)):
        await collected(world, connector, handle)
    assert reached and not any(reached)


# --------------------------------------------------------------------------------------- parts of our own


def api(parts: list[bytes], headers: dict[str, str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/file/"):
            assert "Authorization" not in request.headers and request.raw_path.endswith("?sig=a%2Fb")
            return web.Response(body=parts[int(request.path[6:])], headers=headers)
        if request.path.endswith("/downloadUrls"):
            root = f"http://{request.host}/file"
            return web.json_response({"downloadUrls": [f"{root}/{n}?sig=a%2Fb" for n in range(len(parts))]})
        return web.json_response({"workflowExecutionId": "e", "status": "SUCCEEDED"})

    return handler


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/gzip"}, {"Content-Encoding": "gzip"}])
async def test_gzip_is_unpacked(world: World, headers: dict[str, str]) -> None:
    parts = [gzip.compress(b'a,b\n1,"x\ny"\n'), gzip.compress(b"a,b\n2,z\n")]
    async with stub(api(parts, headers)) as url, world.connector(base_url=url) as connector:
        output, stored = await collected(world, connector, "e")
    assert (output.rows, stored) == (2, b'a,b\n1,"x\ny"\n2,z\n')


async def test_parts_that_contradict_each_other_are_final(world: World) -> None:
    parts = [b"a\n1\n", b"b\n1\n"]
    async with stub(api(parts, {})) as url, world.connector(base_url=url) as connector:
        with pytest.raises(CollectError) as caught:
            await connector.collect("e", world.artifacts.sink("out"))
    assert caught.value.final and caught.value.reason.code == "parts_disagree"


async def test_a_large_part_is_never_held_whole(world: World) -> None:
    total = 40_000_000
    row = b"0123456789" * 10 + b"\n"
    largest = 0

    class Measured(Interrupted):
        async def write(self, data: bytes) -> None:
            nonlocal largest
            largest = max(largest, len(data))

    parts = [b"a\n" + row * (total // len(row))]
    async with stub(api(parts, {})) as url, world.connector(base_url=url) as connector:
        output = await connector.collect("e", Measured(world, lambda _: asyncio.sleep(0)))
    assert output.rows == total // len(row)
    assert largest <= 1 << 17


def test_fresh_urls_are_put_in_the_order_of_those_before() -> None:
    before = ["https://s3/x/1?sig=a", "https://s3/x/2?sig=b"]
    assert same_parts(before, ["https://s3/x/2?sig=d", "https://s3/x/1?sig=c"]) == [
        "https://s3/x/1?sig=c",
        "https://s3/x/2?sig=d",
    ]
    renamed = ["https://s3/y/8?sig=c", "https://s3/y/9?sig=d"]
    assert same_parts(before, renamed) == renamed
    with pytest.raises(CollectError, match="now has 1"):
        same_parts(before, renamed[:1])
