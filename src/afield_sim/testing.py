"""For tests: a simulator in this process or in one of its own, and a client for its admin service.

async with running_simulator(instances=2) as sim:
    await sim.admin.put_faults({sim.instances[0]: {"reply_lost": {"next": 1}}})
    ... talk to sim.amc.base_url with sim.amc.refresh_token ...
    await sim.admin.wait(what="created", at_least=1)

with SimulatorProcess(folder) as process:
    process.kill(); process.start()     # same port, same data
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from .clock import Clock
from .simulator import SimulatorOptions, simulator

Json = dict[str, Any]
Plan = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class AmcAccess:
    """How to reach the emulated AMC: the `amc` entry of the ready file."""

    base_url: str
    lwa_token_url: str
    client_id: str
    client_secret: str
    refresh_token: str
    entity_id: str
    marketplace_id: str
    instances: list[str]

    def headers(self, access_token: str) -> dict[str, str]:
        """The headers of a call with this access token."""
        return {
            "Authorization": f"Bearer {access_token}",
            "Amazon-Advertising-API-ClientId": self.client_id,
            "Amazon-Advertising-API-AdvertiserId": self.entity_id,
            "Amazon-Advertising-API-MarketplaceId": self.marketplace_id,
        }


class AdminError(Exception):
    """The admin service said no: its status and its explanation."""


class Admin:
    """A client of the admin service; `session` stays the caller's to close."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    async def faults(self) -> Json:
        """All faults that are set."""
        return await self._call("GET", "/admin/faults")

    async def put_faults(self, plan: Plan) -> Json:
        """Replace the faults of the instances named: `{instance id: {fault: parameters}}`."""
        return await self._call("PUT", "/admin/faults", plan)

    async def add_faults(self, plan: Plan) -> Json:
        """Add faults to those that are set."""
        return await self._call("PATCH", "/admin/faults", plan)

    async def clear_faults(self, instance_id: str | None = None, fault: str | None = None) -> Json:
        """Take back all faults, those of an instance, or one of them."""
        return await self._call("DELETE", "/admin/faults", instance_id=instance_id, fault=fault)

    async def settings(self) -> Json:
        """All settings."""
        return await self._call("GET", "/admin/settings")

    async def put_settings(self, instances: Plan | None = None, account: Mapping[str, object] | None = None) -> Json:
        """Change settings by instance id (`*` for all), or those of the account."""
        return await self._call("PUT", "/admin/settings", {"instances": instances or {}, "account": account or {}})

    async def executions(self, instance_id: str | None = None) -> list[Json]:
        """What really ran, in the order of arrival."""
        found = await self._call("GET", "/admin/executions", instance_id=instance_id)
        executions: list[Json] = found["executions"]
        return executions

    async def plant(self, instance_id: str, **fields: object) -> list[Json]:
        """Plant executions of somebody else."""
        made = await self._call("POST", "/admin/executions", {"instance_id": instance_id, **fields})
        executions: list[Json] = made["executions"]
        return executions

    async def force(self, execution_id: str, status: str, reason: str | None = None) -> Json:
        """Give an execution a status from outside."""
        body = {"status": status, "status_reason": reason}
        return await self._call("PATCH", f"/admin/executions/{execution_id}", body)

    async def counters(self) -> Json:
        """All counts: `calls`, `faults`, `tokens`."""
        return await self._call("GET", "/admin/counters")

    async def wait(self, **query: object) -> int:
        """Wait for `at_least` of `what`; the count reached. AssertionError when it does not come."""
        found = await self._call("GET", "/admin/wait", **query)
        if not found["met"]:
            raise AssertionError(f"waited for {query}, there were {found['count']}")
        return int(found["count"])

    async def advance(self, seconds: float) -> None:
        """Move the simulator's clock forward."""
        await self._call("POST", "/admin/clock", {"seconds": seconds})

    async def revoke_access_tokens(self) -> int:
        """Make all access tokens expired; how many."""
        return int((await self._call("POST", "/admin/tokens/revoke"))["revoked"])

    async def revoke_refresh_token(self) -> None:
        """Revoke the refresh token."""
        await self._call("POST", "/admin/refresh-token/revoke")

    async def restore_refresh_token(self) -> None:
        """Make the refresh token good again."""
        await self._call("POST", "/admin/refresh-token/restore")

    async def issue_code(self) -> str:
        """A new authorization code."""
        return str((await self._call("POST", "/admin/codes"))["code"])

    async def reset(self) -> None:
        """Forget everything but the credentials and the clock."""
        await self._call("POST", "/admin/reset")

    async def _call(self, method: str, path: str, body: object = None, **query: object) -> Json:
        params = {key: str(value) for key, value in query.items() if value is not None}
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(method, self._base_url + path, data=data, params=params) as response:
            content = await response.read()
            if response.status != 200:
                raise AdminError(response.status, content.decode())
            answer: Json = orjson.loads(content)
            return answer


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: how to reach it, its admin client, the ready file's content."""

    amc: AmcAccess
    admin: Admin
    ready: Mapping[str, Any]
    clock: Clock

    @property
    def instances(self) -> list[str]:
        """The instance ids."""
        return self.amc.instances

    @property
    def base_url(self) -> str:
        """Where everything listens."""
        return self.amc.base_url


class ManualClock(Clock):
    """A clock that stands still until it is advanced; through `Admin.advance`, work that is due is done."""

    def __init__(self, start: float | None = None) -> None:
        begin = time.time() if start is None else start
        super().__init__(lambda: begin)


@asynccontextmanager
async def running_simulator(clock: Clock | None = None, **options: Any) -> AsyncIterator[Simulator]:
    """A simulator in this process, on a free port; `options` are those of SimulatorOptions."""
    used = clock or Clock()
    async with (
        simulator(SimulatorOptions(**options), used) as server,
        aiohttp.ClientSession() as session,
    ):
        ready = server.describe()
        admin = Admin(session, str(ready["admin"]["base_url"]))
        yield Simulator(read_access(ready), admin, ready, used)


def read_access(ready: Mapping[str, Any]) -> AmcAccess:
    """The AMC access out of a ready file's content."""
    return AmcAccess(**ready["amc"])


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
