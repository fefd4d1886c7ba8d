"""A simulator and a caller for every test."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from arm_caller import Azure
from sim_caller import SQL, Caller, run_out

from afield_sim.testing import ManualClock, Simulator, running_simulator


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sim(clock: ManualClock) -> AsyncIterator[Simulator]:
    """A simulator whose time stands still until a test moves it."""
    async with running_simulator(clock=clock, instances=2) as running:
        await running.admin.put_settings({"*": {"pending_seconds": 10, "running_seconds": 20}})
        yield running


@pytest.fixture
async def caller(sim: Simulator) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        caller = Caller(session, sim.amc)
        await caller.login()
        yield caller


@pytest.fixture
async def finished(sim: Simulator, caller: Caller):
    """Creates an execution and lets it run to its end; its id."""

    async def finish(sql: str = SQL, **fields: Any) -> str:
        execution_id = await caller.created(sql, **fields)
        await run_out(sim)
        return execution_id

    return finish


@pytest.fixture
async def azure() -> AsyncIterator[Azure]:
    """A simulated cloud whose limits are counted but not enforced, and one who calls it."""
    async with running_simulator(clock=ManualClock(), vms=2, windows_vms=1) as running, aiohttp.ClientSession() as http:
        await running.arm_admin.put_settings(enforce_limits=False, operation_seconds=0.01, status_grain_s=0.05)
        yield Azure(running, http)
