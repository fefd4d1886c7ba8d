"""Runs over HTTP: results, verdicts, waiting, stopping, the same id again, lost callers, what is refused."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import orjson
import pytest
from adapter_process import Adapter, Caller, adapter, calling
from hypothesis import given
from hypothesis import strategies as st

from afield_sandbox.adapter.submissions import RunBody


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    options = (
        "--languages",
        "python,bash,c",
        "--lanes",
        "4",
        "--sessions",
        "1",
        "--max-body",
        "200000",
        "--max-wall",
        "30",
    )
    with adapter(tmp_path_factory.mktemp("runs"), *options, "--remember-runs", "60") as running:
        yield running


@pytest.fixture
async def caller(at: Adapter) -> AsyncIterator[Caller]:
    async with calling(at) as found:
        yield found


def body(code: str, language: str = "python", **more: object) -> dict[str, object]:
    return {"language": language, "files": [{"content": code}], **more}


async def test_a_run_from_submission_to_result(caller: Caller) -> None:
    before = datetime.now(UTC)
    answer = await caller.post(
        "/runs?identifier=user-1", body("import sys; print(input(), sys.argv[1:])", stdin="hä\n", args=["ö"])
    )
    assert answer.status == 200
    told = answer.json
    assert told["status"] == "finished"
    started, finished = (datetime.fromisoformat(told[name]) for name in ("started_at", "finished_at"))
    assert before <= started <= finished <= datetime.now(UTC)
    result = told["result"]
    assert list(result) == [
        "verdict",
        "exit_code",
        "signal",
        "stdout",
        "stderr",
        "output",
        "message",
        "wall_ms",
        "cpu_ms",
        "memory_bytes",
        "language",
        "version",
        "compile",
    ]
    assert (result["verdict"], result["exit_code"], result["signal"]) == ("ok", 0, None)
    assert result["stdout"] == result["output"] == "hä ['ö']\n"
    assert (result["stderr"], result["message"], result["compile"], result["language"]) == ("", "", None, "python")
    assert result["wall_ms"] > 0
    assert result["cpu_ms"] >= 0
    again = await caller.get(f"/runs/{told['run_id']}")
    assert again.json == told


@pytest.mark.parametrize(
    ("code", "more", "verdict", "exit_code", "signal"),
    [
        ("import sys; sys.exit(3)", {}, "runtime_error", 3, None),
        ("1/0", {}, "runtime_error", 1, None),
        ("import os; os.kill(os.getpid(), 11)", {}, "signal", None, "SIGSEGV"),
        ("while True: pass", {"limits": {"cpu_s": 0.2}}, "time_limit", None, "SIGKILL"),
        ("import time; time.sleep(9)", {"limits": {"wall_s": 0.2}}, "time_limit", None, "SIGKILL"),
        ("while True: print('x' * 1000)", {"limits": {"output_bytes": 5000}}, "output_limit", None, "SIGKILL"),
        ("x = bytearray(10**9)", {"limits": {"memory_bytes": 64 << 20}}, "memory_limit", None, "SIGKILL"),
    ],
)
async def test_verdicts(
    caller: Caller, code: str, more: dict[str, object], verdict: str, exit_code: int | None, signal: str | None
) -> None:
    result = await caller.run(code, **more)
    if verdict == "memory_limit":  # with or without a control group: killed, or an exception
        assert result["verdict"] == verdict
    else:
        assert (result["verdict"], result["exit_code"], result["signal"]) == (verdict, exit_code, signal)
    assert (result["message"] == "") == (verdict == "ok")


async def test_output_that_is_no_text_becomes_text(caller: Caller) -> None:
    result = await caller.run(r"import os; os.write(1, b'a\xff\xc3\xa4\xe2\x82')")
    assert result["stdout"] == "a�ä�"


async def test_large_output_arrives_whole(caller: Caller) -> None:
    result = await caller.run("print('x' * 3_000_000)", limits={"output_bytes": 4_000_000})
    assert (result["verdict"], len(result["stdout"])) == ("ok", 3_000_001)


async def test_files_in_three_encodings(caller: Caller) -> None:
    files = [
        {"name": "a.py", "content": "import b; print(b.X, open('d/c', 'rb').read())"},
        {"name": "b.py", "content": "WCA9IDU=", "encoding": "base64"},
        {"name": "d/c", "content": "00ff", "encoding": "hex"},
    ]
    answer = await caller.post("/runs", {"language": "py3", "version": "3.x", "files": files})
    assert answer.json["result"]["stdout"] == "5 b'\\x00\\xff'\n"


async def test_compiled_once_for_many_inputs(caller: Caller) -> None:
    code = '#include <stdio.h>\nint main(){int n; scanf("%d",&n); printf("%d", n*n); return 0;}'
    answers = await asyncio.gather(*(caller.post("/runs", body(code, "c", stdin=str(n))) for n in range(8)))
    results = [answer.json["result"] for answer in answers]
    assert [result["stdout"] for result in results] == [str(n * n) for n in range(8)]
    later = await caller.run(code, "c", stdin="9", limits={"wall_s": 3})
    assert later["stdout"] == "81"
    compiled = {orjson.dumps(result["compile"]) for result in [*results, later]}
    assert len(compiled) == 1  # one compilation, with its own times, stands behind all of them
    assert results[0]["compile"]["verdict"] == "ok"
    assert "compile" not in results[0]["compile"] or results[0]["compile"]["compile"] is None


async def test_what_does_not_compile(caller: Caller) -> None:
    result = await caller.run("int main( {", "c")
    assert (result["verdict"], result["compile"]["verdict"]) == ("compile_error", "compile_error")
    assert "error" in result["stderr"]
    assert result["exit_code"] == result["compile"]["exit_code"] == 1


async def test_it_goes_on_without_its_caller(caller: Caller) -> None:
    answer = await caller.post("/runs?wait=0", body("import time; time.sleep(0.3); print(1)", run_id="goes-on"))
    assert (answer.status, answer.json["status"], answer.json["finished_at"]) == (202, "running", None)
    assert "result" not in answer.json
    later = await caller.get("/runs/goes-on?wait=20")
    assert (later.status, later.json["result"]["stdout"]) == (200, "1\n")
    short = await caller.post("/runs?wait=20", body("print(2)"))
    assert (short.status, short.json["result"]["stdout"]) == (200, "2\n")


async def test_a_caller_who_hangs_up_does_not_end_it(at: Adapter, caller: Caller) -> None:
    sent = orjson.dumps(body("import time; time.sleep(0.3); print('still here')", run_id="hung-up"))
    head = f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", at.ready["port"])
    writer.write(head + sent)
    await writer.drain()
    while (answer := await caller.get("/runs/hung-up")).status == 404:
        pass
    writer.transport.abort()
    answer = await caller.get("/runs/hung-up?wait=20")
    assert (answer.status, answer.json["result"]["stdout"]) == (200, "still here\n")
    assert await reader.read() == b""


async def test_twenty_times_the_same_id_is_one_run(caller: Caller) -> None:
    wanted = body("import random, time; time.sleep(0.1); print(random.random())", run_id="only-once")
    answers = await asyncio.gather(*(caller.post("/runs", wanted) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["result"]["stdout"] for answer in answers}) == 1
    assert len({answer.json["started_at"] for answer in answers}) == 1
    other = await caller.post("/runs", body("print(1)", run_id="only-once"))
    assert (other.status, other.code) == (409, "run_id_in_use")
    same = await caller.post("/runs", {**wanted, "version": "*", "stdin": ""})
    assert same.json == answers[0].json


async def test_stopping(caller: Caller) -> None:
    begun = await caller.post(
        "/runs?wait=0",
        body("print('up', flush=True)\nimport time; time.sleep(25)", run_id="to-stop", limits={"wall_s": 30}),
    )
    assert begun.status == 202
    asked = await caller.delete("/runs/to-stop")
    assert (asked.status, asked.json["status"]) == (202, "stopping")
    answer = await caller.get("/runs/to-stop?wait=20")
    assert (answer.status, answer.json["status"]) == (200, "stopped")
    assert (answer.json["result"]["verdict"], answer.json["result"]["signal"]) == ("signal", "SIGKILL")
    again = await caller.delete("/runs/to-stop")
    assert (again.status, again.json) == (200, answer.json)
    assert (await caller.delete("/runs/never")).status == 404


async def test_stopping_while_it_compiles_or_waits(caller: Caller) -> None:
    slow = '#include "/dev/zero"\nint main(){}'
    await caller.post(
        "/runs?wait=0", body(slow, "c", run_id="compiling", compile_limits={"wall_s": 20, "memory_bytes": 2 << 30})
    )
    assert (await caller.delete("/runs/compiling")).status == 202
    answer = await caller.get("/runs/compiling?wait=5")
    assert (answer.json["status"], answer.json["result"]["verdict"]) == ("stopped", "signal")


async def test_absence_can_be_proven(caller: Caller) -> None:
    first = await caller.post("/runs", body("print(1)", run_id="first"))
    missing = await caller.get("/runs/none")
    assert (missing.status, missing.code) == (404, "no_such_run")
    since = datetime.fromisoformat(missing.json["remembers_since"])
    for batch in range(3):
        await asyncio.gather(*(caller.post("/runs", body("1", run_id=f"fill-{batch}-{n}")) for n in range(30)))
    gone = await caller.get("/runs/first")
    assert gone.status == 404
    assert datetime.fromisoformat(gone.json["remembers_since"]) > max(
        since, datetime.fromisoformat(first.json["started_at"])
    )
    listing = (await caller.get("/runs")).json
    assert len(listing["runs"]) == 60
    assert {run["verdict"] for run in listing["runs"]} == {"ok"}
    assert all(run["started_at"] >= listing["remembers_since"] for run in listing["runs"])
    fresh = await caller.post("/runs", body("print(2)", run_id="first"))
    assert fresh.json["result"]["stdout"] == "2\n"


_PYTHON = body("print(1)")


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("/runs", b"{", 400, "bad_request"),
        ("/runs", b"", 400, "bad_request"),
        ("/runs", b"[]", 400, "bad_request"),
        ("/runs", b'{"language":"python","files":[{"content":"\xff"}]}', 400, "bad_request"),
        ("/runs", {"language": "python"}, 400, "bad_request"),
        ("/runs", {"language": "python", "files": []}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "surprise": 1}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "run_id": "a/b"}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "run_id": "x" * 129}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "language": "cobol"}, 400, "unknown_language"),
        ("/runs", {**_PYTHON, "version": "2.x"}, 400, "unknown_language"),
        ("/runs", {**_PYTHON, "limits": {"wall_s": 31}}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "limits": {"wall_s": 0}}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "limits": {"memory_bytes": 1}}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "limits": {"memory_bytes": 1 << 50}}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "files": [{"content": "", "name": "../x"}]}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "files": [{"content": "", "name": "x" * 300}]}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "files": [{"content": "", "name": "x" * 1025}]}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "files": [{"content": "?", "encoding": "base64"}]}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "files": [{"content": "", "name": "a"}] * 2}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "files": [{"content": "", "name": f"f{n}"} for n in range(1001)]}, 400, "bad_request"),
        ("/runs", {**_PYTHON, "args": ["\0"]}, 400, "bad_submission"),
        ("/runs", {**_PYTHON, "stdin": "x" * 200_000}, 413, "too_large"),
        ("/runs?wait=soon", _PYTHON, 400, "bad_request"),
        ("/runs?wait=-1", _PYTHON, 400, "bad_request"),
        ("/runs?wait=601", _PYTHON, 400, "bad_request"),
        ("/runs?wait=nan", _PYTHON, 400, "bad_request"),
        ("/runs?identifier=abc", _PYTHON, 400, "bad_identifier"),
        ("/runs?identifier=", _PYTHON, 400, "bad_identifier"),
        ("/runs?identifier=with%20blank", _PYTHON, 400, "bad_identifier"),
        ("/runs?identifier=" + "x" * 129, _PYTHON, 400, "bad_identifier"),
        ("/cobol/execute", {"code": ""}, 400, "unknown_language"),
        ("/python/execute", {"properties": {}}, 400, "bad_request"),
        ("/python/execute", {"nothing": 1}, 400, "bad_request"),
        ("/nowhere", {}, 404, "not_found"),
        ("/health", {}, 405, "method_not_allowed"),
    ],
)
async def test_refused_before_anything_runs(caller: Caller, path: str, sent: object, status: int, code: str) -> None:
    before = (await caller.get("/runs")).json
    answer = await caller.post(path, sent)
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json["error"]["message"]
    assert (await caller.get("/runs")).json == before


async def test_what_is_no_http_is_answered_by_the_adapter_too(at: Adapter) -> None:
    for sent in (b"HELLO\r\n\r\n", b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", at.ready["port"])
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400") or head.startswith(b"HTTP/1.0 400")
        assert f"x-afield-adapter: {at.ready['version']}".encode() in head
        writer.close()


async def test_large_bodies_may_ask_first(at: Adapter) -> None:
    sent = orjson.dumps(body("print(1)", stdin="x" * 100_000))
    with socket.create_connection(("127.0.0.1", at.ready["port"]), timeout=20) as connection:
        connection.sendall(
            f"POST /runs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {len(sent)}\r\n\r\n".encode()
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(sent)
        assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("wrapped", [True, False])
async def test_the_path_names_the_language(caller: Caller, wrapped: bool) -> None:
    flat = {"code": "print(input())", "stdin": "hello"}
    answer = await caller.post("/python/execute?identifier=user-1", {"properties": flat} if wrapped else flat)
    assert answer.status == 200
    assert (answer.json["verdict"], answer.json["stdout"], answer.json["language"]) == ("ok", "hello\n", "python")
    assert (await caller.get(f"/runs/{answer.json['run_id']}")).status == 200


async def test_the_path_names_the_language_and_the_body_the_rest(caller: Caller) -> None:
    sent = {
        "code": "echo $1; cat data; sleep 9",
        "args": ["x"],
        "files": [{"name": "data", "content": "y"}],
        "limits": {"wall_s": 0.3},
        "run_id": "flat",
    }
    answer = await caller.post("/bash/execute", sent)
    assert (answer.json["run_id"], answer.json["verdict"], answer.json["stdout"]) == ("flat", "time_limit", "x\ny")
    assert (await caller.post("/bash/execute", {**sent, "code": "echo"})).status == 409


async def test_health_and_readiness(at: Adapter, caller: Caller) -> None:
    healthy = await caller.get("/health")
    assert (healthy.status, healthy.body) == (200, b"")
    first, second = [await caller.get("/ready") for _ in range(2)]
    assert first.status == 200
    assert first.json == second.json
    assert first.json["ready"] is True
    assert set(first.json["languages"]) == {"python", "bash", "c"}
    assert all(language["ok"] and language["ms"] > 0 for language in first.json["languages"].values())
    assert first.json["protections"] == at.ready["protections"]


_NUMBERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)  # what the caller here can write


@given(
    st.dictionaries(
        st.sampled_from(list(RunBody.model_fields)),
        st.none() | st.booleans() | _NUMBERS | st.text(max_size=3) | st.lists(st.text(max_size=2), max_size=2),
    )
)
async def test_no_body_makes_it_fail(at: Adapter, sent: dict[str, object]) -> None:
    async with calling(at) as caller:
        answer = await caller.post("/runs", sent)
    assert answer.status == 400
