"""Going in: the nursery's own namespaces, and those of each worker.

The nursery gives up being root before it makes its user namespace, so that outside it is an ordinary user: RLIMIT_NPROC
does not hold for the host's root, whatever namespace it sits in. Each worker gets a user namespace of its own below,
where the kernel counts its processes apart from all others.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Final

from afield_sandbox import linux, rootfs, seccomp
from afield_sandbox.wire import NurserySettings

_INNER_USER: Final = 1000
_WORKER: Final = linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
_NURSERY: Final = _WORKER | linux.CLONE_NEWNET | linux.CLONE_NEWCGROUP
_PROC_FLAGS: Final = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


def enter_nursery(settings: NurserySettings) -> bool:
    """Enter the nursery's namespaces. True in its first process; False, after that one's end, in the one outside.

    Raises OSError when the host does not allow something.
    """
    linux.die_with_parent()
    if settings.user is None:
        _new_user_namespace(_namespaces(_NURSERY, settings), os.geteuid(), os.getegid())
        rootfs.build_root(settings)
    else:
        linux.unshare(linux.CLONE_NEWNS)
        rootfs.build_root(settings)
        _give_up_root(*settings.user)
        _new_user_namespace(_namespaces(_NURSERY, settings), *settings.user)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return False
    linux.die_with_parent()
    linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
    socket.sethostname("sandbox")
    _drop_rights()
    return True


def _namespaces(flags: int, settings: NurserySettings) -> int:
    return flags & ~linux.CLONE_NEWNET if "network" in settings.without else flags


def _give_up_root(user: int, group: int) -> None:
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    linux.set_dumpable(True)  # else /proc/self belongs to root, and the maps below could not be written


def _new_user_namespace(flags: int, user: int, group: int) -> None:
    linux.unshare(flags)
    _map_user(user, group)


def _map_user(user: int, group: int) -> None:
    """One user and one group exist inside. Without others there is nobody a setuid program could become."""
    _tell_kernel("/proc/self/setgroups", b"deny")
    _tell_kernel("/proc/self/uid_map", b"%d %d 1" % (_INNER_USER, user))
    _tell_kernel("/proc/self/gid_map", b"%d %d 1" % (_INNER_USER, group))


def _tell_kernel(path: str, words: bytes, folder: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, words)
    finally:
        os.close(descriptor)


def _drop_rights() -> None:
    linux.drop_capabilities()
    linux.no_new_privileges()


def fork_worker(settings: NurserySettings) -> int:
    """A child that is the first process of its own namespaces: 0 there, its id here."""
    own_network = 0 if "network" in settings.without else linux.CLONE_NEWNET
    return linux.clone(_WORKER | own_network, signal.SIGCHLD)


def close_worker(settings: NurserySettings) -> int:
    """Shut the door behind a new worker: private folders, own /proc, no rights, no way back.

    Gives a descriptor of the nursery's /proc, the only writable one; to be closed before foreign code runs.
    """
    linux.die_with_parent()
    os.setsid()
    _map_user(_INNER_USER, _INNER_USER)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    size = f"mode=755,size={settings.scratch_bytes},nr_inodes={settings.scratch_files}"
    linux.mount("tmpfs", "/box", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, size)
    for folder in rootfs.scratch_folders():
        os.mkdir(folder, 0o700)  # noqa: PTH102  this is done for every worker, and it is twice as quick
    linux.mount("proc", "/proc", "proc", _PROC_FLAGS | linux.MS_RDONLY)
    os.chdir("/box/code")
    _drop_rights()
    if "seccomp" not in settings.without:
        linux.load_filter(seccomp.build(linux.machine()))
    return proc


def offer_to_oom_killer(proc: int) -> None:
    """Let the kernel take this process and its children before the init that watches them."""
    _tell_kernel("self/oom_score_adj", b"1000", proc)
