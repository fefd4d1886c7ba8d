"""The jail as its callers use it: languages, compiled programs, streams, many at once, and what dies on the way."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from hello import HELLO

import afield_sandbox
from afield_sandbox import (
    BadSubmissionError,
    BusyError,
    ClosedError,
    File,
    JailSettings,
    Level,
    Limits,
    LocalJail,
    Stream,
    Submission,
    TooWeakError,
    UnknownLanguageError,
    Verdict,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_language_that_is_found_runs(strong_jail: LocalJail) -> None:
    found = {language.name: language for language in strong_jail.languages()}
    assert {"python", "bash"} <= found.keys()
    expected = {name for name, tool in [("javascript", "node"), ("c", "gcc"), ("java", "javac")] if shutil.which(tool)}
    assert expected <= found.keys()
    for name, language in found.items():
        assert language.version[0].isdigit(), name
        outcome = await strong_jail.run(Submission.of(name, HELLO[name], stdin=b"abc\n"))
        assert (outcome.verdict, outcome.stdout) == (Verdict.OK, b"cba\n"), (name, outcome)
        assert (outcome.compile is not None) == (language.compile is not None)


async def test_compiled_once_run_many_times(strong_jail: LocalJail) -> None:
    code = '#include <stdio.h>\nint main(int c,char**v){int a,b;scanf("%d%d",&a,&b);printf("%d %d",a+b,c);return 3;}'
    program = await strong_jail.compile(Submission.of("c", code))
    runs = [strong_jail.run(program, stdin=f"{n} 1".encode(), args=("x",)) for n in range(9)]
    outcomes = await asyncio.gather(*runs)
    assert [o.stdout for o in outcomes] == [f"{n + 1} 2".encode() for n in range(9)]
    assert {o.exit_code for o in outcomes} == {3}


async def test_a_compiler_is_in_jail_too(strong_jail: LocalJail) -> None:
    program = await strong_jail.compile(Submission.of("c", '#include "/etc/shadow"\nint main(){}'))
    assert not program.ready
    assert program.compiled is not None
    assert program.compiled.verdict is Verdict.COMPILE_ERROR
    assert b"No such file" in program.compiled.stderr
    endless = Submission("c", (File("a.c", b'#include "/dev/zero"\n'),), compile_limits=Limits(wall_s=0.5))
    assert (await strong_jail.run(endless)).verdict in {Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.COMPILE_ERROR}
    with pytest.raises(BadSubmissionError):
        async with strong_jail.started(program):
            pass


async def test_files_arguments_and_what_is_left(strong_jail: LocalJail) -> None:
    code = (
        "import sys, os, helper; print(sys.argv[1:], helper.X, open('data/in').read()); open('out', 'w').write('left')\n"
        "os.symlink('/etc/passwd', 'link')"
    )
    files = (File("a.py", code.encode()), File("helper.py", b"X = 5"), File("data/in", b"in"))
    outcome = await strong_jail.run(Submission("py3", files, args=("1", "ü")), keep_bytes=1000)
    assert outcome.stdout.decode() == "['1', 'ü'] 5 in\n"
    assert outcome.files["out"].content == b"left"
    assert "link" not in outcome.files


async def test_python_is_as_python_does(strong_jail: LocalJail) -> None:
    code = """
        import atexit, sys, threading
        atexit.register(lambda: print("last"))
        threading.Thread(target=lambda: print("thread")).run()
        print(__name__, __file__, sys.argv, len(sys.path) > 1)
        print([name for name in sys.modules if name.startswith("afield")])
        def broken():
            return 1 / 0
        broken()
    """
    outcome = await strong_jail.run(Submission.of("python", textwrap.dedent(code)))
    first, *others = outcome.stdout.decode().splitlines()
    assert first == "thread"
    assert others == ["__main__ /box/code/main.py ['/box/code/main.py'] True", "[]", "last"]
    trace = outcome.stderr.decode()
    assert trace.startswith('Traceback (most recent call last):\n  File "/box/code/main.py", line 9, in <module>\n')
    assert trace.endswith("ZeroDivisionError: division by zero\n")


async def test_workers_differ_in_what_they_think_up(strong_jail: LocalJail) -> None:
    runs = [strong_jail.run(Submission.of("python", "import random; print(random.random())")) for _ in range(4)]
    assert len({o.stdout for o in await asyncio.gather(*runs)}) == 4


async def test_large_input(strong_jail: LocalJail) -> None:
    data = os.urandom(1 << 20) * 8
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    assert (await strong_jail.run(Submission.of("python", code, stdin=data))).stdout == b"8388608\n"
    assert (await strong_jail.run(Submission.of("python", "print(1)", stdin=data))).stdout == b"1\n"


async def test_output_streams_while_it_runs_and_input_follows(strong_jail: LocalJail) -> None:
    said: asyncio.Queue[tuple[Stream, bytes]] = asyncio.Queue()
    code = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)\nprint('bye', file=sys.stderr)"
    program = await strong_jail.compile(Submission.of("python", code))
    async with strong_jail.started(program, lambda s, p: said.put_nowait((s, p)), interactive=True) as run:
        ending = asyncio.create_task(run.finish())
        for word in ("one", "two"):
            run.write(word.encode() + b"\n")
            assert await said.get() == (Stream.STDOUT, word.upper().encode() + b"\n")
        run.end_input()
        outcome = await ending
    assert (outcome.verdict, outcome.stdout, outcome.stderr) == (Verdict.OK, b"ONE\nTWO\n", b"bye\n")
    assert outcome.merged == b"ONE\nTWO\nbye\n"


async def test_signals_reach_the_program(strong_jail: LocalJail) -> None:
    ready = asyncio.Event()
    program = await strong_jail.compile(Submission.of("bash", "trap 'echo got it; exit 5' TERM; echo up; read x"))
    async with strong_jail.started(program, lambda *_: ready.set(), interactive=True) as run:
        ending = asyncio.create_task(run.finish())
        await ready.wait()
        run.signal(signal.SIGTERM)
        outcome = await ending
    assert (outcome.exit_code, outcome.stdout) == (5, b"up\ngot it\n")


async def test_fifty_at_once(strong_jail: LocalJail) -> None:
    runs = [strong_jail.run(Submission.of("python", f"print({n} ** 2)")) for n in range(50)]
    assert [o.stdout for o in await asyncio.gather(*runs)] == [f"{n**2}\n".encode() for n in range(50)]


def _processes(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if mark in (process.info["cmdline"] or []):
            found.append(process)
    return found


async def _marked(mark: str) -> psutil.Process:
    while not (found := _processes(mark)):
        await asyncio.sleep(0.01)
    return found[0]


async def test_nothing_is_left_of_a_run(strong_jail: LocalJail) -> None:
    code = "for i in 1 2 3; do (setsid nohup sleep 271828 & ) ; done; (sleep 271828 &) & sleep 0.1; echo done"
    outcome = await strong_jail.run(Submission.of("bash", code))
    assert (outcome.verdict, outcome.stdout) == (Verdict.OK, b"done\n")
    assert outcome.wall_s < 2
    assert _processes("271828") == []


@pytest.mark.parametrize(("victim", "verdict"), [("program", Verdict.SIGNAL), ("init", Verdict.INTERNAL_ERROR)])
async def test_killed_from_outside(strong_jail: LocalJail, victim: str, verdict: Verdict) -> None:
    mark = "314159" if victim == "init" else "314160"
    running = asyncio.create_task(strong_jail.run(Submission.of("bash", f"exec sleep {mark}")))
    program = await _marked(mark)
    parent = program.parent()
    assert parent is not None
    os.kill(parent.pid if victim == "init" else program.pid, signal.SIGKILL)
    outcome = await running
    assert (outcome.verdict, outcome.exit_code) == (verdict, None)
    assert (await strong_jail.run(Submission.of("python", "print(1)"))).stdout == b"1\n"
    assert _processes(mark) == []


async def test_a_nursery_that_is_killed_is_built_again() -> None:
    async with LocalJail(JailSettings(languages=("python", "bash"), lanes=2)) as jail:
        running = asyncio.create_task(jail.run(Submission.of("bash", "exec sleep 161803")))
        await _marked("161803")
        before = jail.pool.nursery_pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert (await running).verdict is Verdict.INTERNAL_ERROR
        outcomes = await asyncio.gather(*(jail.run(Submission.of("python", "print(1)")) for _ in range(5)))
        assert {o.stdout for o in outcomes} == {b"1\n"}
        assert jail.pool.nursery_pid != before
        assert _processes("161803") == []


def _groups(pid: int) -> set[str]:
    """Control groups of a keeper; others may be made and removed meanwhile."""
    folders = (name for _, below, _ in os.walk("/sys/fs/cgroup") for name in below)
    return {name for name in folders if name.startswith(f"afield-sandbox-{pid}-")}


_KEEPER = """
import asyncio, sys
sys.path.insert(0, {source!r})
from afield_sandbox import *
async def main():
    async with LocalJail(JailSettings(languages=("bash",), lanes=2)) as jail:
        program = await jail.compile(Submission.of("bash", "(setsid sleep 112358 &); echo up; exec sleep 112358"))
        async with jail.started(program, lambda *_: print("up", flush=True)) as run:
            await run.finish()
