"""Published clients that nobody here wrote run real code through the pools."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sessions_caller import Sessions, pools_with

PYTHON = Path(__file__).parents[2] / ".venv-clients" / "bin" / "python"
SCRIPT = Path(__file__).with_name("sessions_clients.py")

pytestmark = pytest.mark.slow


@pytest.fixture
async def pool() -> AsyncIterator[Sessions]:
    """Pools whose containers are real adapters."""
    if not PYTHON.exists():
        pytest.skip("needs the published clients; get them with: make clients")
    async with pools_with(None) as sessions:
        yield sessions


@pytest.fixture
def drive(pool: Sessions, tmp_path: Path):
    """Runs a client in a process of its own; what it got."""

    async def run(client: str, endpoint: str) -> dict[str, Any]:
        given = {
            "endpoint": endpoint,
            "token": pool.token,
            "ca_file": pool.sim.sessions.ca_file,
            "folder": str(tmp_path),
        }
        process = await asyncio.create_subprocess_exec(
            str(PYTHON), "-I", str(SCRIPT), client, json.dumps(given), cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, failed = await process.communicate()
        assert process.returncode == 0, (process.returncode, said.decode(), failed.decode())
        return json.loads(said.splitlines()[-1].removeprefix(b"got "))

    return run


async def test_langchain_runs_python(pool: Sessions, drive):
    got = await drive("langchain_python", pool.sim.sessions.interpreter.endpoint)
    assert got["value"]["result"] == got["value"]["executionResult"] == 42
    assert got["value"]["status"] == "Success"
    assert got["kept"]["stdout"] == "42\n"
    assert got["failed"]["status"] == "Failure"
    assert "ZeroDivisionError" in got["failed"]["stderr"]
    assert got["uploaded"] == ["a b.txt", 10]
    assert got["read"] == "some text\n\n"
    assert got["files"] == ["a b.txt", "made.bin"]
    assert got["made"] is True
    assert got["fresh"] is False


async def test_langchain_runs_bash(pool: Sessions, drive):
    got = await drive("langchain_bash", pool.sim.sessions.shell.endpoint)
    assert got["hello"] == {"stdout": "hello\n", "stderr": "oops\n", "exitCode": 0}
    assert got["failed"]["exitCode"] == 3
    assert got["uploaded"] == ["a.txt", 10]
    assert got["read"] == got["downloaded"] == "some text\n"
    assert got["files"] == ["a.txt"]


async def test_llama_index(pool: Sessions, drive):
    got = await drive("llama_index", pool.sim.sessions.interpreter.endpoint)
    assert got["value"]["properties"]["result"] == 42
    assert got["kept"]["properties"]["stdout"] == "42\n"
    assert got["uploaded"] == ["a.txt"]
    assert got["files"] == ["/mnt/data/a.txt"]
    assert got["downloaded"] == "some text\n"


async def test_autogen_finds_its_state_again(pool: Sessions, drive):
    got = await drive("autogen", pool.sim.sessions.interpreter.endpoint)
    assert got["first"] == [0, "None42\nNone"]
    assert got["kept"] == [0, "43\nNone"]
    assert got["failed"][0] == 1
    assert "ValueError: no" in got["failed"][1]
    assert got["read"] == [0, "some text\n\nNone"]
    assert got["files"] == ["a.txt", "made.txt"]
    assert got["made"] == "made"
    assert got["fresh"][1].startswith("False")
    assert got["scopes"] == ["https://dynamicsessions.io/.default"]


async def test_semantic_kernel_over_https(pool: Sessions, drive):
    got = await drive("semantic_kernel", pool.sim.sessions.https["interpreter"])
    assert got["value"].startswith("Status:\nSuccess\nResult:\n42\n")
    assert "Stdout:\n42\n" in got["kept"]
    assert got["uploaded"] == ["a.txt", 10]
    assert "Stdout:\nsome text\n" in got["read"]
    assert got["files"] == ["/mnt/data/a.txt"]
    assert got["downloaded"] == "some text\n"


async def test_piston_rs(pool: Sessions, drive):
    async with with_identifier(pool.pool.endpoint, "piston-1") as address:
        got = await drive("piston", f"{address}/api/v2")
    assert {"python", "bash"} <= set(got["languages"])
    assert (got["python"]["stdout"], got["python"]["code"], got["python"]["error"]) == ("42\n", 0, False)
    assert (got["bash"]["stdout"], got["bash"]["code"]) == ("42\n", 3)
    assert got["unknown"]["error"] is True
    assert "runtime is unknown" in got["unknown"]["stderr"]
    runs = (await pool.counts())["runs"]["piston-1"]
    assert list(runs.values()) == [1, 1]


@asynccontextmanager
async def with_identifier(endpoint: str, identifier: str) -> AsyncIterator[str]:
    """An address that adds the identifier to what goes to the endpoint: clients of Piston know of none."""
    async with aiohttp.ClientSession() as session:

        async def add(http: web.Request) -> web.Response:
            headers = {name: http.headers[name] for name in ("Authorization", "Content-Type") if name in http.headers}
            url, query = endpoint + http.path, {"identifier": identifier}
            body = await http.read()
            async with session.request(http.method, url, params=query, data=body, headers=headers) as answer:
                kind = answer.headers["Content-Type"]
                return web.Response(status=answer.status, body=await answer.read(), headers={"Content-Type": kind})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", add)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
