"""Walls without namespaces: Landlock, the call filter, rlimits, and where root starts the jail a user for each lane.

A lane adopts the orphans of its run, so that it finds them all. It can end them all at once in one of two ways: where
Landlock holds signals, the lane sits in a domain of its own and a signal to everybody reaches those below it alone;
where root starts the jail, a child that becomes the lane's user sends it, and reaches that user's processes alone.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from afield_sandbox import landlock, leftovers, linux, seccomp
from afield_sandbox.nursery import usage
from afield_sandbox.nursery.enclosure import NurseryEndedError
from afield_sandbox.wire import BOX_FOLDERS, NurserySettings, Watch

_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_KERNEL: Final = tuple(
    f"/proc/{name}" for name in ("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "sys")
)
_SETTINGS: Final = ("/etc/ssl/openssl.cnf",)  # Node does not start where this is there and cannot be read
_ORDINARY: Final = 1000  # users from here on are nobody's that the system needs
_LOOK_SHARE: Final = 10  # looking at the private folder takes at most this part of the time


class Claim(NamedTuple):
    """A user, and the name that is bound as long as it is taken."""

    user: int
    name: socket.socket


class Fence:
    """No namespaces. See `Enclosure`."""

    def __init__(self, settings: NurserySettings) -> None:
        self._settings = settings
        self._version = 0 if "landlock" in settings.without else landlock.version()
        self._scoped = landlock.version() >= landlock.SCOPED and "scope" not in settings.without
        self._filter = b"" if "seccomp" in settings.without else seccomp.build(linux.machine(), _extras(settings))
        self._tenants: dict[int, Claim | None] = {}  # of the nursery: the lanes, and their users
        self._user: int | None = None
        self._lane = 0
        self._held = False  # of a lane: a signal to everybody does not leave its domain
        self._allowance: tuple[int, int] | None = None
        self._next_look = 0.0
        self.box = ""
        self.looks = True

    # ------------------------------------------------------------------------------- the nursery

    def enter(self) -> bool:
        if not landlock.version():
            raise OSError("this kernel has no Landlock, or it is switched off")
        if not self._scoped and not self._settings.users:
            raise OSError(
                "Landlock of this kernel cannot hold signals, and only root can give each lane a user of its own"
            )
        if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
            raise OSError("this kernel does not list the children of a process")
        linux.adopt_orphans()
        linux.no_new_privileges()
        return True

    def fork_lane(self) -> int:
        claim = self._claim() if self._settings.users else None
        child = os.fork()
        if child == 0:
            self._user = claim.user if claim else None
        else:
            self._tenants[child] = claim
        return child

    def _claim(self) -> Claim:
        """A user of this host that nobody is, and that no other jail takes."""
        assert self._settings.users is not None
        first, last = self._settings.users
        for user in range(max(first, _ORDINARY), last + 1):
            name = socket.socket(socket.AF_UNIX)
            with suppress(OSError):
                name.bind(f"\0afield-sandbox-user-{user}")
                if not _known(user) and not usage.threads_of(user):
                    return Claim(user, name)
            name.close()
        raise OSError(f"all users from {first} to {last} are taken")

    def lane_ended(self, pid: int) -> None:
        claim = self._tenants.pop(pid)
        if claim:
            _end_user(claim.user)
        while orphans := set(usage.children(os.getpid())) - {str(lane) for lane in self._tenants}:
            for orphan in orphans:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(int(orphan), signal.SIGKILL)
                    os.waitpid(int(orphan), 0)
        leftovers.remove(self._place(pid))
        if claim:
            claim.name.close()

    def _place(self, lane: int) -> str:
        return f"{self._settings.folder}/{lane}"

    # ------------------------------------------------------------------------------- a lane

    def enter_lane(self) -> None:
        signal.signal(signal.SIGTERM, _nursery_ended)
        linux.die_with_parent(signal.SIGTERM)
        os.setsid()
        linux.adopt_orphans()
        linux.set_dumpable(False)
        if self._scoped:
            landlock.scope(landlock.version())
            self._held = _refused(os.getppid())
        self._lane = os.getpid()
        self.box = self._place(self._lane)

    def fork_worker(self) -> int:
        os.mkdir(self.box, 0o700)  # noqa: PTH102  done for every worker
        for folder in BOX_FOLDERS:
            os.mkdir(f"{self.box}/{folder}", 0o700)  # noqa: PTH102
        if self._user is not None:
            for folder in ("", *BOX_FOLDERS):
                os.chown(f"{self.box}/{folder}", self._user, self._user)
        else:
            self._allowance = os.pipe()
        child = os.fork()
        if child and self._allowance:
            os.close(self._allowance[0])
        return child

    def begin(self, child: int, watch: Watch) -> None:
        if self._allowance:
            os.write(self._allowance[1], struct.pack("I", usage.threads_of(os.geteuid()) + watch.processes))

    def processes(self) -> list[str]:
        return usage.descendants(self._lane)

    def end_all(self) -> None:
        if self._user is not None:
            _end_user(self._user)
        elif self._held:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            raise PermissionError("signals of this lane are not held, so that nobody can be ended by one to all")

    def crowded(self) -> bool:
        now = time.monotonic()
        if now < self._next_look:
            return False
        nameless = leftovers.unlinked(self.processes())
        most = self._settings.scratch_bytes, self._settings.scratch_files
        crowded = leftovers.holds_more(self.box, *most, nameless)
        self._next_look = now + _LOOK_SHARE * (time.monotonic() - now)
        return crowded

    def clear(self) -> None:
        if self._allowance:
            os.close(self._allowance[1])
            self._allowance = None
        leftovers.remove(self.box)

    # ------------------------------------------------------------------------------- a worker

    def close_worker(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.umask(0o077)
        if self._user is not None:
            _become(self._user)
        linux.drop_capabilities()
        linux.set_dumpable(True)
        linux.die_with_parent()
        if os.getppid() != self._lane:
            raise OSError("the lane has ended")
        Path("/proc/self/oom_score_adj").write_bytes(b"1000")
        os.environ.update(HOME=f"{self.box}/code", TMPDIR=f"{self.box}/tmp")  # noqa: S108  below the private folder
        os.chdir(f"{self.box}/code")
        Path(os.__file__).stat()  # else nothing could be imported
        if self._version:
            rules = [(path, landlock.DEVICE if path in _DEVICES else landlock.READ) for path in self._settings.binds]
            rules += [(path, landlock.READ) for path in (*_KERNEL, *_SETTINGS, "/proc/self")]
            landlock.restrict(rules, [self.box], self._version, scoped=self._scoped)
        if self._filter:
            linux.load_filter(self._filter)

    def most_processes(self, processes: int) -> int:
        """Of a user of the lane's own so many; else so many more than the user has now, as the lane has counted."""
        if self._allowance is None:
            return processes
        os.close(self._allowance[1])
        with os.fdopen(self._allowance[0], "rb") as told:
            return int(struct.unpack("I", told.read(4))[0])


def _extras(settings: NurserySettings) -> frozenset[seccomp.Extra]:
    owner = set() if settings.users else {seccomp.Extra.OWNER}
    uncounted = set() if settings.memory_held else {seccomp.Extra.UNCOUNTED}
    return frozenset({seccomp.Extra.SHARED} | owner | uncounted)


def _refused(pid: int) -> bool:
    """Whether this process may not signal one that is there."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    return False


def _known(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _nursery_ended(number: int, frame: object) -> NoReturn:
    raise NurseryEndedError


def _become(user: int) -> None:
    """For good."""
    linux.bound_capabilities()
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _end_user(user: int) -> None:
    """SIGKILL to every process of a user, at once. Never of one that others could be."""
    child = os.fork()
    if child == 0:
        try:
            if user < _ORDINARY:
                os._exit(1)
            _become(user)
            linux.drop_capabilities()
            if os.getresuid() == (user, user, user):
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
