"""Piston's form over HTTP: requests, errors in its order and words, responses, and its traps answered kindly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
from adapter_process import Adapter, Caller, Json, adapter, calling


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    options = (
        "--languages",
        "python,bash,c",
        "--lanes",
        "4",
        "--sessions",
        "1",
        "--max-wall",
        "3",
        "--max-memory",
        str(1 << 30),
    )
    with adapter(tmp_path_factory.mktemp("piston"), *options) as running:
        yield running


@pytest.fixture
async def caller(at: Adapter) -> AsyncIterator[Caller]:
    async with calling(at) as found:
        yield found


def body(code: str = "print(1)", language: str = "python", **more: object) -> Json:
    return {"language": language, "version": "*", "files": [{"content": code}], **more}


@pytest.mark.parametrize("path", ["/execute", "/api/v2/execute"])
async def test_a_run(caller: Caller, path: str) -> None:
    answer = await caller.post(
        path, body("import sys; print(input(), sys.argv[1]); print('e', file=sys.stderr)", stdin="in", args=["a"])
    )
    assert answer.status == 200
    run = answer.json["run"]
    assert list(answer.json) == ["run", "language", "version"]
    assert list(run) == [
        "stdout",
        "stderr",
        "output",
        "code",
        "signal",
        "message",
        "status",
        "cpu_time",
        "wall_time",
        "memory",
    ]
    assert (run["stdout"], run["stderr"], run["code"], run["signal"], run["message"], run["status"]) == (
        "in a\n",
        "e\n",
        0,
        None,
        None,
        None,
    )
    assert isinstance(run["wall_time"], int)


@pytest.mark.parametrize(
    ("code", "more", "status", "exit_code", "signal"),
    [
        ("exit(3)", {}, "RE", 3, None),
        ("import os; os.kill(os.getpid(), 11)", {}, "SG", None, "SIGSEGV"),
        ("while True: pass", {"run_timeout": 200}, "TO", None, "SIGKILL"),
        ("while True: pass", {"run_cpu_time": 200}, "TO", None, "SIGKILL"),
        ("while True: print('x' * 9999)", {}, "OL", None, "SIGKILL"),
        ("import sys\nwhile True: print('x' * 9999, file=sys.stderr)", {}, "EL", None, "SIGKILL"),
    ],
)
async def test_statuses(
    caller: Caller, code: str, more: Json, status: str, exit_code: int | None, signal: str | None
) -> None:
    run = (await caller.post("/api/v2/execute", body(code, **more))).json["run"]
    assert (run["status"], run["code"], run["signal"]) == (status, exit_code, signal)
    assert run["message"]


async def test_compiling(caller: Caller) -> None:
    fine = (await caller.post("/execute", body('#include <stdio.h>\nint main(){puts("x");}', "c"))).json
    assert (fine["compile"]["code"], fine["run"]["stdout"]) == (0, "x\n")
    broken = (await caller.post("/execute", body("int main( {", "c"))).json
    assert broken["compile"] == broken["run"]
    assert (broken["run"]["code"], broken["run"]["status"]) == (1, "RE")


_TWO_ERRORS = {"run_timeout": "x", "compile_memory_limit": -5}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "language is required as a string"),
        ({"language": 5, "version": 6}, "language is required as a string"),
        ({"language": "python"}, "version is required as a string"),
        ({"language": "python", "version": "*"}, "files is required as an array"),
        (
            {"language": "nope", "version": "*", "files": [{"content": ""}, {"content": 5}]},
            "files[1].content is required as a string",
        ),
        (body(language="nope", version="1"), "nope-1 runtime is unknown"),
        (body(version="latest"), "python-latest runtime is unknown"),
        (body(files=[], run_timeout="x"), "files must include at least one utf8 encoded file"),
        (body(files=[{"content": "00", "encoding": "hex"}]), "files must include at least one utf8 encoded file"),
        (body(**_TWO_ERRORS), "compile_memory_limit must be non-negative"),
        (body(run_timeout="x"), "If specified, run_timeout must be a number"),
        (body(run_timeout=3001), "run_timeout cannot exceed the configured limit of 3000"),
        (body(compile_cpu_time=-2), "compile_cpu_time must be non-negative"),
        (body(run_memory_limit=1 << 40), "run_memory_limit cannot exceed the configured limit of 1073741824"),
        (body(files=[{"content": "", "name": "../../etc/passwd"}]), "'../../etc/passwd' is no file name."),
    ],
)
async def test_errors_in_pistons_order_and_words(caller: Caller, sent: Json, message: str) -> None:
    answer = await caller.post("/api/v2/execute", sent)
    assert (answer.status, answer.json["message"], answer.json["error"]["message"]) == (400, message, message)


async def test_bodies_that_cannot_be_read(caller: Caller) -> None:
    bad = await caller.post("/execute", b"{", headers={"Content-Type": "application/json"})
    assert (bad.status, bad.json["message"]) == (400, "The body is not valid JSON.")
    other = await caller.post("/execute", b"code=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (other.status, other.json["message"]) == (415, "requests must be of type application/json")
    assert (await caller.post("/execute", [])).status == 400
    assert (await caller.get("/api/v2/execute")).status == 405


@pytest.mark.parametrize("nothing", [-1, 0, None, 0.0])
async def test_minus_one_zero_and_null_are_the_default(caller: Caller, nothing: object) -> None:
    names = [f"{stage}_{what}" for stage in ("run", "compile") for what in ("timeout", "cpu_time", "memory_limit")]
    answer = await caller.post("/execute", body(**dict.fromkeys(names, nothing)))
    assert (answer.status, answer.json["run"]["stdout"]) == (200, "1\n")


async def test_a_type_that_is_called_something_else(caller: Caller) -> None:
    sent = orjson.dumps(body("import sys; print(sys.argv[1:])", args=["1", "2", "3"]))
    answer = await caller.post("/api/v2/execute", sent, headers={"Content-Type": "text/plain;charset=UTF-8"})
    assert (answer.status, answer.json["run"]["stdout"]) == (200, "['1', '2', '3']\n")


async def test_the_first_plain_text_is_the_program(caller: Caller) -> None:
    files = [
        {"content": "aGVsbG8=", "encoding": "base64", "name": "data"},
        {"content": "print(open('data').read())", "name": "x.py"},
    ]
    assert (await caller.post("/execute", body(files=files))).json["run"]["stdout"] == "hello\n"


async def test_the_same_run_id_is_one_run(caller: Caller) -> None:
    sent = body("import random; print(random.random())", run_id="piston-1")
    first, second = [(await caller.post("/execute", sent)).json for _ in range(2)]
    assert first == second
    assert (await caller.post("/execute", body("print(2)", run_id="piston-1"))).status == 409
    assert (await caller.get("/runs/piston-1")).status == 200
    assert (await caller.post("/execute", body(run_id="a/b"))).status == 400


async def test_runtimes(caller: Caller) -> None:
    for path in ("/runtimes", "/api/v2/runtimes"):
        listed = (await caller.get(path)).json
        assert [runtime["language"] for runtime in listed] == ["python", "bash", "c"]
        assert all(set(runtime) == {"language", "version", "aliases"} for runtime in listed)
    version = listed[0]["version"]
    for alias in listed[0]["aliases"]:
        assert (await caller.post("/execute", body(language=alias, version=version))).json["version"] == version
