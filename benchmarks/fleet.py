"""Simulated virtual machines in a process of their own, an installation of Afield, and a real worker process."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from afield.config import Settings
from afield.kernel import Kernel, open_kernel
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target
from afield_sim.testing import ArmAdmin, SimulatorProcess, VmAccess
from benchmarks.harness import ROOT, Server, environment, migrated
from benchmarks.product import KEY

MUTATING = frozenset(
    {
        "run_command", "command_put", "command_patch", "command_delete", "restart", "start", "power_off",
        "deallocate", "redeploy", "reapply", "extension_delete",
    }
)  # fmt: skip
"""The kinds of calls that change something at a machine."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A running simulator and its machines."""

    process: SimulatorProcess
    admin: ArmAdmin
    session: aiohttp.ClientSession

    @property
    def machines(self) -> list[VmAccess]:
        return self.process.arm.vms

    @property
    def secret(self) -> dict[str, str]:
        """What a credential for it holds."""
        arm = self.process.arm
        return {"tenant_id": arm.tenant_id, "client_id": arm.client_id, "client_secret": arm.client_secret}

    def address(self, machine: VmAccess) -> JsonObject:
        """A target's address."""
        arm = self.process.arm
        return {
            "resource_id": machine.id,
            "management_url": arm.base_url,
            "authority_url": arm.authority,
            "ca_file": arm.ca_file,
        }

    async def calls(self) -> Counter[str]:
        """All calls so far, by kind."""
        counters = await self.admin.counters()
        total: Counter[str] = Counter()
        for kinds in counters["calls"].values():
            total.update(kinds)
        return total

    async def entra_faults(self, faults: Mapping[str, object]) -> None:
        """Replace what goes wrong when tokens are asked for."""
        await self.admin.call("PUT", "/admin/entra/faults", dict(faults))


@asynccontextmanager
async def fleet(folder: Path, machines: int, **settings: object) -> AsyncIterator[Fleet]:
    """A simulator in memory with so many Linux machines; `settings` are those of its Azure."""
    simulator = SimulatorProcess(folder, "--instances", "1", "--vms", str(machines), keep_data=False)
    async with simulator as process, aiohttp.ClientSession() as session:
        admin = ArmAdmin(session, str(process.ready["admin"]["base_url"]))
        await admin.put_settings(**settings)
        yield Fleet(process, admin, session)


@asynccontextmanager
async def installation(postgres: Server, folder: Path) -> AsyncIterator[Kernel]:
    """Afield with a new, empty database; nothing but errors is logged."""
    with postgres.database() as url:
        settings = Settings(database_url=SecretStr(await migrated(url)), home=folder, secret_key=SecretStr(KEY))
        async with open_kernel(settings) as kernel:
            yield kernel


@asynccontextmanager
async def worker_process(kernel: Kernel) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real `afield worker` for this installation."""
    assert kernel.settings.database_url is not None
    mine = environment(
        AFIELD_DATABASE_URL=kernel.settings.database_url.get_secret_value(),
        AFIELD_HOME=str(kernel.settings.home),
        AFIELD_SECRET_KEY=KEY,
        AFIELD_LOG_LEVEL="WARNING",
        AFIELD_RECONCILE_EVERY="0",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "afield", "worker", cwd=ROOT, env=mine,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)


async def add_machines(
    kernel: Kernel, some: Fleet, machines: Sequence[VmAccess], settings: JsonObject
) -> list[Target]:  # fmt: skip
    """The machines as targets of `azure_vm`, with one credential for all."""
    await kernel.credentials.add(DEFAULT_TENANT, "benchmark", "azure", some.secret)
    return [
        await kernel.add_target(
            connector="azure_vm", name=one.name, address=some.address(one), settings=settings, credential="benchmark"
        )
        for one in machines
    ]
