"""Piston's WebSocket: its messages, their order, the codes it closes with, and what becomes of a run left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from web_code_world import HELLO, ScriptedRunner, printed, report_of, scripted
from web_world import Web

from afield.api import piston_socket
from afield.coderunner.pool_errors import QueueFullError
from afield.coderunner.requests import RunReport, RunRequest
from afield.connectors.coding import CodeResult, Verdict
from afield.connectors.talk import Talk, Typed
from afield.kernel import Kernel
from afield.model.execution import Reason
from afield.model.states import ExecutionState

INIT = {"type": "init"} | HELLO
RUNTIME = {"type": "runtime", "language": "python", "version": "3.12.0"}
Json = dict[str, Any]


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
async def web(kernel: Kernel, runner: ScriptedRunner) -> AsyncIterator[Web]:
    async with scripted(kernel, runner) as served:
        yield served


class Client:
    """One connection, from its client's side."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(orjson.dumps(message).decode())

    async def hear(self) -> Json:
        message = await self.socket.receive(timeout=20)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        heard: Json = orjson.loads(message.data)
        return heard

    async def rest(self) -> tuple[list[Json], int, str]:
        """All messages up to the end, the code it was closed with, and the words."""
        heard = []
        while (message := await self.socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
            heard.append(orjson.loads(message.data))
        return heard, message.data, message.extra


@asynccontextmanager
async def connected(web: Web, query: str = "", **more: Any) -> AsyncIterator[Client]:
    async with web.session.ws_connect(f"{web.url}/api/v2/connect{query}", **more) as socket:
        yield Client(socket)


def playing(runner: ScriptedRunner, play: Callable[[Talk], Awaitable[CodeResult | RunReport]]) -> None:
    """What happens when something is run, as the pool would tell it."""

    async def answer(_request: RunRequest, talk: Talk | None) -> CodeResult | RunReport:
        assert talk is not None
        return await play(talk)

    runner.answer = answer  # type: ignore[method-assign]


async def _echoing(talk: Talk) -> CodeResult:
    """A program that prints what it reads, until its input ends or it gets a signal."""
    await talk.stage("run")
    async for typed in talk.typed():
        if typed.signal:
            await talk.ended("run", None, typed.signal)
            return CodeResult(verdict=Verdict.SIGNAL, signal=typed.signal)
        if typed == Typed():
            break
        await talk.printed("run", "stdout", typed.data)
    await talk.ended("run", 0, None)
    return printed("")


# ------------------------------------------------------------------------------------------- messages


async def test_a_compiled_program_is_told_stage_by_stage(web: Web, runner: ScriptedRunner) -> None:
    async def play(talk: Talk) -> CodeResult:
        await talk.stage("compile")
        await talk.printed("compile", "stderr", b"warning\n")
        await talk.ended("compile", 0, None)
        await talk.stage("run")
        await talk.printed("run", "stdout", "h\u00e9".encode()[:2])
        await talk.printed("run", "stdout", "h\u00e9".encode()[2:] + b"\xff")
        await talk.ended("run", 3, None)
        return CodeResult(verdict=Verdict.RUNTIME_ERROR, exit_code=3)

    playing(runner, play)
    async with connected(web, "?pool=north") as client:
        await client.say(**INIT | {"language": "cpp"})
        heard, code, words = await client.rest()
    assert heard == [
        {"type": "runtime", "language": "c++", "version": "12.2.0"},
        {"type": "stage", "stage": "compile"},
        {"type": "data", "stream": "stderr", "data": "warning\n"},
        {"type": "exit", "stage": "compile", "code": 0, "signal": None},
        {"type": "stage", "stage": "run"},
        {"type": "data", "stream": "stdout", "data": "h"},
        {"type": "data", "stream": "stdout", "data": "\u00e9\ufffd"},
        {"type": "exit", "stage": "run", "code": 3, "signal": None},
    ]
    assert (code, words) == (4999, "Job Completed")
    assert runner.asked[0][0].pool == "north"


async def test_input_reaches_the_program_and_ends(web: Web, runner: ScriptedRunner) -> None:
    playing(runner, _echoing)
    async with connected(web) as client:
        await client.say(**INIT | {"stdin": "first"})
        assert [await client.hear(), await client.hear()] == [RUNTIME, {"type": "stage", "stage": "run"}]
        await client.say(type="data", stream="stdin", data="a\n")
        assert await client.hear() == {"type": "data", "stream": "stdout", "data": "a\n"}
        await client.say(type="unknown")
        await client.say(type="data", stream="stdin", data="b", eof=True)
        heard, code, _ = await client.rest()
    assert [one.get("data") for one in heard] == ["b", None]
    assert heard[-1] == {"type": "exit", "stage": "run", "code": 0, "signal": None}
    assert code == 4999
    assert runner.asked[0][0].spec.stdin == "first"


async def test_signals_reach_the_program(web: Web, runner: ScriptedRunner) -> None:
    playing(runner, _echoing)
    async with connected(web) as client:
        await client.say(**INIT)
        await client.hear()
        await client.say(type="signal", signal="SIGTERM")
        heard, code, _ = await client.rest()
    assert heard[-1] == {"type": "exit", "stage": "run", "code": None, "signal": "SIGTERM"}
    assert code == 4999


async def test_a_pool_that_lets_nobody_watch_is_told_at_the_end(web: Web, runner: ScriptedRunner) -> None:
    async def play(_talk: Talk) -> CodeResult:
        compiled = CodeResult(verdict=Verdict.OK, exit_code=0)
        return printed("1\n", stderr="2\n", compile=compiled)

    playing(runner, play)
    async with connected(web) as client:
        await client.say(**INIT)
        heard, code, _ = await client.rest()
    assert [(one["type"], one.get("stage") or one.get("data")) for one in heard[1:]] == [
        ("stage", "compile"), ("exit", "compile"), ("stage", "run"), ("data", "1\n"), ("data", "2\n"), ("exit", "run"),
    ]  # fmt: skip
    assert code == 4999


# ------------------------------------------------------------------------------------------- closing


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"type": "init"} | HELLO, 4000, "Already Initialized"),
        ({"type": "data", "stream": "stdout", "data": "x"}, 4004, "Can only write to stdin"),
        ({"type": "signal", "signal": "SIGNOTHING"}, 4005, "Invalid signal"),
        ({"type": "signal", "signal": 9}, 4005, "Invalid signal"),
    ],
)
async def test_what_may_not_be_said_closes_and_ends_the_run(
    web: Web, runner: ScriptedRunner, said: Json, code: int, words: str
) -> None:
    playing(runner, _echoing)
    async with connected(web) as client:
        await client.say(**INIT)
        assert [await client.hear(), await client.hear()] == [RUNTIME, {"type": "stage", "stage": "run"}]
        await client.say(**said)
        assert await client.rest() == ([], code, words)
    await asyncio.wait_for(runner.cancelled.wait(), 10)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need more than Piston's second."""
    monkeypatch.setattr(piston_socket, "INIT_S", 30.0)


