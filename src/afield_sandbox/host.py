"""What this host allows. Pure, but for `look_around`."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from enum import IntEnum

from afield_sandbox import linux
from afield_sandbox.errors import TooWeakError
from afield_sandbox.keeper.cgroups import ControlGroups


class Level(IntEnum):
    """How strong a jail is. Each holds what the one before holds."""

    NONE = 0  # nothing is run
    NAMESPACES = 1  # own namespaces and root, no rights, call filter, rlimits; memory watched by sampling
    FULL = 2  # and the kernel itself holds memory and processes, by control groups


@dataclass(frozen=True, slots=True)
class HostProtections:
    """What this host allows, and the level that comes of it. `missing` says why it is not a higher one."""

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

    @property
    def level(self) -> Level:
        if not (self.namespaces and self.seccomp):
            return Level.NONE
        return Level.FULL if self.memory_cgroup and self.pids_cgroup else Level.NAMESPACES

    def require(self, minimum: Level) -> None:
        """Raises TooWeakError when this host does not reach the minimum."""
        if self.level < minimum:
            raise TooWeakError(
                f"This host allows the level {self.level.name.lower()}, and {minimum.name.lower()} is required.",
                hint=" ".join(self.missing),
            )


def look_around(groups: ControlGroups, *, jail_error: str = "") -> HostProtections:
    """What is to be found. `jail_error`: what the kernel said when a jail was built on trial, empty when it worked."""
    known = linux.supported()
    missing = [f"A trial jail failed: {jail_error}"] if jail_error else []
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
        namespaces=known and not jail_error,
        seccomp=known and not jail_error,
        memory_cgroup=groups.version if groups.memory else "",
        pids_cgroup=groups.version if groups.pids else "",
        landlock=linux.landlock_version() if known else 0,
        bubblewrap=shutil.which("bwrap") or "",
        missing=tuple(missing),
    )
