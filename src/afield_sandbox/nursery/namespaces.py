"""Walls of namespaces: the nursery's own, those of each lane, and those of each worker.

The nursery gives up being root before it makes its user namespace, so that outside it is an ordinary user: RLIMIT_NPROC
does not hold for the host's root, whatever namespace it sits in. A lane is the first process of its own process
namespace, which its workers share one after the other; nobody of one is alive when the next one comes, and the private
file system is a new one. Each worker gets a user namespace of its own below, where it has no say over the lane's mounts
and the kernel counts its processes apart from all others, and System V objects of its own.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from afield_sandbox import linux, rootfs, seccomp
from afield_sandbox.wire import BOX, BOX_FOLDERS, NurserySettings, Watch

_INNER_USER: Final = 1000
_WORKER: Final = linux.CLONE_NEWUSER | linux.CLONE_NEWIPC
_LANE: Final = _WORKER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWNET
_NURSERY: Final = _LANE | linux.CLONE_NEWCGROUP
_PROC_FLAGS: Final = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


class Namespaces:
    """Own root, processes, network, users. See `Enclosure`."""

    def __init__(self, settings: NurserySettings) -> None:
        self._settings = settings
        self._proc = -1  # the nursery's /proc, the only writable one; closed before foreign code runs
        self._filter = _filter(settings)
        self.box = BOX
        self.looks = False

    def enter(self) -> bool:
        linux.die_with_parent()
        settings = self._settings
        if settings.user is None:
            self._new_user_namespace(os.geteuid(), os.getegid())
            rootfs.build_root(settings)
        else:
            linux.unshare(linux.CLONE_NEWNS)
            rootfs.build_root(settings)
            _give_up_root(*settings.user)
            self._new_user_namespace(*settings.user)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return False
        linux.die_with_parent()
        linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
        socket.sethostname("sandbox")
        _drop_rights()
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return True

    def _new_user_namespace(self, user: int, group: int) -> None:
        linux.unshare(self._wanted(_NURSERY))
        _map_user(user, group)

    def _wanted(self, flags: int) -> int:
        return flags & ~linux.CLONE_NEWNET if "network" in self._settings.without else flags

    def fork_lane(self) -> int:
        return linux.clone(self._wanted(_LANE), signal.SIGCHLD)

    def enter_lane(self) -> None:
        linux.die_with_parent()
        os.setsid()
        _map_user(_INNER_USER, _INNER_USER, self._proc)
        linux.mount("proc", "/proc", "proc", _PROC_FLAGS | linux.MS_RDONLY)
        linux.drop_capabilities(keep=linux.CAP_SYS_ADMIN)  # to mount a private file system for each worker
        linux.no_new_privileges()
        linux.set_dumpable(False)

    def lane_ended(self, pid: int) -> None:
        """Nothing is left: the kernel ends all processes of a namespace with its first one."""

    def fork_worker(self) -> int:
        size = f"mode=755,size={self._settings.scratch_bytes},nr_inodes={self._settings.scratch_files}"
        linux.mount("tmpfs", BOX, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, size)
        for folder in BOX_FOLDERS:
            os.mkdir(f"{BOX}/{folder}", 0o700)  # noqa: PTH102  this is done for every worker, and it is twice as quick
        return linux.clone(_WORKER, signal.SIGCHLD)

    def close_worker(self) -> None:
        os.setpgid(0, 0)
        linux.set_dumpable(True)
        _map_user(_INNER_USER, _INNER_USER, self._proc)
        _tell_kernel("self/oom_score_adj", b"1000", self._proc)  # the kernel takes this one before the lane
        os.close(self._proc)
        os.chdir(f"{BOX}/{BOX_FOLDERS[0]}")
        linux.drop_capabilities()
        if self._filter:
            linux.load_filter(self._filter)

    def begin(self, child: int, watch: Watch) -> None:
        """Nothing to be done: the worker's user namespace counts from nothing."""

    def most_processes(self, processes: int) -> int:
        return processes

    def processes(self) -> list[str]:
        return [path.name for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != "1"]

    def end_all(self) -> None:
        if os.getpid() != 1:
            raise PermissionError("only the first process of a namespace of its own may end everybody")
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def crowded(self) -> bool:
        return False

    def clear(self) -> None:
        linux.unmount(BOX)


def _filter(settings: NurserySettings) -> bytes:
    if "seccomp" in settings.without:
        return b""
    uncounted = frozenset() if settings.memory_held else frozenset({seccomp.Extra.UNCOUNTED})
    return seccomp.build(linux.machine(), uncounted)


def _give_up_root(user: int, group: int) -> None:
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    linux.set_dumpable(True)  # else /proc/self belongs to root, and the maps below could not be written


def _map_user(user: int, group: int, proc: int | None = None) -> None:
    """One user and one group exist inside. Without others there is nobody a setuid program could become."""
    place = "/proc/self/" if proc is None else "self/"
    _tell_kernel(f"{place}setgroups", b"deny", proc)
    _tell_kernel(f"{place}uid_map", b"%d %d 1" % (_INNER_USER, user), proc)
    _tell_kernel(f"{place}gid_map", b"%d %d 1" % (_INNER_USER, group), proc)


def _tell_kernel(path: str, words: bytes, folder: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, words)
    finally:
        os.close(descriptor)


def _drop_rights() -> None:
    linux.drop_capabilities()
    linux.no_new_privileges()
