"""Conversations over a WebSocket: messages and their order, signals, input, what is refused, who leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
import pytest
from adapter_process import Adapter, Caller, Json, adapter, calling

SHOUT = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)\nprint('bye', file=sys.stderr)"
COMPLETED = 4999


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    with adapter(tmp_path_factory.mktemp("socket"), "--languages", "python,bash,c", "--lanes", "4") as running:
        yield running


@pytest.fixture
async def caller(at: Adapter) -> AsyncIterator[Caller]:
    async with calling(at) as found:
        yield found


class Talk:
    """One socket, from the caller's side."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, kind: str, **members: object) -> None:
        await self.socket.send_str(orjson.dumps({"type": kind, **members}).decode())

    async def init(self, code: str, language: str = "python", **more: object) -> None:
        await self.say("init", language=language, version="*", files=[{"content": code}], **more)

    async def hear(self) -> Json:
        """The next message; the close code when there is none."""
        message = await self.socket.receive(timeout=20)
        if message.type is aiohttp.WSMsgType.TEXT:
            parsed: Json = orjson.loads(message.data)
            return parsed
        return {"type": "close", "code": self.socket.close_code}

    async def until(self, **members: object) -> Json:
        """The next message with these members."""
        while (message := await self.hear())["type"] != "close":
            if members.items() <= message.items():
                return message
        raise AssertionError(f"it ended before {members}")

    async def rest(self) -> list[Json]:
        messages = [await self.hear()]
        while messages[-1]["type"] != "close":
            messages.append(await self.hear())
        return messages


async def connect(caller: Caller, at: Adapter, path: str = "/connect") -> Talk:
    socket = await caller.http.ws_connect(at.url + path)
    assert socket._response.headers["x-afield-adapter"] == at.ready["version"]
    return Talk(socket)


@pytest.fixture
async def talk(caller: Caller, at: Adapter) -> AsyncIterator[Talk]:
    found = await connect(caller, at)
    yield found
    await found.socket.close()


def said(messages: list[Json], stream: str) -> str:
    return "".join(message["data"] for message in messages if message.get("stream") == stream)


async def test_messages_come_in_pistons_order(talk: Talk) -> None:
    await talk.init('#include <stdio.h>\nint main(){puts("out");fputs("err",stderr);return 3;}', "c", interactive=False)
    messages = await talk.rest()
    kinds = [(message["type"], message.get("stage")) for message in messages if message["type"] != "data"]
    assert kinds == [
        ("runtime", None),
        ("stage", "compile"),
        ("exit", "compile"),
        ("stage", "run"),
        ("exit", "run"),
        ("result", None),
        ("close", None),
    ]
    assert (said(messages, "stdout"), said(messages, "stderr")) == ("out\n", "err")
    *_, exit_, result, close = messages
    assert exit_ == {"type": "exit", "stage": "run", "code": 3, "signal": None, "error": "Exited with status 3."}
    assert (result["status"], result["result"]["verdict"], result["result"]["exit_code"]) == (
        "finished",
        "runtime_error",
        3,
    )
    assert close["code"] == COMPLETED


async def test_what_does_not_compile_ends_after_compiling(talk: Talk) -> None:
    await talk.init("int main( {", "c")
    messages = await talk.rest()
    assert [message["type"] for message in messages if message["type"] != "data"] == [
        "runtime", "stage", "exit", "result", "close",
    ]  # fmt: skip
    assert "error" in said(messages, "stderr")
    assert messages[-2]["result"]["verdict"] == "compile_error"


async def test_input_and_output_in_turns(talk: Talk, caller: Caller) -> None:
    await talk.init(SHOUT, stdin="zero\n", run_id="turns")
    assert (await talk.until(type="data"))["data"] == "ZERO\n"
    for word in ("one", "zwölf"):
        await talk.say("data", stream="stdin", data=f"{word}\n")
        assert (await talk.until(type="data"))["data"] == f"{word.upper()}\n"
    await talk.say("data", stream="stdin", data="")
    messages = await talk.rest()
    assert said(messages, "stderr") == "bye\n"
    result = messages[-2]
    assert (result["run_id"], result["result"]["stdout"]) == ("turns", "ZERO\nONE\nZWÖLF\n")
    kept = (await caller.get("/runs/turns")).json
    assert kept["result"] == result["result"]


