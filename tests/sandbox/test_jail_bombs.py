"""Programs that want too much, or that reach for their neighbours: each has its verdict, and the next run is unharmed."""

# ruff: noqa: E501  tables read best with a line a case

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from afield_sandbox import File, Limits, LocalJail, Stream, Submission, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MIB = 1 << 20
_ZIP_BOMB = """
import io, zipfile
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
    with archive.open("zeros", "w", force_zip64=True) as inside:
        for _ in range(60):
            inside.write(bytes(1 << 20))
with zipfile.ZipFile(packed) as archive:
    archive.extractall(".")
"""
_FILL = "import os\nfor n in range(40):\n    open(os.environ['TMPDIR'] + f'/{n}', 'wb').write(bytes(15 << 20))\nimport time; time.sleep(4)"
_MANY = "import os\nfor n in range(100000):\n    open(os.environ['TMPDIR'] + f'/{n}', 'w').close()\nimport time; time.sleep(4)"
_NAMELESS = "import os\nkeep = []\nfor n in range(40):\n    f = open('x', 'wb'); keep.append(f); f.write(bytes(15 << 20)); f.flush(); os.unlink('x')\nimport time; time.sleep(4)"
_DEEP = "import os\nfor _ in range(3000):\n    os.mkdir('x' * 200); os.chdir('x' * 200)\nprint('deep')"
_COMETS = "import os\nfor _ in range(4): os.fork()\nwhile True:\n    if os.fork(): os._exit(0)"
_TOO_MUCH = {Verdict.RUNTIME_ERROR, Verdict.OUTPUT_LIMIT, Verdict.MEMORY_LIMIT}

BOMBS: dict[str, tuple[str, str, dict[str, Any], set[Verdict] | None]] = {
    "zip bomb": ("python", _ZIP_BOMB, {"file_bytes": 30 * _MIB}, {Verdict.RUNTIME_ERROR}),
    "fill the disk": ("python", _FILL, {"memory_bytes": 512 * _MIB}, _TOO_MUCH),
    "many files": ("python", _MANY, {}, _TOO_MUCH),
    "files without a name": ("python", _NAMELESS, {"memory_bytes": 512 * _MIB}, _TOO_MUCH),
    "deep folders": ("python", _DEEP, {}, {Verdict.OK, Verdict.OUTPUT_LIMIT}),
    "compile bomb of memory": ("c", "int x[2000000000] = {1}; int y[2000000000] = {1}; int main(){}", {}, None),
    "compile bomb of includes": ("c", '#include "main.c"\n#include "main.c"\nint main(){}', {}, {Verdict.COMPILE_ERROR, Verdict.OUTPUT_LIMIT}),
    "compile bomb of macros": (
        "c", "#define A(x) x x x x x x x x x x\n#define B(x) A(A(A(x)))\nint main(){return B(B(B(B(1+)))) 1;}", {}, None,
    ),
    "output of broken text": ("bash", "while :; do printf '\\xff\\xc3\\xe2\\x82'; done", {"output_bytes": 9999}, {Verdict.OUTPUT_LIMIT}),
    "children that never stay": ("python", _COMETS, {"wall_s": 0.3, "processes": 24}, {Verdict.OK, Verdict.RUNTIME_ERROR, Verdict.TIME_LIMIT}),
    "stop oneself": ("bash", "kill -STOP $$", {"wall_s": 0.3}, {Verdict.TIME_LIMIT}),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_held(jail: LocalJail, name: str) -> None:
    language, code, limits, expected = BOMBS[name]
    submission = Submission(
        language, (File("main", code.encode()),),
        limits=Limits(**limits),
        compile_limits=Limits(wall_s=2, memory_bytes=512 * _MIB, file_bytes=64 * _MIB),
    )  # fmt: skip
    outcome = await jail.run(submission)
    assert outcome.verdict in (expected or {Verdict.COMPILE_ERROR, Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT}), outcome
    await unharmed(jail)


async def unharmed(jail: LocalJail) -> None:
    """All lanes work, with nothing in their folders."""
    code = "import os; print(os.listdir('.'), os.listdir(os.environ['TMPDIR']))"
    outcomes = await asyncio.gather(*(jail.run(Submission.of("python", code)) for _ in range(8)))
    assert {outcome.stdout for outcome in outcomes} == {b"['main.py'] []\n"}, outcomes


_NEIGHBOUR = """
import os, signal, time
reached = []
here = os.getpid()
for pid in range(max(2, here - 400), here + 400):
    for number in (0, signal.SIGKILL):
        try:
            if pid != here:
                os.kill(pid, number)
                reached.append(pid)
        except OSError:
            pass
print(reached)
"""


async def test_neighbours_are_out_of_reach(jail: LocalJail) -> None:
    waiting = "print('up', flush=True); import time, os; open('mine', 'w').write('CANARY'); time.sleep(1); print(sorted(os.listdir('.')))"
    victims = [asyncio.create_task(jail.run(Submission.of("python", waiting))) for _ in range(3)]
    attackers = await asyncio.gather(*(jail.run(Submission.of("python", _NEIGHBOUR)) for _ in range(4)))
    assert {attacker.stdout for attacker in attackers} == {b"[]\n"}, attackers
    outcomes = await asyncio.gather(*victims)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.OK}
    assert {outcome.stdout for outcome in outcomes} == {b"up\n['main.py', 'mine']\n"}


_SWAPS = """
import os, time
os.mkdir("real"); open("real/passwd", "w").write("mine"); os.symlink("/etc", "link")
if os.fork() == 0:
    while True:
        for name in ("link", "real"):
            os.rename(name, "there"); os.rename("there", name)
            os.rename("link", "x"); os.rename("real", "link"); os.rename("x", "real")
time.sleep(0.05)
os.symlink("/etc/passwd", "out")
"""


async def test_links_swapped_at_the_last_moment_lead_nowhere(jail: LocalJail) -> None:
    for _ in range(5):
        outcome = await jail.run(Submission.of("python", _SWAPS), keep_bytes=_MIB)
        assert outcome.verdict is Verdict.OK, outcome
        assert outcome.files["main.py"].content
        assert {file.content for name, file in outcome.files.items() if name != "main.py"} <= {b"mine"}
    await unharmed(jail)


async def test_output_that_is_not_kept_only_streams(jail: LocalJail) -> None:
    seen = 0

    def count(_: Stream, piece: bytes) -> None:
        nonlocal seen
        seen += len(piece)

    code = "import sys\nfor line in sys.stdin:\n    print('x' * int(line), flush=True)"
    program = await jail.compile(Submission.of("python", code, limits=Limits(output_bytes=10)))
    async with jail.started(program, count, interactive=True, keep_output=False) as run:
        ending = asyncio.create_task(run.finish())
        for _ in range(200):
            run.write(b"9999\n")
        run.end_input()
        outcome = await ending
    assert (outcome.verdict, outcome.stdout, outcome.merged) == (Verdict.OK, b"", b"")
    assert seen == 200 * 10_000
