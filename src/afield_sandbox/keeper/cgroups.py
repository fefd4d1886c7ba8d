"""Control groups for memory and processes, version 1 or 2, made once and used again for run after run.

All calls that can wait (making, moving a process into, removing) are for a thread; those of a run are a short write
or read of an open kernel file. Files: the kernel's admin guide, cgroup-v1 and cgroup-v2.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

_PREFIX: Final = "afield-sandbox-"
_BESIDE: Final = 1  # the lane, beside the processes of the run
_TRIES: Final = 50
_serial = count()


@dataclass(frozen=True, slots=True)
class _Files:
    limit: str
    swap: str
    swap_value: str
    peak: str
    events: str


_MEMORY: Final = {
    "v1": _Files("memory.limit_in_bytes", "memory.swappiness", "0", "memory.max_usage_in_bytes", "memory.oom_control"),
    "v2": _Files("memory.max", "memory.swap.max", "0", "memory.peak", "memory.events"),
}


@dataclass(slots=True)
class Slot:
    """The groups of one lane. Either may be missing."""

    memory: Path | None = None
    pids: Path | None = None
    version: str = ""
    _open: dict[str, int] = field(default_factory=dict)
    _written: dict[str, str] = field(default_factory=dict)
    _oom_before: int = 0

    def attach(self, pid: int) -> None:
        """Move a process in. Blocks for milliseconds."""
        for group in {self.memory, self.pids} - {None}:
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")  # type: ignore[operator]

    def open(self) -> None:
        """Open the files that runs need, so that they cost a write each. Blocks."""
        if self.memory:
            files = _MEMORY[self.version]
            with suppress(OSError):
                (self.memory / files.swap).write_text(files.swap_value, encoding="ascii")
            self._keep("limit", self.memory / files.limit)
            self._keep("peak", self.memory / files.peak)
            self._keep("events", self.memory / files.events)
        if self.pids:
            self._keep("pids", self.pids / "pids.max")

    def _keep(self, name: str, path: Path) -> None:
        for flags in (os.O_RDWR, os.O_RDONLY):
            with suppress(OSError):
                self._open[name] = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
                return

    def limit(self, memory_bytes: int, processes: int) -> None:
        """What the next run may use. Raises OSError when the kernel does not take it."""
        self._set("limit", str(memory_bytes))
        self._set("pids", str(processes + _BESIDE))
        self._oom_before = self._oom_kills()
        if "peak" in self._open:
            with suppress(OSError):  # version 2 learned this in Linux 6.12
                os.pwrite(self._open["peak"], b"0", 0)

    def _set(self, name: str, value: str) -> None:
        if name in self._open and self._written.get(name) != value:
            os.pwrite(self._open[name], value.encode(), 0)
            self._written[name] = value

    def _read(self, name: str) -> bytes:
        return os.pread(self._open[name], 4096, 0) if name in self._open else b""

    def _oom_kills(self) -> int:
        found = re.search(rb"^oom_kill (\d+)", self._read("events"), re.MULTILINE)
        return int(found[1]) if found else 0

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something of the run for its memory."""
        return self._oom_kills() > self._oom_before

    def peak(self) -> int | None:
        """The most memory the run used at once, None where the kernel cannot tell for one run."""
        text = self._read("peak") if self.version == "v1" else b""
        return int(text) if text else None

    def close(self) -> None:
        """Remove the groups. Blocks; a group may be busy for a moment after its last process has gone."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        for group in {self.memory, self.pids} - {None}:
            _remove(group)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """Where groups can be made on this host: below this process's own, so that its own limits hold for all."""

    memory: Path | None = None
    pids: Path | None = None
    version: str = ""

    @classmethod
    def find(cls) -> ControlGroups:
        """Look, and try. Removes what keepers that have died left behind. Blocks."""
        for version, places in (("v1", _version_1()), ("v2", _version_2())):
            usable = {name: path for name, path in places.items() if _try(path)}
            if usable:
                return cls(usable.get("memory"), usable.get("pids"), version)
        return cls()

    def slot(self, name: str) -> Slot:
        """New groups, of no other jail. Raises OSError. Blocks."""
        name = f"{next(_serial)}-{name}"
        slot = Slot(_make(self.memory, name), _make(self.pids, name), self.version)
        slot.open()
        return slot


def _own_groups() -> dict[str, str]:
    """This process's group for each controller; version 2 has the empty name."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    split = (line.split(":", 2) for line in lines)
    return {name: path for _, names, path in split for name in names.split(",")}


def _mounts(kind: str) -> Iterator[tuple[Path, set[str]]]:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, found, options, *_ = line.split()
        if found == kind:
            yield Path(place), set(options.split(","))


def _version_1() -> dict[str, Path]:
    own = _own_groups()
    return {
        name: place / own[name].lstrip("/")
        for place, options in _mounts("cgroup")
        for name in ("memory", "pids")
        if name in options and name in own
    }


def _version_2() -> dict[str, Path]:
    """The same folder for both, where both can be handed down to children."""
    for place, _ in _mounts("cgroup2"):
        group = place / _own_groups().get("", "/").lstrip("/")
        with suppress(OSError):
            (group / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")
            return {"memory": group, "pids": group}
    return {}


def _try(path: Path) -> bool:
    trial = path / f"{_PREFIX}{os.getpid()}-trial"
    try:
        for left in path.glob(f"{_PREFIX}*"):
            _sweep(left)
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def _sweep(left: Path) -> None:
    pid = left.name.removeprefix(_PREFIX).partition("-")[0]
    if pid.isdigit() and not Path("/proc", pid).exists():
        with suppress(OSError):
            left.rmdir()


def _make(parent: Path | None, name: str) -> Path | None:
    if parent is None:
        return None
    group = parent / f"{_PREFIX}{os.getpid()}-{name}"
    group.mkdir(exist_ok=True)
    return group


def _remove(group: Path) -> None:
    for _ in range(_TRIES):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
