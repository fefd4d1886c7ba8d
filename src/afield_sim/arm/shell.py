"""Running a script for real, with bash, confined as well as this machine allows.

With bubblewrap a script sees its machine's own folders in the usual places, a process tree of its own and
the machine's name; what it left running ends with it. Without, it runs in its own session in the machine's
home folder; its processes are found again by a mark in their environment, and outlive a simulator that is
killed (not one that is stopped).
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

USER = "azureuser"
HOME = f"/home/{USER}"
PERSISTENT: Mapping[str, str] = {
    HOME: "home",
    "/tmp": "tmp",  # noqa: S108 - a path inside the simulated machine
    "/var/log": "log",
    "/var/lib/app": "app",
    "/srv": "srv",
}
_SCRIPTS = "/var/lib/waagent/run-command"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc")
_MARK = "AFIELD_SIM_RUN"
_SWEEPS = 50
_BIN = "srv/bin"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Confinement(StrEnum):
    """How far a script is shut in."""

    OWN_NETWORK = "bubblewrap, network of its own"
    SHARED_NETWORK = "bubblewrap, the network of this machine"
    SESSION = "a session of its own"


@dataclass(frozen=True, slots=True)
class Script:
    """What to run: its text, positional arguments (appended unquoted, as the real handler does), variables."""

    text: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script runs: the host's name, the folder of the machine, the folder of this run."""

    host: str
    machine: Path
    run: Path


def command_line(confinement: Confinement, place: Place, arguments: Sequence[str]) -> list[str]:
    """The program and arguments that run `script.sh` of the run's folder."""
    confined = confinement is not Confinement.SESSION
    folder = f"{_SCRIPTS}/{place.run.name}" if confined else str(place.run)
    bash = ["/bin/bash", "-c", " ".join([f"{folder}/script.sh", *arguments])]
    if not confined:
        return bash
    binds = [part for inside, name in PERSISTENT.items() for part in ("--bind", str(place.machine / name), inside)]
    network = ["--unshare-net"] if confinement is Confinement.OWN_NETWORK else []
    return [
        *_jail(place.host),
        *network,
        *binds,
        "--ro-bind",
        str(place.run / "script"),
        folder,
        "--chdir",
        HOME,
        *bash,
    ]


def environment(confinement: Confinement, place: Place, given: Mapping[str, str]) -> dict[str, str]:
    """The variables a script sees; those given win. Programs planted in /srv/bin come first."""
    confined = confinement is not Confinement.SESSION
    return {
        "PATH": f"{'/' + _BIN if confined else place.machine / _BIN}:{_PATH}",
        "LANG": "C.UTF-8",
        "HOME": HOME if confined else str(place.machine / "home"),
        "TMPDIR": "/tmp" if confined else str(place.machine / "tmp"),  # noqa: S108
        "USER": USER,
        "HOSTNAME": place.host,
        _MARK: str(place.run),
        **given,
    }


def _jail(host: str) -> list[str]:
    system = [part for folder in _SYSTEM for part in ("--ro-bind-try", folder, folder)]
    return [
        *("bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", host),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"),
        *system,
    ]


async def probe() -> Confinement:
    """The strongest confinement that works on this machine."""
    if shutil.which("bwrap") is None:
        return Confinement.SESSION
    for confinement, network in ((Confinement.OWN_NETWORK, ["--unshare-net"]), (Confinement.SHARED_NETWORK, [])):
        process = await asyncio.create_subprocess_exec(
            *_jail("probe"),
            *network,
            "/bin/true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await process.wait() == 0:
            return confinement
    return Confinement.SESSION


class ScriptRun:
    """A script that was started; its output is in files of its folder."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, confinement: Confinement) -> None:
        self._folder = folder
        self._process = process
        self._confinement = confinement
        self.killed = False

    @property
    def stdout(self) -> Path:
        """The file with all of its standard output."""
        return self._folder / "stdout"

    @property
    def stderr(self) -> Path:
        """The file with all of its standard error."""
        return self._folder / "stderr"

    async def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code (128 + n for a signal); None when it still runs after `seconds`."""
        try:
            code = await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return None
        return code if code >= 0 else 128 - code

    async def kill(self) -> None:
        """Kill it and everything it started, and wait until it is gone.

        Bubblewrap ends its sandbox with itself, but not in the first moments of its life: so its processes are
        looked for all the same.
        """
        if self._process.returncode is not None and self._confinement is not Confinement.SESSION:
            return
        self.killed = True
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.to_thread(kill_marked, self._folder)
        await self._process.wait()

    async def tails(self, size: int) -> tuple[bytes, bytes]:
        """The last `size` bytes of both streams."""
        return await asyncio.to_thread(lambda: (read_tail(self.stdout, size), read_tail(self.stderr, size)))


async def start(confinement: Confinement, place: Place, script: Script) -> ScriptRun:
    """Start a script."""
    await asyncio.to_thread(_prepare, place, script.text, confinement)
    out, err = await asyncio.to_thread(_open, place.run)
    try:
        process = await asyncio.create_subprocess_exec(
            *command_line(confinement, place, script.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=place.machine / "home",
            env=environment(confinement, place, script.environment),
            start_new_session=True,
        )
    finally:
        os.close(out)
        os.close(err)
    return ScriptRun(place.run, process, confinement)


def read_tail(path: Path, size: int) -> bytes:
    """The last `size` bytes of a file."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - size))
        return file.read()


def kill_marked(folder: Path) -> None:
    """Kill all processes of the run in this folder, or of all runs in folders below it, until there are none."""
    for _ in range(_SWEEPS):
        found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_of(entry, folder)]
        for entry in found:
            _kill(int(entry.name))
        if not found:
            return


def _is_of(entry: Path, folder: Path) -> bool:
    try:
        variables = (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False
    mark = next((one for one in variables if one.startswith(_MARK.encode() + b"=")), None)
    return mark is not None and Path(os.fsdecode(mark.partition(b"=")[2])).is_relative_to(folder)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _prepare(place: Place, text: str, confinement: Confinement) -> None:
    for name in PERSISTENT.values():
        (place.machine / name).mkdir(parents=True, exist_ok=True)
    folder = place.run / "script" if confinement is not Confinement.SESSION else place.run
    folder.mkdir(parents=True)
    file = folder / "script.sh"
    file.write_text(text, errors="surrogateescape")
    file.chmod(0o700)


def _open(folder: Path) -> tuple[int, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(folder / "stdout", flags, 0o600), os.open(folder / "stderr", flags, 0o600)
