"""A simulator in a process of its own."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from .amc import AmcAccess, read_access
from .arm import ArmAccess, read_arm_access
from .sessions import SessionsAccess, read_sessions_access


class SimulatorProcess:
    """A simulator in a process of its own, with its state in `folder`.

    Stops with the context, or by `stop` (SIGTERM) and `kill` (SIGKILL); `start` again takes the same
    port and data.
    """

    def __init__(self, folder: Path, *arguments: str, keep_data: bool = True) -> None:
        self._folder = folder
        self._arguments = [*arguments, *(["--data", str(folder / "data")] if keep_data else [])]
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: Mapping[str, Any] = {}

    @property
    def amc(self) -> AmcAccess:
        """How to reach the emulated AMC."""
        return read_access(self.ready)

    @property
    def arm(self) -> ArmAccess:
        """How to reach the simulated cloud."""
        return read_arm_access(self.ready)

    @property
    def sessions(self) -> SessionsAccess:
        """How to reach the session pools."""
        return read_sessions_access(self.ready)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self, timeout: float = 20) -> Self:
        """Start it and wait until it listens; TimeoutError, or RuntimeError when it gave up."""
        self._folder.mkdir(parents=True, exist_ok=True)
        ready_file = self._folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "afield_sim", "--ready-file", str(ready_file), "--port", str(self._port)]
        self._process = subprocess.Popen([*command, *self._arguments])  # noqa: S603 - our own command
        self._wait_for(ready_file, time.monotonic() + timeout)
        self.ready = orjson.loads(ready_file.read_bytes())
        self._port = urlsplit(self.amc.base_url).port or 0
        return self

    def stop(self, timeout: float = 10) -> int:
        """Ask it to stop (SIGTERM); its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout)

    def kill(self) -> None:
        """Kill it (SIGKILL), without a chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _wait_for(self, ready_file: Path, deadline: float) -> None:
        assert self._process is not None
        while not ready_file.exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"afield-sim ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError("afield-sim did not get ready")
            time.sleep(0.02)
