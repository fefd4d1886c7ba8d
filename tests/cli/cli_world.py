"""The command as a user runs it: a process of its own, on a database of the test's, against a simulated AMC."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli_warm import WarmCommands

from afield.config import Settings
from afield.kernel import open_kernel
from afield.model.target import DEFAULT_TENANT
from afield_sim.testing import Simulator

ROOT = Path(__file__).parents[2]
SECRET_KEY = "a passphrase for tests alone"
SQL = "SELECT campaign, SUM(impressions) AS impressions FROM sponsored_ads_traffic GROUP BY campaign"
SPEC = {"sql_query": SQL, "time_window": {"type": "ALL"}}
LIMITS = {
    "min_interval": 0.1,
    "max_interval": 0.4,
    "visibility_delay": 0.1,
    "max_visibility_delay": 0.5,
    "request_timeout": 5,
    "clock_skew": 5,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of standard output; fails unless it is JSON and nothing else."""
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """The problem object a failed command with --json ends with."""
        assert self.out == ""
        return json.loads(self.err.splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Call:
    """A command to be run, with more environment variables."""

    arguments: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands with an environment of the test's own."""

    environment: Mapping[str, str]
    cwd: Path
    warm: WarmCommands | None = None

    async def start(self, *arguments: str, program: tuple[str, ...] = ("-m", "afield"), **more: Any) -> Any:
        """A process that runs on, its output piped."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            *arguments,
            env=dict(self.environment),
            cwd=self.cwd,
            **{"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, **more},
        )

    async def run(self, *arguments: str, given: str = "", program: tuple[str, ...] = ("-m", "afield")) -> Ran:
        """A command, to its end."""
        if self.warm is not None and program[:2] == ("-m", "afield"):
            code, out, err = await self.warm.run([*program[2:], *arguments], given.encode(), self.environment, self.cwd)
            return self._ran(code, out, err)
        process = await self.start(*arguments, program=program, stderr=asyncio.subprocess.PIPE)
        out, err = await process.communicate(given.encode())
        return self._ran(process.returncode, out, err)

    @staticmethod
    def _ran(code: int, out: bytes, err: bytes) -> Ran:
        ran = Ran(code, out.decode(), err.decode())
        assert "Traceback" not in ran.err, ran.err
        return ran

    async def good(self, *arguments: str, given: str = "") -> Ran:
        """A command that ends with exit code 0."""
        ran = await self.run(*arguments, given=given)
        assert ran.code == 0, ran
        return ran

    async def run_each(self, calls: Iterable[Call]) -> list[Ran]:
        """Many short commands, one after the other in one process: starting it takes longer than they do."""
        asked = json.dumps([(one.arguments, one.variables) for one in calls])
        ran = await self.run(program=(str(Path(__file__).with_name("cli_many.py")),), given=asked)
        assert ran.code == 0, ran
        return [Ran(*one) for one in ran.json]

    def with_variables(self, **variables: str) -> Shell:
        return replace(self, environment={**self.environment, **variables})


def shell_for(folder: Path, database_url: str | None, warm: WarmCommands | None = None) -> Shell:
    """A home in the folder, and no settings from outside."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AFIELD_", "COLUMNS"))}
    own = {"AFIELD_HOME": str(folder / "home"), "AFIELD_SECRET_KEY": SECRET_KEY, "AFIELD_TAKEOVER_AFTER": "3"}
    if database_url is not None:
        own["AFIELD_DATABASE_URL"] = database_url
    return Shell({**clean, **own}, folder, warm)


def secret_of(sim: Simulator) -> dict[str, str]:
    amc = sim.amc
    return {"client_id": amc.client_id, "client_secret": amc.client_secret, "refresh_token": amc.refresh_token}


def address_of(sim: Simulator) -> dict[str, str]:
    amc = sim.amc
    return {
        "instance_id": amc.instances[0],
        "entity_id": amc.entity_id,
        "marketplace_id": amc.marketplace_id,
        "base_url": amc.base_url,
        "token_url": amc.lwa_token_url,
    }


async def introduce(shell: Shell, sim: Simulator, name: str = "north") -> None:
    """Credential and target, recorded without a process: other tests are about the commands that do it."""
    settings = Settings(
        home=Path(shell.environment["AFIELD_HOME"]),
        database_url=shell.environment["AFIELD_DATABASE_URL"],
        secret_key=SECRET_KEY,
    )
    async with open_kernel(settings) as kernel:
        await kernel.credentials.add(DEFAULT_TENANT, "ads", "amc", secret_of(sim))
        await kernel.add_target(
            connector="amc", name=name, address=dict(address_of(sim)), settings=dict(LIMITS), credential="ads"
        )


@asynccontextmanager
async def worker(shell: Shell) -> AsyncIterator[Any]:
    """A worker process; stopped at the end."""
    process = await shell.start("worker", "--with-parent", stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
