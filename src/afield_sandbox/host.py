"""What this host allows. Pure, but for `look_around`."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from afield_sandbox import landlock, linux
from afield_sandbox.errors import TooWeakError
from afield_sandbox.keeper.cgroups import ControlGroups
from afield_sandbox.wire import Walls


class Level(IntEnum):
    """How strong a jail is. Each holds what the one before holds."""

    NONE = 0  # nothing is run
    LANDLOCK = 1  # no rights, files and signals held by Landlock or users, call filter, rlimits; memory sampled
    NAMESPACES = 2  # and own namespaces and root
    FULL = 3  # and the kernel itself holds memory and processes, by control groups


@dataclass(frozen=True, slots=True)
class HostProtections:
    """What this host allows, and the level that comes of it. `missing` says why it is not a higher one.

    `namespaces` and `fenced`: a jail with, or without them, was built on trial and works. `landlock` is the kernel's
    version of it, 0 for none.
    """

    kernel: str
    machine: str
    uid: int
    namespaces: bool
    seccomp: bool
    memory_cgroup: str
    pids_cgroup: str
    landlock: int
    bubblewrap: str
    missing: tuple[str, ...] = ()
    fenced: bool = False

    @property
    def level(self) -> Level:
        if not (self.namespaces and self.seccomp):
            return Level.LANDLOCK if self.fenced and self.seccomp else Level.NONE
        return Level.FULL if self.memory_cgroup and self.pids_cgroup else Level.NAMESPACES

    def require(self, minimum: Level) -> None:
        """Raises TooWeakError when this host does not reach the minimum."""
        if self.level < minimum:
            raise TooWeakError(
                f"This host allows the level {self.level.name.lower()}, and {minimum.name.lower()} is required.",
                hint=" ".join(self.missing),
            )


def look_around(groups: ControlGroups, built: Walls | None, problems: Mapping[Walls, str]) -> HostProtections:
    """What is to be found. `built`: the walls that were built on trial; `problems`: what the kernel said to others."""
    known = linux.supported()
    missing = [f"A trial jail of {walls.value} failed: {problem}" for walls, problem in problems.items()]
    if not known:
        missing.append(f"System call numbers of {platform.machine()} are not known.")
    missing += [
        f"No {name} control group can be made here."
        for name, path in (("memory", groups.memory), ("pids", groups.pids))
        if path is None
    ]
    return HostProtections(
        kernel=platform.release(),
        machine=platform.machine(),
        uid=os.getuid(),
        namespaces=built is Walls.NAMESPACES,
        seccomp=built is not None,
        memory_cgroup=groups.version if groups.memory else "",
        pids_cgroup=groups.version if groups.pids else "",
        landlock=landlock.version(),
        bubblewrap=shutil.which("bwrap") or "",
        missing=tuple(missing),
        fenced=built is Walls.LANDLOCK,
    )
