"""The root the jail sees: what languages need, read-only, and one private folder in memory.

`plan_root` looks at the host; `build_root` runs in a mount namespace of its own and changes only that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from afield_sandbox import linux
from afield_sandbox.wire import NurserySettings

_TREES: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC: Final = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "java-*", "crypto-policies")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_LINKS: Final = (
    ("/tmp", "/box/tmp"),  # noqa: S108
    ("/var/tmp", "/box/tmp"),  # noqa: S108
    ("/dev/shm", "/box/shm"),  # noqa: S108
    ("/mnt/data", "/box/code"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)
_FILES: Final = {
    "/etc/passwd": "sandbox:x:1000:1000::/box/code:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "/etc/group": "sandbox:x:1000:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}
_OLD: Final = "/old"
_NEW: Final = "/new"


def plan_root(more: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What to show of this host, and the links to make. `more`: folders of tool chains outside of /usr."""
    trees = [Path(tree) for tree in _TREES if Path(tree).exists()]
    wanted = [*trees, *(path for pattern in _ETC for path in sorted(Path("/etc").glob(pattern)))]
    links = [(str(path), str(path.readlink())) for path in wanted if path.is_symlink()]
    shown = [str(path) for path in wanted if not path.is_symlink()]
    shown += [device for device in _DEVICES if Path(device).exists()]
    outside = sorted({path for path in more if not any(Path(path).is_relative_to(tree) for tree in trees)})
    return (*shown, *outside), (*links, *_LINKS)


def build_root(settings: NurserySettings) -> None:
    """Make the planned root this process's root. Needs the right to mount, in a mount namespace of its own."""
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    _stand_aside()
    for path in (*settings.binds, "/proc"):
        _place(path)
    for path in settings.binds:
        _show(path)
    for link, target in settings.links:
        _inside(link).parent.mkdir(parents=True, exist_ok=True)
        _inside(link).symlink_to(target)
    for path, text in _FILES.items():
        _inside(path).write_text(text, encoding="utf-8")
    _inside("/box").mkdir()
    linux.protect_mounts(_NEW, read_only=True, devices=True)
    linux.mount(f"{_OLD}/proc", f"{_NEW}/proc", flags=linux.MS_BIND | linux.MS_REC)
    _move_in()


def _inside(path: str) -> Path:
    return Path(_NEW + path)


def _stand_aside() -> None:
    """Move to a small root in memory, with the host's below it, so that nothing the host has is hidden meanwhile."""
    base = "/tmp"  # noqa: S108  any folder will do, and this one is there
    linux.mount("tmpfs", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=4m")
    Path(base + _OLD).mkdir()
    Path(base + _NEW).mkdir()
    linux.pivot_root(base, base + _OLD)
    os.chdir("/")
    linux.mount(_NEW, _NEW, flags=linux.MS_BIND)


def _place(path: str) -> None:
    """An empty folder or file to mount on."""
    if Path(_OLD + path).is_dir():
        _inside(path).mkdir(parents=True, exist_ok=True)
    else:
        _inside(path).parent.mkdir(parents=True, exist_ok=True)
        _inside(path).touch()


def _show(path: str) -> None:
    linux.mount(_OLD + path, _NEW + path, flags=linux.MS_BIND | linux.MS_REC)
    linux.protect_mounts(_NEW + path, read_only=False, devices=path in _DEVICES)


def _move_in() -> None:
    os.chdir(_NEW)
    linux.pivot_root(".", ".")
    linux.unmount(".")
    os.chdir("/")
