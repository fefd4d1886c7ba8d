"""The routes for running code: answers, streams, batches, and what is refused before anything runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from web_code_world import ScriptedRunner, printed, report_of, scripted
from web_world import Web

from afield.api import code_stream
from afield.coderunner.pool_errors import QueueFullError, UserQueueFullError
from afield.coderunner.requests import RunReport, RunRequest
from afield.connectors.coding import CodeFile, CodeLimits, CodeResult, Encoding, Verdict
from afield.connectors.talk import Talk, Typed
from afield.errors import AfieldError, InvalidInputError, LookError
from afield.kernel import Kernel
from afield.model.execution import Reason
from afield.model.states import ExecutionState

RUNS = "/api/v1/code/runs"
HELLO: dict[str, Any] = {"language": "python", "code": "print('hello')"}
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
async def web(kernel: Kernel, runner: ScriptedRunner) -> AsyncIterator[Web]:
    async with scripted(kernel, runner) as served:
        yield served


def answering(runner: ScriptedRunner, *answers: CodeResult | RunReport | AfieldError) -> None:
    """One after the other."""
    left = list(answers)

    async def given(_request: RunRequest, _talk: Talk | None) -> CodeResult | RunReport:
        answer = left.pop(0)
        if isinstance(answer, AfieldError):
            raise answer
        return answer

    runner.answer = given  # type: ignore[method-assign]


# ------------------------------------------------------------------------------------------- one run


async def test_a_run_is_answered_with_its_report(web: Web, runner: ScriptedRunner) -> None:
    compiled = CodeResult(verdict=Verdict.OK, exit_code=0)
    report = report_of(printed("hello\n", compile=compiled))
    answering(runner, report)
    answer = await web.post(RUNS, HELLO)
    assert answer.status == 200
    assert answer.headers["location"] == f"/api/v1/executions/{report.execution.id}"
    body = answer.json
    assert (body["execution_id"], body["state"], body["complete"]) == (str(report.execution.id), "succeeded", True)
    assert (body["result"]["verdict"], body["result"]["exit_code"], body["result"]["stdout"]) == ("ok", 0, "hello\n")
    assert body["result"]["compile"]["verdict"] == "ok"
    assert body["created_at"] == "2026-01-02T03:04:05Z"


async def test_all_that_can_be_asked_for_is_passed_on(web: Web, runner: ScriptedRunner) -> None:
    asked = {
        "language": "py", "version": "3.x", "stdin": "1", "args": ["a", "b"], "pool": "north",
        "files": [{"content": "x"}, {"name": "b.bin", "content": "AA==", "encoding": "base64"}],
        "limits": {"wall_s": 2, "memory_bytes": 2**27}, "compile_limits": {"cpu_s": 9},
        "keep": True, "lease": "notebook", "labels": {"course": "cs1"},
    }  # fmt: skip
    assert (await web.post(RUNS, asked, headers={"Idempotency-Key": "k"})).status == 200
    [(request, user)] = runner.asked
    assert user == "local"
    assert request.spec.files == (
        CodeFile(content="x"),
        CodeFile(name="b.bin", content="AA==", encoding=Encoding.BASE64),
    )
    assert (request.spec.language, request.spec.version, request.spec.stdin) == ("py", "3.x", "1")
    assert request.spec.args == ("a", "b")
    assert request.spec.limits == CodeLimits(wall_s=2, memory_bytes=2**27)
    assert request.spec.compile_limits == CodeLimits(cpu_s=9)
    assert (request.pool, request.keep, request.lease, request.idempotency_key) == ("north", True, "notebook", "k")
    assert request.labels == {"course": "cs1"}


async def test_a_run_that_goes_on_is_told_as_that(web: Web, runner: ScriptedRunner) -> None:
    answering(runner, report_of(None, ExecutionState.UNCONFIRMED, Reason("no_reply", "It may have run.")))
    answer = await web.post(RUNS, HELLO)
    assert answer.status == 202
    assert (answer.json["complete"], answer.json["result"]) == (False, None)
    assert answer.json["reason"] == {"code": "no_reply", "text": "It may have run."}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": None}, "body"),
        ({"files": [{"content": "1"}]}, "body"),
        ({"language": ""}, "body.language"),
        ({"session": "abcd"}, "body.session"),
        ({"limits": {"wall_s": 0}}, "body.limits.wall_s"),
        ({"limits": {"wall": 1}}, "body.limits.wall"),
        ({"stdin": "a\0"}, "body"),
        ({"args": [1]}, "body.args.0"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_runs(
    web: Web, runner: ScriptedRunner, changes: dict[str, Any], field: str
) -> None:
    problem = await web.problem("POST", RUNS, HELLO | changes)
    assert problem["status"] == 422
    assert [one["field"] for one in problem["errors"]] == [field]
    assert runner.asked == []


@pytest.mark.parametrize("path", [RUNS, f"{RUNS}/stream"])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (QueueFullError("Too many wait.", retry_after=7), 503, "queue_full"),
        (UserQueueFullError("Too many of yours wait.", retry_after=7), 429, "too_many_waiting"),
        (InvalidInputError("It cannot be."), 422, "invalid_input"),
        (LookError("The pool cannot be asked."), 502, "could_not_look"),
    ],
)
async def test_refusals_are_problems_streams_too(
    web: Web, runner: ScriptedRunner, path: str, error: AfieldError, status: int, code: str
) -> None:
    answering(runner, error)
    answer = await web.post(path, HELLO)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == ("7" if isinstance(error, QueueFullError) else None)


# ------------------------------------------------------------------------------------------- streams


async def events_of(response: aiohttp.ClientResponse) -> list[tuple[str, Any]]:
    text = (await response.read()).decode()
    return [_event(block) for block in text.split("\n\n") if block.startswith("event:")]


def _event(block: str) -> tuple[str, Any]:
    name, data = block.split("\n")
    return name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))


@pytest.mark.parametrize(("path", "headers"), [(RUNS, EVENTS), (f"{RUNS}/stream", {})])
async def test_a_stream_tells_what_is_printed_then_the_result(
    web: Web, runner: ScriptedRunner, path: str, headers: dict[str, str]
) -> None:
    given: list[Typed] = []

    async def play(_request: RunRequest, talk: Talk | None) -> CodeResult:
        assert talk is not None
        await talk.stage("run")
        async for typed in talk.typed():
            given.append(typed)
            break
        await talk.printed("run", "stdout", b"1\n")
        await talk.printed("run", "stderr", b"2\n")
        await talk.ended("run", 0, None)
        return printed("1\n", stderr="2\n")

    runner.answer = play  # type: ignore[method-assign]
    async with web.session.post(web.url + path, json=HELLO, headers=headers) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = await events_of(response)
    assert events[:-1] == [
        ("stage", {"stage": "run"}),
        ("data", {"stream": "stdout", "data": "1\n"}),
        ("data", {"stream": "stderr", "data": "2\n"}),
        ("exit", {"stage": "run", "code": 0, "signal": None}),
    ]
    name, report = events[-1]
    assert (name, report["state"], report["result"]["stdout"]) == ("result", "succeeded", "1\n")
    assert given == [Typed()], "the input that was sent is all there is"


async def test_what_goes_wrong_later_is_an_event(web: Web, runner: ScriptedRunner) -> None:
    async def play(_request: RunRequest, talk: Talk | None) -> CodeResult:
        assert talk is not None
        await talk.stage("run")
        raise LookError("The pool cannot be asked.")

    runner.answer = play  # type: ignore[method-assign]
    async with web.session.post(f"{web.url}{RUNS}/stream", json=HELLO) as response:
        [_, (name, problem)] = await events_of(response)
    assert (name, problem["code"], problem["status"]) == ("error", "could_not_look", 502)


async def test_more_than_waits_for_a_slow_client_is_held_back(web: Web, runner: ScriptedRunner) -> None:
    async def play(_request: RunRequest, talk: Talk | None) -> CodeResult:
        assert talk is not None
        await talk.stage("run")
        for number in range(1000):
            await talk.printed("run", "stdout", b"%d\n" % number)
        return printed("")

    runner.answer = play  # type: ignore[method-assign]
    async with web.session.post(f"{web.url}{RUNS}/stream", json=HELLO) as response:
        events = await events_of(response)
    assert [data["data"] for name, data in events if name == "data"] == [f"{number}\n" for number in range(1000)]


async def _silent(_request: RunRequest, talk: Talk | None) -> CodeResult:
    assert talk is not None
    await talk.stage("run")
    await asyncio.Event().wait()
    raise AssertionError


async def test_silence_is_filled_and_leaving_ends_the_run(
    web: Web, runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_stream, "HEARTBEAT", 0.05)
    runner.answer = _silent  # type: ignore[method-assign]
    async with web.session.post(f"{web.url}{RUNS}/stream", json=HELLO) as response:
        while (await response.content.readline()) != b": heartbeat\n":
            pass
    await asyncio.wait_for(runner.cancelled.wait(), 10)


async def test_a_stream_ends_when_the_server_stops(web: Web, runner: ScriptedRunner) -> None:
    runner.answer = _silent  # type: ignore[method-assign]
    async with web.session.post(f"{web.url}{RUNS}/stream", json=HELLO) as response:
        await response.content.readline()
        web.stop.set()
        await response.read()
    await asyncio.wait_for(runner.cancelled.wait(), 10)


# ------------------------------------------------------------------------------------------- batches


async def test_a_batch_tells_of_each_run(web: Web, runner: ScriptedRunner) -> None:
    answering(runner, printed("1\n"), InvalidInputError("It cannot be."), QueueFullError("Full.", retry_after=3))
    answer = await web.post("/api/v1/code/batches", {"runs": [HELLO] * 3}, headers={"Idempotency-Key": "k"})
    assert answer.status == 200
    first, second, third = answer.json["items"]
    assert (first["report"]["result"]["stdout"], first["refusal"]) == ("1\n", None)
    assert second["report"] is None
    assert (second["refusal"]["code"], second["refusal"]["status"]) == ("invalid_input", 422)
    assert (third["refusal"]["code"], third["refusal"]["retry_after"]) == ("queue_full", 3)
    assert [request.idempotency_key for request, _ in runner.asked] == ["k/0", "k/1", "k/2"]


@pytest.mark.parametrize("number", [0, 51])
async def test_a_batch_has_1_to_50_runs(web: Web, runner: ScriptedRunner, number: int) -> None:
    assert (await web.problem("POST", "/api/v1/code/batches", {"runs": [HELLO] * number}))["status"] == 422
    assert runner.asked == []


# ------------------------------------------------------------------------------------------- the rest


async def test_languages_of_a_pool_are_listed(web: Web, runner: ScriptedRunner) -> None:
    listed = (await web.get("/api/v1/code/runtimes?pool=north")).json["items"]
    assert listed[0] == {"language": "python", "version": "3.12.0", "aliases": ["py", "py3", "python3"]}
    assert runner.pools == ["north"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "give either problem or problem_yaml"),
        ({"problem_yaml": "title: x", "problem": {"title": "x", "tests": [{"expected": "1"}]}}, "give either problem"),
        ({"problem": {"title": "x", "tests": [{"expected_file": "a"}]}}, "cannot name files"),
        ({"problem": {"title": "x", "tests": []}}, "at least 1 item"),
        ({"problem_yaml": "title: [x"}, "The problem is not valid"),
    ],
)
async def test_a_problem_that_is_none_is_refused(web: Web, changes: dict[str, Any], words: str) -> None:
    problem = await web.problem("POST", "/api/v1/code/judge", HELLO | changes)
    assert problem["status"] == 422
    assert words in problem["detail"]


async def test_the_document_describes_the_routes(web: Web) -> None:
    document = (await web.get("/openapi.json")).json
    assert {path for path in document["paths"] if path.startswith("/api/v1/code")} == {
        "/api/v1/code/runs", "/api/v1/code/runs/stream", "/api/v1/code/batches", "/api/v1/code/judge",
        "/api/v1/code/runtimes", "/api/v1/code/pools", "/api/v1/code/pools/{pool}",
    }  # fmt: skip
    assert not [path for path in document["paths"] if path.startswith("/api/v2")]