asyncio.run(main())
"""


async def test_nothing_outlives_a_keeper_that_is_killed() -> None:
    script = _KEEPER.format(source=str(Path(afield_sandbox.__file__).parents[1]))
    keeper = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    assert await keeper.stdout.readline() == b"up\n"
    family = [*psutil.Process(keeper.pid).children(recursive=True), await _marked("112358")]
    keeper.kill()
    await keeper.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 20)
    assert alive == []
    async with LocalJail(JailSettings(languages=("bash",), lanes=1)):  # the next one clears away what is left
        assert _groups(keeper.pid) == set()


async def test_a_run_that_is_given_up_ends() -> None:
    async with LocalJail(JailSettings(languages=("bash",), lanes=1)) as jail:
        running = asyncio.create_task(jail.run(Submission.of("bash", "exec sleep 141421")))
        await _marked("141421")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await jail.run(Submission.of("bash", "echo 1"))).stdout == b"1\n"
        assert _processes("141421") == []


async def test_too_many_waiting_are_told_so() -> None:
    async with LocalJail(JailSettings(languages=("bash",), lanes=1, max_waiting=2)) as jail:
        runs = [asyncio.create_task(jail.run(Submission.of("bash", "sleep 0.1"))) for _ in range(9)]
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert any(isinstance(outcome, BusyError) for outcome in outcomes)
    with pytest.raises(ClosedError):
        await jail.run(Submission.of("bash", "echo 1"))


async def test_closing_leaves_nothing_behind() -> None:
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    descriptors, groups = psutil.Process().num_fds(), _groups(os.getpid())
    async with LocalJail(JailSettings(languages=("python",), lanes=3)) as jail:
        await jail.run(Submission.of("python", "print(1)"))
        assert bool(_groups(os.getpid()) - groups) == (jail.probe().level is Level.FULL)
    assert {child.pid for child in psutil.Process().children(recursive=True)} == children
    assert psutil.Process().num_fds() == descriptors
    assert _groups(os.getpid()) == groups


async def test_nothing_is_run_below_the_minimum() -> None:
    jail = LocalJail(JailSettings(level=Level.NAMESPACES, minimum=Level.FULL, languages=("python",)))
    with pytest.raises(TooWeakError, match="full is required"):
        await jail.start()
    with pytest.raises(RuntimeError):
        await jail.run(Submission.of("python", "print(1)"))


async def test_unknown_language(strong_jail: LocalJail) -> None:
    with pytest.raises(UnknownLanguageError, match="Known: python"):
        await strong_jail.run(Submission.of("cobol", "DISPLAY 1."))
