"""Landlock: what a process and all it starts may reach, taken away by itself, for good. Needs no rights.

Sources: the kernel's userspace-api/landlock.rst and uapi linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from afield_sandbox import linux

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_FOLDER: Final = 1 << 3
_MAKE_DEVICE: Final = 1 << 6 | 1 << 11
_TRUNCATE: Final = 1 << 14
_NEWEST_OF: Final = {1: 12, 2: 13, 3: 14, 4: 14}  # the last right on files of each version; 15 from version 5 on
_TCP: Final = 0b11  # bind, connect; version 4
_ABSTRACT_SOCKETS: Final = 1  # version 6
_SIGNALS: Final = 2
_BELOW_PATH: Final = 1

SCOPED: Final = 6  # from this version on it holds signals and abstract sockets

READ: Final = _EXECUTE | _READ_FILE | _READ_FOLDER
DEVICE: Final = _READ_FILE | _WRITE_FILE | _TRUNCATE


def version() -> int:
    """The kernel's Landlock interface version; 0 where there is none, or where it is switched off."""
    try:
        return linux.call("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_ulong(1))
    except (OSError, KeyError):
        return 0


def _file_rights(version_: int) -> int:
    return (1 << (_NEWEST_OF.get(version_, 15) + 1)) - 1


def scope(version_: int) -> None:
    """From here on this process and its children reach no process outside by a signal or an abstract socket."""
    _restrict(_create(0, 0, _SIGNALS | _ABSTRACT_SOCKETS, version_))


def restrict(rules: Iterable[tuple[str, int]], own: Iterable[str], version_: int, *, scoped: bool) -> None:
    """Files: nothing but `rules` (a path and what is allowed at and below it) and `own`, where all but device nodes is.
    TCP: nothing. `scoped`: signals and abstract sockets stay among those below.

    A path that is not there is left out. Needs no_new_privileges first. Raises OSError.
    """
    handled = _file_rights(version_)
    ruleset = _create(handled, _TCP, (_SIGNALS | _ABSTRACT_SOCKETS) if scoped else 0, version_)
    for path, rights in (*rules, *((path, handled & ~_MAKE_DEVICE) for path in own)):
        with suppress(FileNotFoundError):
            _allow(ruleset, path, rights & handled)
    _restrict(ruleset)


def _create(files: int, network: int, scoped: int, version_: int) -> int:
    attributes = struct.pack("QQQ", files, network, scoped)
    size = 24 if version_ >= SCOPED else 16 if version_ >= 4 else 8
    return linux.call("landlock_create_ruleset", ctypes.c_char_p(attributes), ctypes.c_size_t(size), ctypes.c_ulong(0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):  # noqa: PTH112  done for every worker
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
        rule = struct.pack("=Qi", rights, place)
        linux.call("landlock_add_rule", ruleset, _BELOW_PATH, ctypes.c_char_p(rule), ctypes.c_ulong(0))
    finally:
        os.close(place)


def _restrict(ruleset: int) -> None:
    try:
        linux.call("landlock_restrict_self", ruleset, ctypes.c_ulong(0))
    finally:
        os.close(ruleset)
