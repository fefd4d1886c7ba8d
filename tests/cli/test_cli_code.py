"""`afield code` as a user runs it: processes of its own, on the pool of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_world import SECRET_KEY, Ran, Shell

from afield.config import Settings
from afield.connectors.base import LookQuery, RemoteState
from afield.kernel import open_kernel
from afield.ledger.base import ExecutionFilter
from afield.model.execution import Execution
from afield.model.target import DEFAULT_TENANT

PROGRAM = ("-m", "afield", "code")
MANY = (str(Path(__file__).with_name("cli_many.py")),)
POOL = {"linger": 2, "languages": ["python", "bash", "c"]}

pytestmark = pytest.mark.timeout(120)


def settings_of(shell: Shell) -> Settings:
    return Settings(
        home=Path(shell.environment["AFIELD_HOME"]),
        database_url=shell.environment["AFIELD_DATABASE_URL"],
        secret_key=SECRET_KEY,
    )


@pytest.fixture
async def pool(shell: Shell) -> Shell:
    """This machine's pool, which ends soon after the test."""
    async with open_kernel(settings_of(shell)) as kernel:
        await kernel.add_target(connector="local_pool", name="local-pool", address={}, settings=dict(POOL))
    return shell


async def executions_of(shell: Shell) -> list[Execution]:
    async with open_kernel(settings_of(shell)) as kernel:
        page = await kernel.ledger.executions(ExecutionFilter(tenant_id=DEFAULT_TENANT), limit=100)
        return list(page.items)


def write(shell: Shell, name: str, text: str) -> str:
    (shell.cwd / name).write_text(text)
    return name


async def run(shell: Shell, *arguments: str, given: str = "") -> Ran:
    return await shell.run(*arguments, given=given, program=PROGRAM)


async def run_each(shell: Shell, calls: list[list[str]]) -> list[Ran]:
    """Many, one after the other in one process: starting it takes longer than they do."""
    ran = await shell.run(program=MANY, given=json.dumps([(["code", *call], {}) for call in calls]))
    assert ran.code == 0, ran
    return [Ran(*one) for one in ran.json]


async def test_a_program_prints_where_it_prints(pool: Shell) -> None:
    text = "import sys\nprint(sys.argv[1:], input())\nprint('oops', file=sys.stderr)\n"
    file = write(pool, "hello.py", text)
    ran = await run(pool, "run", file, "--stdin", "-", "--arg", "a", "--arg", "b c", given="zoë\n")
    assert (ran.code, ran.out) == (0, "['a', 'b c'] zoë\n")
    lines = ran.err.splitlines()
    assert lines[0] == "oops"
    assert lines[-1].startswith("ok  exit code 0  ")
    assert "python 3" in lines[-1]
    [execution] = await executions_of(pool)
    assert execution.state == "succeeded"
    assert str(execution.id) in lines[-1]


async def test_exit_codes_say_how_it_ended(pool: Shell) -> None:
    programs: list[tuple[str, str, list[str], int, str]] = [
        ("own.py", "raise SystemExit(7)", [], 7, "runtime error"),
        ("high.py", "raise SystemExit(200)", [], 125, "runtime error"),
        ("slow.py", "while True: pass", ["--time", "0.3"], 224, "time limit"),
        ("die.sh", "kill -SEGV $$", [], 128 + signal.SIGSEGV, "signal"),
        ("bad.c", "int main( {", [], 227, "compile error"),
    ]
    calls = [["run", write(pool, name, text), *options] for name, text, options, _, _ in programs]
    for ran, (_, _, _, code, verdict) in zip(await run_each(pool, calls), programs, strict=True):
        assert (ran.code, ran.out) == (code, ""), ran
        assert ran.err.splitlines()[-1].startswith(f"{verdict}  "), ran


async def test_json_alone_is_printed(pool: Shell) -> None:
    ran = await run(pool, "run", write(pool, "hello.txt", "print('hi')"), "--language", "py", "--json")
    assert (ran.code, ran.err) == (0, "")
    report: dict[str, Any] = ran.json
    assert (report["state"], report["complete"]) == ("succeeded", True)
    assert (report["result"]["stdout"], report["result"]["verdict"]) == ("hi\n", "ok")