@pytest.mark.parametrize("said", [{"type": "data", "stream": "stdin", "data": ""}, {"type": "signal"}])
async def test_nothing_can_be_said_before_init(web: Web, runner: ScriptedRunner, said: Json) -> None:
    async with connected(web) as client:
        await client.say(type="unknown")
        await client.say(**said)
        assert await client.rest() == ([], 4003, "Not yet initialized")
    assert runner.asked == []


async def test_who_says_nothing_is_sent_away(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piston_socket, "INIT_S", 0.05)
    async with connected(web) as client:
        assert await client.rest() == ([], 4001, "Initialization Timeout")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "the message is not valid JSON: "),
        ('{"type": "init"}', "language is required as a string"),
        ('{"type": "init", "language": "cobol", "version": "*", "files": []}', "cobol-* runtime is unknown"),
    ],
)
async def test_errors_are_told_before_closing(web: Web, said: str, message: str) -> None:
    async with connected(web) as client:
        await client.socket.send_str(said)
        [told], code, words = await client.rest()
    assert told["type"] == "error"
    assert told["message"].startswith(message)
    assert (code, words) == (4002, "Notified Error")


async def test_input_that_nobody_reads_is_bounded(web: Web, runner: ScriptedRunner) -> None:
    async def deaf(talk: Talk) -> CodeResult:
        await talk.stage("run")
        await asyncio.Event().wait()
        raise AssertionError

    playing(runner, deaf)
    async with connected(web) as client:
        await client.say(**INIT)
        for _ in range(3):
            await client.say(type="data", stream="stdin", data="x" * 500_000)
        heard, code, _ = await client.rest()
    assert heard[-1] == {"type": "error", "message": "the program does not read its input"}
    assert code == 4002


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (QueueFullError("Too many wait.", retry_after=7), "Too many wait. Ask again in 7 s."),
        (report_of(None, ExecutionState.REJECTED, Reason("x", "The pool says no.")), "The pool says no."),
    ],
)
async def test_a_run_that_comes_to_nothing_is_told(
    web: Web, runner: ScriptedRunner, answer: Exception | RunReport, message: str
) -> None:
    async def play(_talk: Talk) -> RunReport:
        if isinstance(answer, Exception):
            raise answer
        return answer

    playing(runner, play)
    async with connected(web) as client:
        await client.say(**INIT)
        assert await client.rest() == ([RUNTIME, {"type": "error", "message": message}], 4002, "Notified Error")


async def test_a_client_that_goes_away_ends_its_run(web: Web, runner: ScriptedRunner) -> None:
    playing(runner, _echoing)
    async with connected(web) as client:
        await client.say(**INIT)
        await client.hear()
    await asyncio.wait_for(runner.cancelled.wait(), 10)


async def test_the_server_stops_without_waiting_for_programs(web: Web, runner: ScriptedRunner) -> None:
    playing(runner, _echoing)
    async with connected(web) as client:
        await client.say(**INIT)
        await client.hear()
        web.stop.set()
        _, code, _ = await client.rest()
    assert code in {1001, 1012}
    await asyncio.wait_for(runner.cancelled.wait(), 10)


async def test_a_page_of_another_site_may_not_connect(web: Web) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(web, origin="https://elsewhere.example"):
            pass
    assert refused.value.status == 403
