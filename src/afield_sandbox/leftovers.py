"""What a run has left in its private folder: the files to keep, how much there is, and how to be rid of it.

Only looked at by its owner, or by root when nobody of the run is alive; no link is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

_MAX_KEPT_FILES = 1000
_DEEPEST = 64
_BLOCK = 512


def _walk(folder: str) -> Iterator[os.DirEntry[str] | None]:
    """All that is below, not in order; None for a folder that lies too deep to be looked into."""
    left = [(folder, 0)]
    while left:
        place, depth = left.pop()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # gone meanwhile, or closed to all
            try:
                with os.scandir(place) as entries:
                    found = list(entries)
            except OSError as problem:
                if problem.errno != errno.ENAMETOOLONG:
                    raise
                yield None
                continue
            yield from found
            below = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
            if below and depth == _DEEPEST:
                yield None
            else:
                left += [(path, depth + 1) for path in below]


def files(folder: str, budget: int) -> Iterator[tuple[str, bytes, bool]]:
    """The regular files, with names relative to the folder, as long as the budget of bytes lasts."""
    if budget == 0:
        return
    found = sorted((entry for entry in _walk(folder) if entry is not None), key=lambda entry: entry.path)
    for entry in found[:_MAX_KEPT_FILES]:
        with suppress(OSError, UnicodeEncodeError):
            about = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(about.st_mode) or about.st_size > budget:
                continue
            name = str(Path(entry.path).relative_to(folder))
            name.encode()
            budget -= about.st_size
            yield name, _content(entry.path), bool(about.st_mode & 0o100)


def _content(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read()


def holds_more(folder: str, most_bytes: int, most_files: int, besides: int = 0) -> bool:
    """Whether more bytes of disk or more files and folders are there just now, or some that cannot be seen."""
    for number, entry in enumerate(_walk(folder)):
        if entry is None or number >= most_files:
            return True
        with suppress(OSError):
            besides += _BLOCK * entry.stat(follow_symlinks=False).st_blocks
    return besides > most_bytes


def unlinked(processes: list[str]) -> int:
    """Bytes of disk in files that these processes hold open and that have no name any more."""
    sizes: dict[tuple[int, int], int] = {}
    for process in processes:
        with suppress(OSError):
            for held in Path("/proc", process, "fd").iterdir():
                about = held.stat()
                if stat.S_ISREG(about.st_mode) and about.st_nlink == 0:
                    sizes[about.st_dev, about.st_ino] = _BLOCK * about.st_blocks
    return sum(sizes.values())


def remove(folder: str) -> None:
    """A folder with all in it, however deep: what lies deeper is moved up first. Nobody else may be at work there."""
    with suppress(FileNotFoundError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)  # noqa: PTH106  beside its siblings


def _empty(top: int) -> None:
    number = count()
    while names := os.listdir(top):
        for name in names:
            if _is_folder(name, top):
                _flatten(name, top, number)
            else:
                os.unlink(name, dir_fd=top)


def _flatten(name: str, top: int, number: Iterator[int]) -> None:
    """Be rid of one folder; the folders in it take its place."""
    os.chmod(name, 0o700, dir_fd=top)
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    try:
        for inner in os.listdir(below):  # noqa: PTH208
            if _is_folder(inner, below):
                os.chmod(inner, 0o700, dir_fd=below)
                os.rename(inner, _free(top, number), src_dir_fd=below, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=top)


def _free(top: int, number: Iterator[int]) -> str:
    """A name that nobody in this folder has."""
    for one in number:
        with suppress(FileNotFoundError):
            os.lstat(name := f"{one}.afield", dir_fd=top)
            continue
        return name
    raise AssertionError("numbers have ended")


def _is_folder(name: str, folder: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