async def test_what_cannot_be_run_is_said_before_anything_runs(pool: Shell) -> None:
    (pool.cwd / "bytes.py").write_bytes(b"\xff")
    wrong: list[tuple[list[str], str]] = [
        ([write(pool, "hello.xyz", "1")], "hello.xyz does not say its language."),
        (["missing.py"], "missing.py cannot be read: No such file or directory."),
        (["bytes.py"], "bytes.py is not UTF-8 text."),
        ([write(pool, "nul.py", "a\0b")], "nul.py holds a NUL character."),
        ([write(pool, "a.py", "1"), "--pool", "nobody"], "There is no target 'nobody'."),
        (["a.py", "--language", "cobol"], "The pool runs no language 'cobol'."),
    ]
    calls = [["run", *arguments] for arguments, _ in wrong]
    *each, last = await run_each(pool, [*calls, ["run", "missing.py", "--json"]])
    for ran, (_, message) in zip(each, wrong, strict=True):
        assert (ran.code, ran.out) == (2, ""), ran
        assert ran.err.startswith(f"Error: {message}"), ran
    assert last.problem["code"] == "invalid_input"
    assert await executions_of(pool) == []


async def started(shell: Shell, *arguments: str, **more: Any) -> Any:
    """A command that runs on, with keys that reach it even where the tests run in the background."""
    return await shell.start(
        *arguments, program=PROGRAM, stderr=asyncio.subprocess.PIPE, preexec_fn=_hears_interrupts, **more
    )


def _hears_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


async def test_what_is_printed_comes_at_once_and_ctrl_c_stops_it(pool: Shell) -> None:
    file = write(pool, "endless.py", "print('begun', flush=True)\nimport time\nwhile True: time.sleep(0.1)\n")
    process = await started(pool, "run", file, "--time", "60")
    assert await process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert err.decode().splitlines()[-1] == "Stopped."
    [execution] = await executions_of(pool)
    assert execution.state == "cancelled"


async def test_a_reader_who_goes_away_stops_it(pool: Shell) -> None:
    file = write(pool, "flood.py", "while True: print('x' * 100)\n")
    read, written = os.pipe()
    process = await started(pool, "run", file, "--time", "60", stdout=written)
    os.close(written)
    assert await asyncio.to_thread(os.read, read, 10) == b"x" * 10
    os.close(read)
    await asyncio.wait_for(process.communicate(), 60)
    [execution] = await executions_of(pool)
    assert execution.state in {"cancelled", "failed"}


PROBLEM = """
title: Double it
compare: tokens
tests:
  - {name: small, stdin: "2", expected: "4", points: 1}
  - {stdin: "-3", expected: "-6", points: 3, hidden: true}
"""


async def test_a_solution_is_judged(pool: Shell) -> None:
    write(pool, "problem.yaml", PROBLEM)
    write(pool, "good.py", "print(2 * int(input()))")
    write(pool, "bad.py", "print(2 * abs(int(input())))")
    write(pool, "none.yaml", "title: x\n")
    calls = [["problem.yaml", "good.py"], ["problem.yaml", "bad.py", "--json"], ["none.yaml", "good.py"]]
    good, bad, none = await run_each(pool, [["judge", *call] for call in calls])
    assert (good.code, good.out.splitlines()[-1]) == (0, "accepted  4 of 4 points")
    assert (bad.code, bad.err) == (1, "")
    assert (bad.json["verdict"], bad.json["points"], bad.json["judged"]) == ("wrong_answer", 1, True)
    assert [test["verdict"] for test in bad.json["tests"]] == ["accepted", "wrong_answer"]
    assert none.code == 2
    assert "tests is missing" in none.err
    assert len(await executions_of(pool)) == 4


async def runs_there(shell: Shell) -> None:
    """Until the pool itself says that something runs: judging shows nothing of it."""
    home = {"home": shell.environment["AFIELD_HOME"]}
    async with open_kernel(settings_of(shell)) as kernel, asyncio.timeout(60):
        target = await kernel.find_target("local-pool")
        connector = await kernel.open_connector(replace(target, address=dict(home)))
        everything = LookQuery(since=kernel.clock.now() - timedelta(hours=1))
        try:
            while not any(one.state is RemoteState.RUNNING for one in (await connector.look(everything)).entries):
                await asyncio.sleep(0.1)
        finally:
            await connector.close()


async def test_ctrl_c_stops_judging(pool: Shell) -> None:
    write(
        pool, "problem.yaml", "title: x\nlimits: {wall_s: 60, cpu_s: 60}\ntests: [{expected: '1'}, {expected: '2'}]\n"
    )
    process = await started(pool, "judge", "problem.yaml", write(pool, "endless.py", "while True: pass"))
    await runs_there(pool)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130
    [execution] = await executions_of(pool)
    assert execution.state == "cancelled", execution


async def test_languages_and_pools_are_listed(pool: Shell) -> None:
    calls = [["languages", "--json"], ["languages"], ["pools", "--json"], ["pools"]]
    languages, told, pools, table = await run_each(pool, calls)
    assert {one["language"] for one in languages.json} == {"python", "bash", "c"}
    assert "python3" in told.out
    [view] = pools.json
    assert (view["pool"], view["leases"], view["waiting"]) == ("local-pool", [], {})
    assert table.out.splitlines()[1].startswith("local-pool")
