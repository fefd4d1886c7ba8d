"""The system call filter, built as BPF: some calls are refused, some are said not to exist, the rest is allowed.

Refused is what reaches for other processes, for the kernel, for new namespaces or for the network. Calls newer than
those judged here do not exist inside. `clone3` neither: its flags lie in memory, where a filter cannot read them, and
every C library falls back to `clone`. The 32-bit and x32 interfaces end the process.
What more has to be refused where the walls are weaker is named by `Extra`.
Numbers: the kernel's syscall tables of x86-64 and arm64. BPF: the kernel's uapi linux/filter.h and linux/seccomp.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER_EQUAL: Final = 0x35
_JUMP_SET: Final = 0x45
_RETURN: Final = 0x06

_KILL: Final = 0x80000000
_ALLOW: Final = 0x7FFF0000
_ERROR: Final = 0x00050000

_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_FIRST: Final = 16
_SECOND: Final = 24

_NEW_NAMESPACES: Final = 0x7E020000
_LOCAL_SOCKET: Final = 1  # AF_UNIX
_TERMINAL_TRICKS: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_NEWEST: Final = 462  # the last call judged here: mseal


class Extra(StrEnum):
    """What is refused on top."""

    SHARED = "shared"  # processes, sockets, System V objects and file events of the host are within reach
    OWNER = "owner"  # files and processes of the host belong to the run's own user
    UNCOUNTED = "uncounted"  # nothing counts memory that is nobody's


@dataclass(frozen=True, slots=True)
class _Table:
    audit: int
    clone: int
    socket: int
    socketpair: int
    setpriority: int
    ioctl: int
    foreign: int | None  # numbers from here on belong to another interface


_TABLES: Final = {
    "x86_64": _Table(
        audit=0xC000003E, clone=56, socket=41, socketpair=53, setpriority=141, ioctl=16, foreign=0x40000000
    ),
    "aarch64": _Table(audit=0xC00000B7, clone=220, socket=198, socketpair=199, setpriority=140, ioctl=29, foreign=None),
}

# name: (x86-64, arm64); None where that machine has no such call
REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioprio_set": (251, 30),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "modify_ldt": (154, None),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "ustat": (136, None),
    "vhangup": (153, 58),
    "vm86": (None, None),
}
EXTRA: Final[dict[Extra, dict[str, tuple[int | None, int | None]]]] = {
    Extra.SHARED: {
        "bind": (49, 200),
        "connect": (42, 203),
        "inotify_add_watch": (254, 27),
        "mq_open": (240, 180),
        "mq_unlink": (241, 181),
        "msgctl": (71, 187),
        "msgget": (68, 186),
        "msgrcv": (70, 188),
        "msgsnd": (69, 189),
        "semctl": (66, 191),
        "semget": (64, 190),
        "semop": (65, 193),
        "semtimedop": (220, 192),
        "shmat": (30, 196),
        "shmctl": (31, 195),
        "shmget": (29, 194),
        "socket": (41, 198),
    },
    Extra.OWNER: {
        "chmod": (90, None),
        "chown": (92, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "fchmodat2": (452, 452),
        "fchown": (93, 55),
        "fchownat": (260, 54),
        "fremovexattr": (199, 16),
        "fsetxattr": (190, 7),
        "futimesat": (261, None),
        "lchown": (94, None),
        "lremovexattr": (198, 15),
        "lsetxattr": (189, 6),
        "removexattr": (197, 14),
        "setxattr": (188, 5),
        "utime": (132, None),
        "utimensat": (280, 88),
        "utimes": (235, None),
    },
    Extra.UNCOUNTED: {"memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194)},
}
# Calls that may only be about the caller itself, which says so by 0 as the first argument. The lane is the same user's.
OWN_ONLY: Final[dict[str, tuple[int, int]]] = {
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
}
_BLOCK: Final = 10
_DATAGRAMS: Final = 0x2  # the bit of SOCK_DGRAM and SOCK_RAW: such a pair could still send to others
_CLONE3: Final = 435
_COLUMNS: Final = {"x86_64": 0, "aarch64": 1}


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def _error(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)


def _if_equal(value: int, *then: bytes) -> bytes:
    """`then` when the loaded value is this; else go on behind it."""
    return _step(_JUMP_EQUAL, value, 0, len(then)) + b"".join(then)


def _refused_numbers(machine: str, extras: frozenset[Extra]) -> list[int]:
    column = _COLUMNS[machine]
    tables = [REFUSED, *(EXTRA[extra] for extra in extras)]
    return sorted({number for table in tables for numbers in table.values() if (number := numbers[column]) is not None})


def _head(table: _Table) -> Iterator[bytes]:
    """Only this machine's own interface; nothing newer than what is judged here."""
    yield _step(_LOAD, _ARCHITECTURE)
    yield _step(_JUMP_EQUAL, table.audit, 1, 0)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER)
    if table.foreign is not None:
        yield _step(_JUMP_GREATER_EQUAL, table.foreign, 0, 1) + _step(_RETURN, _KILL)
    yield _step(_JUMP_GREATER_EQUAL, _NEWEST + 1, 0, 1) + _error(errno.ENOSYS)


