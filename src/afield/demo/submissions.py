"""What is handed in to the demo's contest: solutions, mistakes, endless loops and attacks. Pure.

Each attack reaches for something that is really there (see `canaries`), and prints what it got.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from afield.coderunner.judging import TestVerdict

USERS = tuple(f"user-{number:02}" for number in range(1, 21))
_SEED = 7

ACCEPTED, WRONG, TIME = TestVerdict.ACCEPTED, TestVerdict.WRONG_ANSWER, TestVerdict.TIME_LIMIT
ERROR, MEMORY, OUTPUT = TestVerdict.RUNTIME_ERROR, TestVerdict.MEMORY_LIMIT, TestVerdict.OUTPUT_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One kind of submission: what it must be judged, how often it is handed in, what it has to be told."""

    name: str
    code: str
    verdict: TestVerdict
    times: int
    bait: tuple[str, ...] = ()
    attack: bool = False  # it wants something else than to solve the problem

    def source(self, bait: Mapping[str, object]) -> str:
        """The program's text; `bait` says where the things are that attacks reach for."""
        told = {name: bait[name] for name in self.bait}
        return f"BAIT = {told!r}\n{self.code}" if told else self.code


@dataclass(frozen=True, slots=True)
class Submission:
    """A program that a user hands in."""

    user: str
    program: Program


_BISECTION = """
import math

a = float(input())
low, high = 0.0, 20.0
for _ in range(200):
    middle = (low + high) / 2
    low, high = (middle, high) if middle * math.exp(middle) < a else (low, middle)
print(f"{low:.9f}")
"""
_NEWTON = """
import math

a = float(input())
x = math.log(a + 1)
for _ in range(50):
    x -= (x * math.exp(x) - a) / ((x + 1) * math.exp(x))
print(x)
"""
_CARELESS = """
import os

for place in (os.getcwd(), os.environ["TMPDIR"], "/tmp", "/var/tmp", "/dev/shm"):
    try:
        with open(os.path.join(place, "note"), "w") as note:
            note.write(BAIT["secret"])
    except OSError:
        pass
"""
_NEAR_ENOUGH = "import math\nprint(math.log(float(input()) + 1))"
_ROUNDED = _NEWTON.replace("print(x)", 'print(f"{x:.3f}")')
_LOG_OF_ZERO = "import math\nprint(math.log(float(input())))"
_RECURSION = "def root(a):\n    return root(a / 2)\nprint(root(float(input())))"
_BUSY = "while True:\n    pass"
_ASLEEP = "import time\nwhile True:\n    time.sleep(60)"
_SMALL_STEPS = """
import math

a, x = float(input()), 0.0
while x * math.exp(x) < a:
    x += 1e-9
print(x)
"""

_FORK_BOMB = """
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
"""
_FLOOD = 'while True:\n    print("x" * 1000)'
_HOARD = 'hoard = []\nwhile True:\n    hoard.append(bytearray(b"x") * 10_000_000)'
_READ_FILE = 'try:\n    print(open(BAIT["file"]).read())\nexcept OSError as no:\n    print(no)'
_DESTROY = """
import os

for harm in (lambda: open(BAIT["file"], "w").write("harmed"), lambda: os.unlink(BAIT["file"])):
    try:
        harm()
        print("done")
    except OSError as no:
        print(no)
"""
_OTHERS_FILES = """
import os

for place in (os.getcwd(), os.environ["TMPDIR"], "/tmp", "/var/tmp", "/dev/shm"):
    for folder, _, names in os.walk(place):
        for name in {"note"} & set(names):
            try:
                print(open(os.path.join(folder, name)).read())
            except OSError as no:
                print(no)
print("searched")
"""
_PROC = """
import os

for pid in ("self", os.getppid(), *range(1, 200), *range(BAIT["pid"] - 100, BAIT["pid"] + 100)):
    for part in ("environ", "cmdline"):
        try:
            print(open(f"/proc/{pid}/{part}").read(2000))
        except OSError:
            pass
"""
_NETWORK = """
import socket

for kind, place in ((socket.AF_INET, ("127.0.0.1", BAIT["port"])), (socket.AF_UNIX, chr(0) + BAIT["name"])):
    try:
        socket.socket(kind).connect(place)
        print("connected")
    except OSError as no:
        print(no)
"""
_KILL = """
import os

for pid in (BAIT["pid"], os.getppid()):
    try:
        os.kill(pid, 9)
        print("killed")
    except OSError as no:
        print(no)
"""
PROGRAMS = (
    Program(name="bisection", code=_BISECTION, verdict=ACCEPTED, times=36),
    Program(name="Newton's method", code=_NEWTON, verdict=ACCEPTED, times=36),
    Program(name="leaves notes", code=_CARELESS + _NEWTON, verdict=ACCEPTED, times=38, bait=("secret",)),
    Program(name="right for small numbers", code=_NEAR_ENOUGH, verdict=WRONG, times=9),
    Program(name="rounded", code=_ROUNDED, verdict=WRONG, times=8),
    Program(name="logarithm of zero", code=_LOG_OF_ZERO, verdict=ERROR, times=8),
    Program(name="endless recursion", code=_RECURSION, verdict=ERROR, times=5),
    Program(name="endless loop", code=_BUSY, verdict=TIME, times=6),
    Program(name="endless sleep", code=_ASLEEP, verdict=TIME, times=4),
    Program(name="small steps", code=_SMALL_STEPS, verdict=TIME, times=5),
    Program(name="fork bomb", code=_FORK_BOMB, verdict=TIME, times=5, attack=True),
    Program(name="flood of output", code=_FLOOD, verdict=OUTPUT, times=5, attack=True),
    Program(name="all the memory", code=_HOARD, verdict=MEMORY, times=5, attack=True),
    Program(name="read the host's files", code=_READ_FILE, verdict=WRONG, times=5, bait=("file",), attack=True),
    Program(name="destroy the host's files", code=_DESTROY, verdict=WRONG, times=5, bait=("file",), attack=True),
    Program(name="read others' files", code=_OTHERS_FILES, verdict=WRONG, times=5, attack=True),
    Program(name="search /proc", code=_PROC, verdict=WRONG, times=5, bait=("pid",), attack=True),
    Program(name="use the network", code=_NETWORK, verdict=WRONG, times=5, bait=("port", "name"), attack=True),
    Program(name="kill processes", code=_KILL, verdict=WRONG, times=5, bait=("pid",), attack=True),
)


def handed_in() -> list[Submission]:
    """All submissions, mixed, ten of each user."""
    programs = [program for program in PROGRAMS for _ in range(program.times)]
    random.Random(_SEED).shuffle(programs)  # noqa: S311 - the same mix each time
    return [Submission(USERS[number % len(USERS)], program) for number, program in enumerate(programs)]
