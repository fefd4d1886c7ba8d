"""Every way a run can end, through the front door."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import pytest

from afield_sandbox import Limits, LocalJail, Submission, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MIB = 1 << 20
_SEGFAULT = "import ctypes; ctypes.string_at(0)"
_FORK_BOMB = """
import os
n = 0
try:
    while True:
        if os.fork() == 0:
            import time; time.sleep(60)
        n += 1
except OSError:
    print(n)
"""

ENDINGS = {
    "zero": ("python", "print('ä')", {}, (Verdict.OK, 0, None)),
    "one": ("python", "raise ValueError('no')", {}, (Verdict.RUNTIME_ERROR, 1, None)),
    "syntax": ("python", "def (", {}, (Verdict.RUNTIME_ERROR, 1, None)),
    "137 is a code": ("python", "exit(137)", {}, (Verdict.RUNTIME_ERROR, 137, None)),
    "text as code": ("python", "import sys; sys.exit('bye')", {}, (Verdict.RUNTIME_ERROR, 1, None)),
    "hard exit": ("python", "import os; os._exit(7)", {}, (Verdict.RUNTIME_ERROR, 7, None)),
    "segfault": ("python", _SEGFAULT, {}, (Verdict.SIGNAL, None, "SIGSEGV")),
    "own kill": ("bash", "kill -9 $$", {}, (Verdict.SIGNAL, None, "SIGKILL")),
    "abort": ("python", "import os; os.abort()", {}, (Verdict.SIGNAL, None, "SIGABRT")),
    "broken pipe": ("bash", "yes | head -1; exit ${PIPESTATUS[0]}", {}, (Verdict.RUNTIME_ERROR, 141, None)),
    "recursion": ("python", "def f(): f()\nf()", {}, (Verdict.RUNTIME_ERROR, 1, None)),
    "sleep": ("python", "import time; time.sleep(60)", {"wall_s": 0.2}, (Verdict.TIME_LIMIT, None, "SIGKILL")),
    "busy": ("python", "while True: pass", {"cpu_s": 0.2}, (Verdict.TIME_LIMIT, None, "SIGKILL")),
    "busy children": (
        "python", "import os; os.fork(); os.fork()\nwhile True: pass", {"cpu_s": 0.2}, (Verdict.TIME_LIMIT, None, "SIGKILL"),
    ),
    "deaf": (
        "bash", "trap '' TERM INT HUP; while :; do sleep 9; done", {"wall_s": 0.2}, (Verdict.TIME_LIMIT, None, "SIGKILL"),
    ),
    "flood": ("python", "while True: print('x' * 999)", {"output_bytes": 10_000}, (Verdict.OUTPUT_LIMIT, None, "SIGKILL")),
    "flood of errors": ("bash", "yes >&2", {"output_bytes": 10_000}, (Verdict.OUTPUT_LIMIT, None, "SIGKILL")),
    "1 GB of output": ("bash", "head -c 1G /dev/zero", {}, (Verdict.OUTPUT_LIMIT, None, "SIGKILL")),
    "file size": ("bash", "head -c 2M /dev/zero > big", {"file_bytes": _MIB}, (Verdict.RUNTIME_ERROR, 153, None)),
    "compiling fails": ("c", "int main( {", {}, (Verdict.COMPILE_ERROR, 1, None)),
    "stack": ("c", "int f(int n){volatile char c[9999];c[0]=n;return f(n+1)+c[0];}int main(){return f(0);}", {},
              (Verdict.SIGNAL, None, "SIGSEGV")),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
async def test_ending(jail: LocalJail, name: str) -> None:
    language, code, limits, expected = ENDINGS[name]
    outcome = await jail.run(Submission.of(language, code, limits=Limits(**limits)))  # type: ignore[arg-type]
    assert (outcome.verdict, outcome.exit_code, outcome.signal) == expected, outcome
    assert outcome.message or outcome.ok
    assert outcome.cpu_s is not None
    assert len(outcome.stdout) <= Limits().output_bytes
    assert outcome.wall_s < 5


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "x = []\nwhile True: x.append(bytearray(b'x') * 10_000_000)"),
        (
            "python",
            "import os\nfor _ in range(3): os.fork()\nx = bytearray(b'x') * 20_000_000\nimport time; time.sleep(2)",
        ),
        ("bash", "x=x; while :; do x=$x$x; done"),
        ("bash", "head -c 200M /dev/zero > /tmp/x; sleep 9"),
    ],
)
async def test_memory(jail: LocalJail, language: str, code: str) -> None:
    held_by_kernel = bool(jail.probe().memory_cgroup)
    limits = Limits(memory_bytes=64 * _MIB, file_bytes=500 * _MIB, wall_s=20 if held_by_kernel else 1.5)
    outcome = await jail.run(Submission.of(language, code, limits=limits))
    expected = {Verdict.MEMORY_LIMIT} if held_by_kernel else {Verdict.MEMORY_LIMIT, *_WITHOUT_GROUPS}
    assert outcome.verdict in expected, outcome
    if held_by_kernel:
        assert outcome.memory_bytes is not None
        assert outcome.memory_bytes <= 64 * _MIB
    assert (await jail.run(Submission.of("python", "print(1)"))).stdout == b"1\n"


# Without control groups a shell is refused more address space, and the private folder's own size limits what it holds.
_WITHOUT_GROUPS = (Verdict.RUNTIME_ERROR, Verdict.TIME_LIMIT)


async def test_a_fork_bomb_stays_small(jail: LocalJail) -> None:
    limits = Limits(processes=32, wall_s=20)
    outcome = await jail.run(Submission.of("python", _FORK_BOMB, limits=limits))
    assert outcome.verdict is Verdict.OK
    assert 25 <= int(outcome.stdout) < 32
    bomb = await jail.run(Submission.of("bash", ":(){ :|:& };:; sleep 9", limits=Limits(processes=32, wall_s=0.5)))
    assert bomb.verdict in {Verdict.TIME_LIMIT, Verdict.RUNTIME_ERROR}
    assert (await jail.run(Submission.of("python", "print(1)"))).stdout == b"1\n"


@pytest.mark.parametrize("count", [1, 4, 7, 10])
async def test_a_character_is_never_cut(jail: LocalJail, count: int) -> None:
    limits = Limits(output_bytes=count)
    pieces: list[bytes] = []
    outcome = await jail.run(Submission.of("python", "print('ä€😀' * 9)", limits=limits), lambda _, p: pieces.append(p))
    text = outcome.stdout.decode()
    assert "ä€😀ä".startswith(text)
    assert count - 4 < len(outcome.stdout) <= count
    assert b"".join(pieces) == outcome.stdout == outcome.merged
    assert outcome.verdict is Verdict.OUTPUT_LIMIT


async def test_output_that_is_no_text_arrives_as_it_is(jail: LocalJail) -> None:
    data = bytes(range(256)) * 3 + b"\xe2\x82"
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 3 + b'\\xe2\\x82')"
    assert (await jail.run(Submission.of("python", code))).stdout == data


async def test_exactly_the_cap_is_fine(jail: LocalJail) -> None:
    outcome = await jail.run(Submission.of("python", "print('x' * 99)", limits=Limits(output_bytes=100)))
    assert (outcome.verdict, len(outcome.stdout)) == (Verdict.OK, 100)
