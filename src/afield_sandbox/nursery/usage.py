"""What the processes of this namespace use, read from /proc. Field numbers: the Linux man page proc(5)."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _CSTIME, _RSS = 11, 15, 21  # counted from the state, the first field after the name


def _processes() -> list[str]:
    """All but the init, which reads this."""
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != "1"]


def _stat(name: str) -> Iterator[list[bytes]]:
    """The fields of a process; nothing for one that has ended meanwhile."""
    with suppress(OSError):
        yield Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()


def cpu_seconds() -> float:
    """User and system time of all that live, their reaped children, and what this process has reaped itself."""
    ticks = sum(int(field) for name in _processes() for fields in _stat(name) for field in fields[_UTIME:_CSTIME])
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / _TICKS + reaped.ru_utime + reaped.ru_stime


def resident_bytes() -> int:
    """Memory held: a page that several share is split among them; of a process that hides that, all pages count."""
    return sum(_share(name) for name in _processes())


def _share(name: str) -> int:
    try:
        rollup = Path("/proc", name, "smaps_rollup").read_bytes()
        return 1024 * int(rollup.partition(b"\nPss:")[2].split(maxsplit=1)[0])
    except (OSError, IndexError):
        return _PAGE * sum(int(fields[_RSS]) for fields in _stat(name))
