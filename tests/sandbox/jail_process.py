"""A jail in a process of its own: as another user, or on a host that forbids namespaces. Prints what came of attacks.

`python jail_process.py FOLDER LEVEL forbidden|allowed [PROTECTION]...`: FOLDER is where the packages are; the last ones
are left out. It needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap

if __name__ == "__main__":
    sys.path[:0] = [sys.argv[1], os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120

from attacks import ATTACKS

from afield_sandbox import JailSettings, Level, Limits, LocalJail, Submission, TooWeakError, Verdict, linux, seccomp

_BOMB = """
    import os, time
    n = 0
    try:
        while os.fork():
            n += 1
        time.sleep(9)
    except OSError:
        print(n)
"""
_DAEMONS = """
    import os, time
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(99)
            os._exit(0)
    print("up")
"""


def python(code: str, **limits: float) -> Submission:
    return Submission.of("python", textwrap.dedent(code), limits=Limits(**limits))  # type: ignore[arg-type]


def forbid_namespaces() -> None:
    """As containers do it: unshare, clone into namespaces and mount are refused."""
    linux.no_new_privileges()
    linux.load_filter(seccomp.build(linux.machine()))


async def wrong_attacks(jail: LocalJail) -> list[str]:
    """The attacks that came to something, with what."""
    wrong = []
    for name, attack in ATTACKS.items():
        allowed = attack.lines(namespaces=jail.probe().namespaces)
        if allowed is None:
            continue
        outcome = await jail.run(python(attack.source, memory_bytes=512 << 20))
        lines = set(outcome.stdout.decode().splitlines())
        if outcome.verdict is not Verdict.OK or not lines or not lines <= allowed:
            wrong.append(f"{name}: {outcome.verdict} {outcome.stdout!r} {outcome.stderr!r}")
    return wrong


async def main(level: Level, without: frozenset[str]) -> dict[str, object]:
    settings = JailSettings(
        lanes=2, level=level, minimum=Level.LANDLOCK, languages=("python", "bash", "c"), without=without
    )
    try:
        async with LocalJail(settings) as jail:
            bomb = await jail.run(python(_BOMB, processes=32, wall_s=3))
            daemons = await jail.run(python(_DAEMONS))
            compiled = await jail.run(Submission.of("c", "int main(){return 7;}"))
            return {
                "uid": os.getuid(),
                "level": jail.probe().level.name,
                "wrong": await wrong_attacks(jail),
                "bomb": int(bomb.stdout),
                "daemons": [daemons.verdict, daemons.stdout.decode()],
                "compiled": compiled.exit_code,
            }
    except TooWeakError as problem:
        return {"refused": str(problem)}


if __name__ == "__main__":
    if sys.argv[3] == "forbidden":
        forbid_namespaces()
    said = asyncio.run(main(Level[sys.argv[2]], frozenset(sys.argv[4:])))
    sys.stdout.write(json.dumps(said))
