"""The command: port, ready file, token, lingering, options, and that the event loop never waits for anything else."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
from adapter_process import Adapter, Caller, adapter, calling, command

from afield_sandbox import JailSettings, LocalJail, Submission, Verdict
from afield_sandbox.adapter.activity import Activity
from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.desk import Desk
from afield_sandbox.adapter.options import Kind, Options, parse
from afield_sandbox.adapter.records import Bounds, Status
from afield_sandbox.adapter.service import Service
from afield_sandbox.adapter.submissions import Order
from afield_sandbox.host import Level

QUICK = ("--languages", "python", "--lanes", "2", "--sessions", "1")


async def test_the_ready_file_says_where_and_who(tmp_path: Path) -> None:
    with adapter(tmp_path, *QUICK) as running:
        ready = running.ready
        assert set(ready) == {"url", "port", "pid", "version", "boot_id", "started_at", "protections"}
        assert (ready["url"], ready["pid"]) == (f"http://127.0.0.1:{ready['port']}", running.process.pid)
        assert ready["protections"]["level"] in {"namespaces", "full", "landlock"}
        assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]
        async with calling(running) as caller:
            assert (await caller.run("print(1)"))["stdout"] == "1\n"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ready = tmp_path / "ready"
        for host in ("127.0.0.1", "0.0.0.0"):
            words = command("--host", host, "--port", str(port), "--ready-file", str(ready), *QUICK)
            done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == (
                f"afield-sandbox: port {port} is taken by another program; "
                "end that one, or choose another port with --port.\n"
            )
            assert not ready.exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--host", "192.0.2.1"), 1, "this machine has no address 192.0.2.1"),
        (("--token-file", "/nowhere/token"), 1, "No such file"),
        (("--token-file", os.devnull), 1, "holds no token"),
        (("--minimum", "strong"), 2, "'strong' is none of none"),
        (("--port", "70000"), 2, "70000 is not from 0 to 65535"),
        (("--kind", "other"), 2, "'other' is none of custom, interpreter"),
        (("--surprise",), 2, "unrecognized arguments"),
    ],
)
def test_what_keeps_it_from_starting(options: tuple[str, ...], status: int, said: str) -> None:
    done = subprocess.run(
        command("--port", "0", *QUICK, *options), check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_options_come_from_the_environment_and_the_line_is_stronger() -> None:
    environment = {
        "AFIELD_SANDBOX_PORT": "0",
        "AFIELD_SANDBOX_LANGUAGES": "python, bash",
        "AFIELD_SANDBOX_MINIMUM": "full",
        "AFIELD_SANDBOX_KIND": "interpreter",
        "AFIELD_SANDBOX_LINGER": "1.5",
        "AFIELD_SANDBOX_READY_FILE": "r",
    }
    found = parse(["--port", "7"], environment)
    assert found == Options(
        port=7,
        languages=("python", "bash"),
        minimum=Level.FULL,
        kind=Kind.INTERPRETER,
        linger=1.5,
        ready_file=Path("r"),
    )
    assert parse([], {}) == Options()


def test_an_environment_that_makes_no_sense_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([], {"AFIELD_SANDBOX_PORT": "many"})
    assert "--port" in capsys.readouterr().err


async def test_with_a_token_only_its_holder_is_answered(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame\n")
    with adapter(tmp_path, *QUICK, "--token-file", str(tmp_path / "token")) as running:
        async with calling(running) as caller:
            assert (await caller.get("/health")).status == 200
            for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "sesame"}):
                for method, path in (("GET", "/ready"), ("POST", "/runs"), ("GET", "/nowhere"), ("GET", "/connect")):
                    answer = await caller.ask(method, path, headers=headers)
                    assert (answer.status, answer.code) == (401, "unauthorized")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await caller.http.ws_connect(f"{running.url}/connect")
            assert refused.value.status == 401
            assert refused.value.headers is not None
            assert refused.value.headers["x-afield-adapter"] == running.ready["version"]
            right = {"Authorization": "Bearer sesame"}
            assert (await caller.get("/ready", headers=right)).status == 200


async def test_it_lingers_as_long_as_anything_goes_on(tmp_path: Path) -> None:
    with adapter(tmp_path, *QUICK, "--linger", "0.6") as running:
        async with calling(running) as caller:
            sent = {"language": "python", "files": [{"content": "import time; time.sleep(1.5)"}], "run_id": "long"}
            began = time.monotonic()
            assert (await caller.post("/runs?wait=0", sent)).status == 202
            await asyncio.to_thread(running.process.wait, 20)
        lasted = time.monotonic() - began
        assert 2.0 <= lasted < 10.0
        assert running.process.returncode == 0
        assert not running.ready_file.exists()


async def test_a_file_of_another_process_is_left_alone(tmp_path: Path) -> None:
    with adapter(tmp_path, *QUICK) as running:
        running.process.terminate()
        running.process.wait(20)
    with adapter(tmp_path, *QUICK, "--linger", "0.3") as running:
        running.ready_file.write_bytes(orjson.dumps({"pid": 1}))
        await asyncio.to_thread(running.process.wait, 20)
        assert orjson.loads(running.ready_file.read_bytes()) == {"pid": 1}
        running.ready_file.unlink()


async def test_ending_it_ends_what_runs(tmp_path: Path) -> None:
    with adapter(tmp_path, *QUICK) as running:
        async with calling(running) as caller:
            slow = {
                "language": "python",
                "files": [{"content": "import time; time.sleep(60)"}],
                "limits": {"wall_s": 90},
            }
            await caller.post("/runs?wait=0", slow)
            await caller.post("/executions", {"code": "import time; time.sleep(60)", "executionType": "Asynchronous"})
            waiting = asyncio.create_task(caller.post("/runs", slow))
            began = time.monotonic()
            running.process.terminate()
            await asyncio.to_thread(running.process.wait, 20)
            assert time.monotonic() - began < 10
            with pytest.raises(aiohttp.ClientError):
                await waiting


async def test_more_than_may_wait_is_refused_at_once(tmp_path: Path) -> None:
    few = ("--languages", "python", "--lanes", "1", "--sessions", "1", "--max-waiting", "2")
    with adapter(tmp_path, *few) as running:
        async with calling(running) as caller:
            slow = {
                "language": "python",
                "files": [{"content": "import time; time.sleep(60)"}],
                "limits": {"wall_s": 90},
            }
            begun = [await caller.post("/runs?wait=0", {**slow, "run_id": f"r{n}"}) for n in range(4)]
            assert [answer.status for answer in begun] == [202, 202, 202, 503]
            assert (begun[3].code, begun[3].headers["Retry-After"]) == ("busy", "1")
            assert (await caller.get("/runs/r3")).status == 404
            assert (await caller.post("/runs?wait=0", {**slow, "run_id": "r0"})).status == 202
            assert (await caller.delete("/runs/r0")).status == 202
            assert (await caller.get("/runs/r0?wait=20")).json["status"] == "stopped"
            assert (await caller.post("/runs?wait=0", {**slow, "run_id": "r3"})).status == 202


async def test_a_run_that_is_stopped_before_it_began_has_an_end() -> None:
    activity = Activity()
    async with LocalJail(JailSettings(languages=("python",), lanes=1)) as jail:
        desk = Desk(jail, Clock(), activity, most_runs=1, bounds=Bounds())
        order = Order.of("a", Submission.of("python", "print(1)"), jail.language("python"))
        record = desk.take(order)
        assert activity.quiet_for() == 0
        assert desk.stop(record)
        await record.wait(20)
        assert (record.status, record.verdict) == (Status.STOPPED, Verdict.SIGNAL)
        assert not desk.stop(record)
        assert desk.take(order) is record
        again = desk.take(Order.of("b", order.submission, order.language))  # the place is free again
        await again.wait(20)
        assert again.verdict is Verdict.OK
        await desk.close()


async def test_after_another_boot_nothing_is_remembered(tmp_path: Path) -> None:
    boots = []
    for _ in range(2):
        with adapter(tmp_path, *QUICK) as running:
            async with calling(running) as caller:
                missing = await caller.get("/runs/same")
                assert missing.status == 404
                assert missing.json["remembers_since"] >= running.ready["started_at"]
                await caller.run("print(1)", run_id="same")
                boots.append(running.ready["boot_id"])
    assert len(set(boots)) == 2


async def test_a_weaker_host_looks_the_same_to_python(tmp_path: Path) -> None:
    weak = ("--level", "landlock", "--minimum", "landlock")
    with adapter(tmp_path, *QUICK, *weak) as running:
        assert running.ready["protections"]["level"] == "landlock"
        async with calling(running) as caller:
            assert (await caller.run("print(1)"))["stdout"] == "1\n"
            form = aiohttp.FormData()
            form.add_field("file", b"1", filename="a")
            assert (await caller.post("/files", form)).status == 200
            for code, value in (
                ("import os; os.chdir('/mnt/data'); os.getcwd()", "/mnt/data"),
                ("open('/mnt/data/a').read() + open('a').read()", "11"),
                ("os.makedirs('/mnt/data/d/e'); open('/mnt/data/d/e/f', 'w').write('2')", 1),
                ("import pathlib; pathlib.Path('/mnt/data/d/e/f').read_text()", "2"),
                ("os.path.exists('/mnt/data/d'), os.path.exists('/mnt/data/x')", [True, False]),
            ):
                told = (await caller.post("/executions", {"code": code})).json
                assert told["result"]["executionResult"] == value, told
            assert (await caller.post("/executions", {"shellCommand": "cat d/e/f"})).json["result"]["stdout"] == "2"
            names = [file["name"] for file in (await caller.get("/files")).json["value"]]
            assert names == ["a", "d/e/f"]


async def test_the_event_loop_never_waits_for_files_or_processes(tmp_path: Path) -> None:
    """Here in this process, where every blocking call inside the package is an error."""
    options = Options(port=0, ready_file=tmp_path / "ready", languages=("python", "c"), lanes=2, sessions=1)
    service = await asyncio.to_thread(Service, options)
    await service.start()
    serving = asyncio.create_task(service.serve())
    try:
        ready = orjson.loads((tmp_path / "ready").read_bytes())
        async with aiohttp.ClientSession() as http:
            caller = Caller(http, Adapter(None, tmp_path / "ready", ready))  # type: ignore[arg-type]
            assert (await caller.get("/ready")).status == 200
            assert (await caller.run("print(1)"))["stdout"] == "1\n"
            form = aiohttp.FormData()
            form.add_field("file", b"1", filename="a")
            assert (await caller.post("/files", form)).status == 200
            told = (await caller.post("/executions", {"code": "open('b', 'w'); open('a').read()"})).json
            assert told["result"]["executionResult"] == "1"
            assert len((await caller.get("/files")).json["value"]) == 2
            async with http.ws_connect(f"{ready['url']}/connect") as talk:
                await talk.send_str('{"type":"init","language":"python","files":[{"content":"print(5)"}]}')
                heard = [message.data async for message in talk]
            assert '"verdict":"ok"' in heard[-1]
    finally:
        service.end()
        await serving
        await service.close()
    assert not (tmp_path / "ready").exists()
