"""Where the private folders of runs lie when there can be no file system of their own for them. All of it blocks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from afield_sandbox import leftovers

_PREFIX: Final = "afield-sandbox-"
_USUAL: Final = ("/tmp", "/var/tmp")  # noqa: S108  the folders below are made by mkdtemp
_MEMORY: Final = "/dev/shm"  # noqa: S108  quick, where it is roomy
_ROOMY: Final = 4 << 30


def make(where: str = "") -> str:
    """A new folder that others can pass through and not look into; removes those whose keepers have died.

    Raises OSError when there is no place that programs can be run from.
    """
    places = (where,) if where else (*_roomy(), tempfile.gettempdir(), *_USUAL)
    for place in filter(_fits, places):
        for left in Path(place).glob(f"{_PREFIX}*"):
            _sweep(left)
        folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
        Path(folder).chmod(0o711)
        return folder
    raise OSError(f"none of {', '.join(places)} is writable, open to pass through, and allows running programs")


def _roomy() -> tuple[str, ...]:
    if not Path(_MEMORY).is_dir():
        return ()
    about = os.statvfs(_MEMORY)
    return (_MEMORY,) if about.f_bavail * about.f_frsize >= _ROOMY else ()


def _fits(place: str) -> bool:
    path = Path(place).resolve()
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK) or os.statvfs(path).f_flag & os.ST_NOEXEC:
        return False
    return os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _sweep(left: Path) -> None:
    pid = left.name.removeprefix(_PREFIX).partition("-")[0]
    if pid.isdigit() and not Path("/proc", pid).exists() and left.lstat().st_uid == os.geteuid():
        leftovers.remove(str(left))
