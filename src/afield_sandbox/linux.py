"""The system calls that Python 3.11 does not have, by ctypes. Everything raises OSError with what was tried.

Numbers and structures: the Linux man pages of each call, and the kernel's uapi headers.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Final

_LIBC = ctypes.PyDLL(None, use_errno=True)

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

_ATTR_RDONLY: Final = 1
_ATTR_NOSUID: Final = 2
_ATTR_NODEV: Final = 4
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
CAP_SYS_ADMIN: Final = 1 << 21
_SECCOMP_SET_MODE_FILTER: Final = 1

_SAME: Final = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
_NUMBERS: Final = {
    "x86_64": {"clone": 56, "pivot_root": 155, "seccomp": 317, **_SAME},
    "aarch64": {"clone": 220, "pivot_root": 41, "seccomp": 277, **_SAME},
}


_MACHINE: Final = platform.machine()


def machine() -> str:
    """The processor's name as the kernel says it."""
    return _MACHINE


def supported() -> bool:
    """Whether the system call numbers of this machine are known here."""
    return os.uname().sysname == "Linux" and machine() in _NUMBERS


def _raise(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def call(name: str, *arguments: object) -> int:
    """A system call that is known here by its name. Raises OSError."""
    result: int = _LIBC.syscall(ctypes.c_long(_NUMBERS[machine()][name]), *arguments)
    if result < 0:
        _raise(name)
    return result


def _prctl(what: str, *arguments: int) -> None:
    if _LIBC.prctl(*(ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:5])) < 0:
        _raise(what)


def clone(flags: int, signal: int = 17) -> int:
    """A fork into new namespaces: 0 in the child, its id in the parent. Only for a process with one thread."""
    ctypes.pythonapi.PyOS_BeforeFork()
    child = -1
    try:
        child = call("clone", ctypes.c_ulong(flags | signal), None, None, None, ctypes.c_ulong(0))
    finally:
        if child == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()  # among others, it gives `random` a new seed
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
    return child


def unshare(flags: int) -> None:
    """Put this process into new namespaces."""
    if _LIBC.unshare(flags) < 0:
        _raise("unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, bind, or change how something is mounted."""
    named = (os.fsencode(source), os.fsencode(target), os.fsencode(kind) or None)
    if _LIBC.mount(*named, ctypes.c_ulong(flags), options.encode() or None) < 0:
        _raise(f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    """Detach what is mounted here, and all below."""
    if _LIBC.umount2(os.fsencode(target), MNT_DETACH) < 0:
        _raise(f"umount {target}")


def protect_mounts(target: str, *, read_only: bool, devices: bool) -> None:
    """Take rights away from a mount and all below: always setuid, on request writing and devices. Linux 5.12."""
    attributes = _ATTR_NOSUID | (_ATTR_RDONLY if read_only else 0) | (0 if devices else _ATTR_NODEV)
    given = struct.pack("QQQQ", attributes, 0, 0, 0)
    call("mount_setattr", _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, ctypes.c_char_p(given), ctypes.c_size_t(32))


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root; the old one is then found at `old`."""
    call("pivot_root", os.fsencode(new), os.fsencode(old))


def die_with_parent(signal: int = 9) -> None:
    """A signal, SIGKILL unless told otherwise, for this process when the thread that forked it ends."""
    _prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, signal)


def adopt_orphans() -> None:
    """Processes below this one whose parent ends become its children, not those of the host's first process."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether others of the same user may look into this process (ptrace, /proc/PID/mem, environ, fd)."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, int(dumpable))


def no_new_privileges() -> None:
    """From here on exec gives nothing: no setuid, no file capabilities."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


_CAPABILITIES: Final = [ctypes.c_ulong(capability) for capability in range(64)]


def bound_capabilities() -> None:
    """None can come back by running a program, whatever its file says."""
    for capability in _CAPABILITIES:
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL: past the last one this kernel has. EPERM: an empty effective set cannot regain any


def drop_capabilities(*, keep: int = 0) -> None:
    """All of them, out of every set, for good; but for those of the mask `keep`, which no program inherits."""
    bound_capabilities()
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    if _LIBC.capset(ctypes.c_char_p(header), struct.pack("6I", low, low, 0, high, high, 0)) < 0:
        _raise("capset")


def load_filter(program: bytes) -> None:
    """Attach a seccomp filter: an array of `struct sock_filter`. Needs no_new_privileges first."""
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    call("seccomp", ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER), ctypes.c_ulong(0), ctypes.c_char_p(head))
