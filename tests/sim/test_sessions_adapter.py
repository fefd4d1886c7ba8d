"""A custom pool with the real adapter in its containers: runs go in, results come out, and what faults do to them."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from sessions_caller import Sessions, pools_with

HELLO = {"language": "python", "files": [{"content": "print('hello')"}]}
ENDLESS = {"language": "python", "files": [{"content": "while True: pass"}], "limits": {"wall_s": 30, "cpu_s": 30}}


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    async with pools_with(None) as sessions:
        yield sessions


async def test_a_run_and_its_repetition(pool: Sessions):
    first = await pool.send("POST", "/runs", data={**HELLO, "run_id": "r1"})
    again = await pool.send("POST", "/runs", data={**HELLO, "run_id": "r1"})
    assert first.status == 200
    assert first.json == again.json
    assert (first.json["result"]["verdict"], first.json["result"]["stdout"]) == ("ok", "hello\n")
    assert first.headers["x-afield-boot"] == again.headers["x-afield-boot"]
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_a_404_of_the_adapter(pool: Sessions):
    answer = await pool.send("GET", "/no/such/path")
    assert (answer.status, "x-afield-adapter" in answer.headers) == (404, True)
    assert answer.json["adapter"].startswith("afield-sandbox/")


async def test_a_lost_reply_is_found_by_its_id(pool: Sessions):
    await pool.send("GET", "/health")
    await pool.fault(reply_lost=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await pool.send("POST", "/runs", data={**HELLO, "run_id": "r1"})
    found = (await pool.send("GET", "/runs/r1")).json
    assert (found["status"], found["result"]["stdout"]) == ("finished", "hello\n")
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_a_run_dies_with_its_adapter(pool: Sessions):
    started = await pool.send("POST", "/runs", data={**ENDLESS, "run_id": "r1"}, wait="0")
    assert (started.status, started.json["status"]) == (202, "running")
    await pool.fault(adapter_dead=True)
    assert (await pool.send("GET", "/runs/r1")).status == 502
    await pool.admin.clear_faults()
    found = await pool.send("GET", "/runs/r1")
    assert (found.status, found.json["error"]["code"]) == (404, "no_such_run")
    assert found.json["remembers_since"] > started.json["started_at"]
    assert found.headers["x-afield-boot"] != started.headers["x-afield-boot"]
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_live_output_over_a_websocket(pool: Sessions):
    url = f"{pool.pool.endpoint}/connect?identifier=user-1"
    async with pool.http.ws_connect(url, headers={"Authorization": f"Bearer {pool.token}"}) as socket:
        files = [{"content": "print(input() + ' world')"}]
        await socket.send_json({"type": "init", "language": "python", "version": "*", "files": files, "run_id": "r1"})
        await socket.send_json({"type": "data", "stream": "stdin", "data": "hello\n"})
        told = [orjson.loads(message.data) async for message in socket]
    assert [one["data"] for one in told if one["type"] == "data"] == ["hello world\n"]
    assert next(one for one in told if one["type"] == "result")["result"]["verdict"] == "ok"
    assert socket.close_code == 4999
    assert (await pool.counts())["runs"] == {"user-1": {"r1": 1}}


async def test_sessions_side_by_side(pool: Sessions):
    bodies = [{**HELLO, "run_id": f"r{number}"} for number in range(4)]
    sent = (pool.send("POST", "/runs", f"user-{number}", data=body) for number, body in enumerate(bodies))
    answers = await asyncio.gather(*sent)
    assert [one.json["result"]["stdout"] for one in answers] == ["hello\n"] * 4
    assert len({one.headers["x-afield-boot"] for one in answers}) == 4
