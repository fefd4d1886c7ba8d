"""The process that serves a local pool: started once, whoever asks, and whole again after its death. Blocking."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from afield.connectors.local_pool.home import PoolHome, Running, Served
from afield.errors import UnavailableError

log = structlog.get_logger(__name__)

_START_S = 120.0  # a loaded machine takes its time to build a jail
_DEATH_S = 10.0  # a process that ends takes no connection any more; so long it may take to be gone
_STEP_S = 0.02

_PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH",
    "JAVA_HOME", "GOROOT", "CARGO_HOME", "RUSTUP_HOME",
)  # fmt: skip
"""Of this process's environment. There are secrets in the rest."""

_DETACHED = '( "$@" </dev/null >>adapter.log 2>&1; echo "$?" >ended ) &'
"""Runs a command that nobody waits for. The file `ended` then says when it ended, whatever it died of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the process is started. The first who needs it decides."""

    linger_s: float = 300.0
    minimum: str = ""
    lanes: int = 0
    languages: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """As arguments of the command; what is not given is the command's default."""
        words = ["--linger", f"{self.linger_s:g}"]
        words += ["--minimum", self.minimum] if self.minimum else []
        words += ["--lanes", str(self.lanes)] if self.lanes else []
        return words + (["--languages", ",".join(self.languages)] if self.languages else [])


def ensure(home: PoolHome, options: Options, *, dead: str = "") -> Running:
    """The process that serves the pool, started if there is none. `dead` is the boot that took no connection.

    Safe to be called by many processes at once. Raises UnavailableError.
    """
    with home.locked():
        found = home.running()
        if found is not None and found.boot == dead:
            _wait_for_death(home, found)
            found = home.running()
        return found or _start(home, options)


def _wait_for_death(home: PoolHome, running: Running) -> None:
    if not _within(_DEATH_S, lambda: home.running() is None):
        raise UnavailableError(
            f"The local pool's process {running.pid} lives and takes no connection at {running.url}.",
            hint=f"Its log is under {home.folder}. End the process; the next run starts another one.",
        )


def _start(home: PoolHome, options: Options) -> Running:
    home.make_token()
    served = home.begin()
    _launch(served, home.token_file, options)
    if not _within(_START_S, lambda: home.running() is not None or (served.folder / "ended").exists()):
        raise _did_not_start(served, "it is not ready yet")
    found = home.running()
    if found is None:
        raise _did_not_start(served, served.last_line())
    log.info("local_pool.started", pid=found.pid, boot=found.boot, url=found.url)
    return found


def _launch(served: Served, token_file: Path, options: Options) -> None:
    command = [sys.executable, "-P", "-m", "afield_sandbox", "--host", "127.0.0.1", "--port", "0"]
    command += ["--ready-file", str(served.folder / "ready.json"), "--token-file", str(token_file), *options.words()]
    subprocess.run(  # noqa: S603 - our own command
        ["/bin/sh", "-c", _DETACHED, "sh", *command],
        cwd=served.folder,
        env=_environment(os.environ),
        start_new_session=True,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in ours.items() if name in _PASSED_ON or name.startswith("AFIELD_SANDBOX_")}


def _did_not_start(served: Served, why: str) -> UnavailableError:
    return UnavailableError(
        f"The local pool did not start: {why or 'it said nothing'}.".replace("..", "."),
        hint=f"Its log is {served.folder / 'adapter.log'}; docs/sandbox.md says what it needs of this machine.",
    )


def _within(seconds: float, happens: Callable[[], bool]) -> bool:
    """Wait for it, and so long at most."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(_STEP_S)
    return True