def _by_argument(table: _Table, machine: str) -> Iterator[bytes]:
    """Calls that depend on what they are asked for; each block ends in a verdict."""
    allow, refuse = _step(_RETURN, _ALLOW), _error(errno.EPERM)
    first, second = _step(_LOAD, _FIRST), _step(_LOAD, _SECOND)
    yield _if_equal(table.clone, first, _step(_JUMP_SET, _NEW_NAMESPACES, 1, 0), allow, refuse)
    yield _if_equal(table.socket, first, _step(_JUMP_EQUAL, _LOCAL_SOCKET, 0, 1), allow, refuse)
    tricks = [_step(_JUMP_EQUAL, trick, len(_TERMINAL_TRICKS) - at, 0) for at, trick in enumerate(_TERMINAL_TRICKS)]
    yield _if_equal(table.ioctl, second, *tricks, allow, refuse)
    for numbers in OWN_ONLY.values():
        yield _if_equal(numbers[_COLUMNS[machine]], first, _step(_JUMP_EQUAL, 0, 0, 1), allow, refuse)
    itself = (first, _step(_JUMP_EQUAL, 0, 0, 3), second, _step(_JUMP_EQUAL, 0, 0, 1))
    yield _if_equal(table.setpriority, *itself, allow, refuse)


def _among_others(table: _Table) -> bytes:
    """Where sockets of the host can be reached: pairs that stay pairs."""
    stays = _step(_JUMP_SET, _DATAGRAMS, 1, 0)
    return _if_equal(table.socketpair, _step(_LOAD, _SECOND), stays, _step(_RETURN, _ALLOW), _error(errno.EPERM))


def _refused_in_blocks(numbers: list[int]) -> Iterator[bytes]:
    """Refuse these, allow all others; a call is compared with few of them, for the kernel tries every call there is."""
    for at in range(0, len(numbers), _BLOCK):
        block = numbers[at : at + _BLOCK]
        members = b"".join(_if_equal(number, _error(errno.EPERM)) for number in block) + _step(_RETURN, _ALLOW)
        yield _step(_JUMP_GREATER_EQUAL, block[-1] + 1, len(members) // 8, 0) + members
    yield _step(_RETURN, _ALLOW)


@cache
def build(machine: str, extras: frozenset[Extra] = frozenset()) -> bytes:
    """The filter for a machine, as an array of `struct sock_filter`. Raises KeyError for one that is not known."""
    table = _TABLES[machine]
    parts = [*_head(table), _if_equal(_CLONE3, _error(errno.ENOSYS))]
    if Extra.SHARED in extras:
        parts += [_if_equal(table.socket, _error(errno.EPERM)), _among_others(table)]
    parts += [*_by_argument(table, machine), *_refused_in_blocks(_refused_numbers(machine, extras))]
    return b"".join(parts)
