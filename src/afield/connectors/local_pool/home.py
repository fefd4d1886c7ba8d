"""The folder of a local pool: its name, its token, and what is known of each process that served it. Blocking."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psutil

KEPT_FOR = timedelta(days=2)
"""How long it is remembered when a process began and ended; attempts are watched for a day."""

_COARSE = timedelta(seconds=1)  # the times of files lag behind the clock by some milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One process that served the pool: it began after `begun`, and was certainly dead at `ended`."""

    number: int
    folder: Path
    begun: datetime
    ended: datetime | None = None

    def may_have_lived(self, since: datetime) -> bool:
        """Whether it may have taken anything at that time or later."""
        return self.ended is None or self.ended + _COARSE >= since

    def last_line(self) -> str:
        """The last that it wrote into its log."""
        try:
            lines = (self.folder / "adapter.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:400] if lines else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The process that serves the pool now."""

    number: int
    url: str
    token: str = field(repr=False)
    pid: int
    boot: str
    version: str
    ready_at: datetime  # it took nothing before


class PoolHome:
    """The files. Only one process at a time writes them, inside `locked`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "local-pool"
        self._served = self.folder / "served"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the pool against everybody else who would start it."""
        self._served.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def name(self) -> str:
        """The pool's own, random name: another folder is another pool."""
        path = self.folder / "name"
        if not path.exists():
            with self.locked():
                if not path.exists():
                    _write_secret(path, secrets.token_hex(16))
        return path.read_text()

    @property
    def token_file(self) -> Path:
        """The token that callers show. Call `make_token` before the first use."""
        return self.folder / "token"

    def make_token(self) -> None:
        if not self.token_file.exists():
            _write_secret(self.token_file, secrets.token_urlsafe(32))

    def served(self) -> list[Served]:
        """The processes, oldest first; those that ended long ago are forgotten."""
        folders = sorted(self._served.iterdir()) if self._served.exists() else []
        return [one for one in map(_read_served, folders) if one is not None]

    def running(self) -> Running | None:
        """The process that serves the pool, unless it is dead or not ready yet."""
        served = self.served()
        return self._alive(served[-1]) if served else None

    def _alive(self, one: Served) -> Running | None:
        if one.ended is not None:
            return None
        ready = one.folder / "ready.json"
        try:
            told = orjson.loads(ready.read_bytes())
            ready_at = _time_of(ready)
            if not is_process(int(told["pid"]), begun_before=ready_at):
                return None
            return Running(
                number=one.number,
                url=str(told["url"]),
                token=self.token_file.read_text(),
                pid=int(told["pid"]),
                boot=str(told["boot_id"]),
                version=str(told["version"]),
                ready_at=ready_at,
            )
        except (OSError, ValueError, KeyError):
            return None

    def last_words(self) -> str:
        """Why the last process did not start, if it did not; empty when it was ready once, or there was none."""
        served = self.served()
        if not served or served[-1].ended is None or self._exit_code(served[-1]) in {"", "0"}:
            return ""
        return served[-1].last_line()

    def _exit_code(self, one: Served) -> str:
        with suppress(OSError):
            return (one.folder / "ended").read_text().strip()
        return ""

    def begin(self) -> Served:
        """A folder for the next process. Inside `locked`, and only when nobody is alive: whoever served is dead now."""
        before = self.served()
        for one in before:
            if one.ended is None:
                (one.folder / "ended").touch()
        self._forget_old(before)
        number = before[-1].number + 1 if before else 1
        folder = self._served / f"{number:06}"
        folder.mkdir(mode=0o700)
        (folder / "begun").touch()
        return Served(number=number, folder=folder, begun=_time_of(folder / "begun") - _COARSE)

    def _forget_old(self, served: list[Served]) -> None:
        """All but the last, so that numbers are not used again."""
        long_ago = datetime.now(UTC) - KEPT_FOR
        for one in served[:-1]:
            if one.ended is not None and one.ended < long_ago:
                shutil.rmtree(one.folder, ignore_errors=True)


def is_process(pid: int, *, begun_before: datetime) -> bool:
    """Whether that process is alive, and no younger one that was given the number of a dead one."""
    try:
        process = psutil.Process(pid)
        began = datetime.fromtimestamp(process.create_time(), UTC)
        return process.status() != psutil.STATUS_ZOMBIE and began <= begun_before + _COARSE
    except psutil.Error:
        return False


def _read_served(folder: Path) -> Served | None:
    try:
        begun = _time_of(folder / "begun") - _COARSE
    except OSError:
        return None
    ended: datetime | None = None
    with suppress(OSError):
        ended = _time_of(folder / "ended")
    return Served(number=int(folder.name), folder=folder, begun=begun, ended=ended)


def _time_of(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _write_secret(path: Path, text: str) -> None:
    """In one step, readable for nobody else."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
