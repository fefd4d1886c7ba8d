"""The routes for running code on the pool of this machine: real programs, in a real jail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web_world import Web, serving

from afield.api.app import create_app
from afield.kernel import Kernel
from afield.ledger.base import EventFilter
from afield.model.target import DEFAULT_TENANT

pytestmark = pytest.mark.timeout(120)
POOL = {"linger": 2, "languages": ["python", "c"]}


@pytest.fixture
async def web(kernel: Kernel, tmp_path: Path) -> AsyncIterator[Web]:
    address = {"home": str(tmp_path / "pool")}
    await kernel.add_target(connector="local_pool", name="local-pool", address=dict(address), settings=dict(POOL))
    async with serving(create_app(kernel)) as served:
        yield served


def piston(text: str, language: str = "python", **more: Any) -> dict[str, Any]:
    return {"language": language, "version": "*", "files": [{"content": text}], **more}


async def test_pistons_answers_are_true(web: Web) -> None:
    programs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (piston("print(input()[::-1])", stdin="abc"), {"stdout": "cba\n", "code": 0, "status": None}),
        (piston("raise SystemExit(3)"), {"code": 3, "status": "RE", "message": "Exited with error status 3"}),
        (piston("import os; os.abort()"), {"code": None, "status": "SG", "signal": "SIGABRT"}),
        (piston("while True: pass", run_cpu_time=300), {"status": "TO", "signal": "SIGKILL", "verdict": "time_limit"}),
        (piston("print('x' * 10**6)"), {"status": "OL", "message": "stdout length exceeded"}),
        (piston("int main(){return 0;}", "c"), {"code": 0, "status": None}),
        (piston("int main( {", "c"), {"status": "RE", "verdict": "compile_error"}),
    ]
    for asked, expected in programs:
        answer = await web.post("/api/v2/execute", asked)
        assert answer.status == 200, answer
        told = answer.json["run"]
        assert {name: told[name] for name in expected} == expected
        assert ("compile" in answer.json) is (asked["language"] == "c")
        recorded = (await web.get(f"/api/v1/executions/{answer.headers['x-afield-execution']}")).json
        assert (recorded["complete"], recorded["labels"]["code_user"]) == (True, "local")


async def test_a_client_that_leaves_ends_its_program(web: Web, kernel: Kernel) -> None:
    async with web.session.ws_connect(f"{web.url}/api/v2/connect") as socket:
        await socket.send_json({"type": "init"} | piston("print(input(), flush=True)\nwhile True: input()"))
        await socket.send_json({"type": "data", "stream": "stdin", "data": "hi\n"})
        heard = [await socket.receive_json(timeout=60) for _ in range(3)]
    assert [one["type"] for one in heard] == ["runtime", "stage", "data"]
    assert heard[2]["data"] == "hi\n"
    events = kernel.ledger.follow(EventFilter(tenant_id=DEFAULT_TENANT), after=0)
    async with asyncio.timeout(60):
        async for event in events:
            if event.to_state == "cancelled":
                break


async def test_signals_reach_a_program(web: Web) -> None:
    text = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(5))\nprint('up', flush=True)\nsignal.pause()"
    async with web.session.ws_connect(f"{web.url}/api/v2/connect") as socket:
        await socket.send_json({"type": "init"} | piston(text))
        while (await socket.receive_json(timeout=60))["type"] != "data":
            pass
        await socket.send_json({"type": "signal", "signal": "SIGTERM"})
        assert await socket.receive_json(timeout=60) == {"type": "exit", "stage": "run", "code": 5, "signal": None}
        await socket.receive(timeout=60)
    assert socket.close_code == 4999


async def test_runs_judging_and_the_pool_itself(web: Web) -> None:
    async with web.session.post(
        f"{web.url}/api/v1/code/runs/stream", json={"language": "py", "code": "print(1)"}
    ) as one:
        assert [line for line in (await one.read()).decode().splitlines() if line.startswith("event: ")] == [
            "event: stage", "event: data", "event: exit", "event: result",
        ]  # fmt: skip
    problem = {"title": "Double it", "tests": [{"stdin": "2", "expected": "4"}, {"stdin": "3", "expected": "6"}]}
    asked = {"language": "python", "code": "print(4)", "problem": problem}
    judged = (await web.post("/api/v1/code/judge", asked)).json
    assert (judged["verdict"], judged["points"], judged["maximum"]) == ("wrong_answer", 1, 2)
    yaml = "title: x\ntests: [{stdin: '2', expected: '4'}]"
    asked = {"language": "python", "code": "print(4)", "problem_yaml": yaml}
    assert (await web.post("/api/v1/code/judge", asked)).json["verdict"] == "accepted"
    [listed] = (await web.get("/api/v1/code/pools")).json["items"]
    one_pool = (await web.get("/api/v1/code/pools/local-pool")).json
    assert listed["pool"] == one_pool["pool"] == "local-pool"
    assert one_pool["runs_per_minute"] > 0
    assert (await web.problem("GET", "/api/v1/code/pools/nobody"))["code"] == "not_found"


async def test_the_same_key_runs_once(web: Web) -> None:
    asked, key = {"language": "python", "code": "import time; print(time.time_ns())"}, {"Idempotency-Key": "k"}
    first = (await web.post("/api/v1/code/runs", asked, headers=key)).json
    assert (await web.post("/api/v1/code/runs", asked, headers=key)).json == first
    other = await web.problem("POST", "/api/v1/code/runs", asked | {"stdin": "x"}, headers=key)
    assert other["code"] == "idempotency_key_reused"
