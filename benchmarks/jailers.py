"""Other people's jails, each around a cold Python that prints one line: bubblewrap, nsjail, isolate.

Whoever wants nsjail or isolate in the table builds them from their public source, outside this repository, and names
the program in AFIELD_BENCH_NSJAIL or AFIELD_BENCH_ISOLATE, or has it in PATH.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = str(Path(sys.base_prefix).resolve() / "bin" / "python3")
CODE = "print(6 * 7)"
COLD = (PYTHON, "-I", "-S", "-c", CODE)
HOW_TO_HAVE = {
    "bubblewrap": "not installed (Debian: apt-get install bubblewrap)",
    "nsjail": "not there; build it from its source and name the program in AFIELD_BENCH_NSJAIL",
    "isolate": "not there; build it from its source and name the program in AFIELD_BENCH_ISOLATE",
}
_PISTON = {
    True: "not automated: its runner wants a container of its own",
    False: "its runner needs control groups of version 2 alone, which this machine has not",
}
_PROGRAMS = {"bubblewrap": "bwrap", "nsjail": "nsjail", "isolate": "isolate"}
_SHOWN = tuple(path for path in ("/usr", "/lib", "/lib64", "/bin", sys.base_prefix) if Path(path).exists())

Once = Callable[[], Awaitable[None]]


def spawning(*command: str) -> Once:
    """Start a program, wait for its end and its output."""

    async def once() -> None:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.decode(errors='replace')}")

    return once


@contextmanager
def jailers(at_once: int) -> Iterator[tuple[dict[str, Once], dict[str, str]]]:
    """Those that can be had here, each ready for so many runs at once; and why the others cannot."""
    found = {name: _program(name) for name in _PROGRAMS}
    missing = {name: HOW_TO_HAVE[name] for name, program in found.items() if program is None}
    missing["Piston"] = _PISTON[Path("/sys/fs/cgroup/cgroup.controllers").exists()]
    made: dict[str, Once] = {}
    if bwrap := found["bubblewrap"]:
        made["bubblewrap"] = _bubblewrap(bwrap)
    if nsjail := found["nsjail"]:
        made["nsjail"] = _nsjail(nsjail)
    with _boxes(found["isolate"], at_once) as boxes:
        if boxes is not None and found["isolate"]:
            made["isolate"] = _isolate(found["isolate"], boxes)
        yield made, missing


def _program(name: str) -> str | None:
    return shutil.which(os.environ.get(f"AFIELD_BENCH_{name.upper()}") or _PROGRAMS[name])


def _bubblewrap(program: str) -> Once:
    """All namespaces, the same folders read-only; no filter, no limits."""
    binds = [part for path in _SHOWN for part in ("--ro-bind", path, path)]
    apart = ("--unshare-all", "--die-with-parent", "--new-session")
    return spawning(program, *binds, *apart, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *COLD)


def _nsjail(program: str) -> Once:
    """All namespaces and its usual limits, the same folders read-only; no filter."""
    binds = [part for path in _SHOWN for part in ("-R", path)]
    return spawning(program, "-Mo", "-Q", "--user", "65534", "--group", "65534", *binds, "-T", "/tmp", "--", *COLD)


@contextmanager
def _boxes(program: str | None, count: int) -> Iterator[list[str] | None]:
    """Boxes of isolate, made before anything is timed. None where there is no isolate."""
    if program is None:
        yield None
        return
    boxes = [str(number) for number in range(count)]
    try:
        for box in boxes:
            subprocess.run([program, "--box-id", box, "--init"], check=True, capture_output=True)
        yield boxes
    finally:
        for box in boxes:
            subprocess.run([program, "--box-id", box, "--cleanup"], check=False, capture_output=True)


def _isolate(program: str, boxes: list[str]) -> Once:
    """One run in a box that is there already, with time limits; no control groups."""
    free = list(boxes)
    shown = [f"--dir={path}" for path in _SHOWN]

    async def once() -> None:
        box = free.pop()
        try:
            limits = ("--time=5", "--wall-time=10", "--processes=1")
            await spawning(program, "--silent", "--box-id", box, *shown, *limits, "--run", "--", *COLD)()
        finally:
            free.append(box)

    return once