async def test_signals_arrive(talk: Talk) -> None:
    await talk.init("trap 'echo got it; exit 5' TERM; echo up; read x", "bash")
    await talk.until(type="data", data="up\n")
    await talk.say("signal", signal="SIGTERM")
    assert (await talk.until(type="exit", stage="run"))["code"] == 5
    result = await talk.until(type="result")
    assert (result["status"], result["result"]["stdout"]) == ("finished", "up\ngot it\n")


async def test_a_signal_can_end_it(talk: Talk) -> None:
    await talk.init("print('up', flush=True)\nimport time; time.sleep(60)")
    await talk.until(type="data", data="up\n")
    await talk.say("signal", signal="SIGKILL")
    assert (await talk.until(type="exit"))["signal"] == "SIGKILL"
    assert (await talk.until(type="result"))["result"]["verdict"] == "signal"


async def test_who_leaves_ends_the_run(talk: Talk, caller: Caller) -> None:
    await talk.init("print('up', flush=True)\nimport time; time.sleep(60)", run_id="left", limits={"wall_s": 90})
    await talk.until(type="data", data="up\n")
    await talk.socket.close()
    answer = (await caller.get("/runs/left?wait=20")).json
    assert (answer["status"], answer["result"]["verdict"], answer["result"]["stdout"]) == ("stopped", "signal", "up\n")


async def test_the_same_id_again_tells_the_first_result(talk: Talk, caller: Caller, at: Adapter) -> None:
    sent: dict[str, Any] = {"run_id": "again", "interactive": False}
    code = "import random, time; time.sleep(0.2); print(random.random())"
    await talk.init(code, **sent)
    other = await connect(caller, at)
    await other.init(code, **sent)
    results = [(await one.until(type="result"))["result"]["stdout"] for one in (talk, other)]
    assert results[0] == results[1]
    third = await connect(caller, at)
    await third.init("print(1)", **sent)
    assert "another submission" in (await third.until(type="error"))["message"]
    assert (await third.hear())["code"] == 4002


async def test_pistons_own_words_are_understood(caller: Caller, at: Adapter) -> None:
    talk = await connect(caller, at, "/api/v2/connect?identifier=user-1")
    await talk.init("import time; time.sleep(9)", run_timeout=200, run_memory_limit=-1, args=[], stdin="")
    result = (await talk.until(type="result"))["result"]
    assert result["verdict"] == "time_limit"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "data", "stream": "stdin", "data": "x"}], 4003),
        ([{"type": "init", "language": "cobol", "version": "*", "files": [{"content": ""}]}], 4002),
        ([{"type": "init", "language": "python"}], 4002),
        (["no json"], 4002),
        (["INIT", {"type": "init"}], 4000),
        (["INIT", {"type": "data", "stream": "stdout", "data": "x"}], 4004),
        (["INIT", {"type": "signal", "signal": "SIGNOTHING"}], 4005),
        (["INIT", {"type": "surprise"}], 4002),
        (["INIT", "no json"], 4002),
        ([], 4001),
    ],
)
async def test_what_is_said_wrongly_ends_it(talk: Talk, caller: Caller, messages: list[Any], code: int) -> None:
    for message in messages:
        if message == "INIT":
            await talk.init("import time; time.sleep(60)")
        else:
            await talk.socket.send_str(message if isinstance(message, str) else orjson.dumps(message).decode())
    heard = await talk.rest()
    assert heard[-1]["code"] == code
    assert (code == 4002) == (heard[-2]["type"] == "error" if len(heard) > 1 else False)
    runs = (await caller.get("/runs")).json["runs"]
    for run in runs:  # whatever it began does not go on
        assert (await caller.get(f"/runs/{run['run_id']}?wait=20")).status == 200


async def test_a_path_for_sockets_is_for_sockets(caller: Caller) -> None:
    answer = await caller.get("/connect")
    assert (answer.status, answer.code) == (426, "upgrade_required")


async def test_many_conversations_at_once(caller: Caller, at: Adapter) -> None:
    async def one(number: int) -> str:
        talk = await connect(caller, at)
        await talk.init(SHOUT)
        await talk.say("data", stream="stdin", data=f"a{number}\n")
        await talk.until(type="data")
        await talk.say("data", stream="stdin", data="")
        return str((await talk.until(type="result"))["result"]["stdout"])

    assert await asyncio.gather(*(one(n) for n in range(12))) == [f"A{n}\n" for n in range(12)]
