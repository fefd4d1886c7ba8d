"""What the processes of a run use. Field numbers: the Linux man page proc(5)."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _CSTIME, _RSS = 11, 15, 21  # counted from the state, the first field after the name


class Spent:
    """What those have used that have ended and been reaped."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.resident_bytes = 0

    def add(self, used: resource.struct_rusage) -> None:
        """One that was reaped, with all that it had reaped itself."""
        self.cpu_s += used.ru_utime + used.ru_stime
        self.resident_bytes = max(self.resident_bytes, used.ru_maxrss * 1024)


def _stat(name: str) -> Iterator[list[bytes]]:
    """The fields of a process; nothing for one that has ended meanwhile."""
    with suppress(OSError):
        yield Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()


def cpu_seconds(processes: list[str]) -> float:
    """User and system time of these, and of their children that they have reaped."""
    ticks = sum(int(field) for name in processes for fields in _stat(name) for field in fields[_UTIME:_CSTIME])
    return ticks / _TICKS


def resident_bytes(processes: list[str]) -> int:
    """Memory held: a page that several share is split among them; of a process that hides that, all pages count."""
    return sum(_share(name) for name in processes)


def _share(name: str) -> int:
    try:
        rollup = Path("/proc", name, "smaps_rollup").read_bytes()
        return 1024 * int(rollup.partition(b"\nPss:")[2].split(maxsplit=1)[0])
    except (OSError, IndexError):
        return _PAGE * sum(int(fields[_RSS]) for fields in _stat(name))


def descendants(pid: int) -> list[str]:
    """The processes below one, by id; who is forked meanwhile may be missed."""
    found: list[str] = []
    left = [str(pid)]
    while left:
        below = children(left.pop())
        found += below
        left += below
    return found


def children(name: str | int) -> list[str]:
    """The direct children of a process, by id."""
    found: list[str] = []
    with suppress(OSError):
        for thread in Path("/proc", str(name), "task").iterdir():
            with suppress(OSError):
                found += Path(thread, "children").read_text("ascii").split()
    return found


def threads_of(user: int) -> int:
    """How many threads a user has on this host: what RLIMIT_NPROC counts."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == user:
                count += len(list(Path(process, "task").iterdir()))
    return count
