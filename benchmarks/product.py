"""Afield doing a task: everything is recorded through the kernel, and one driver brings it to its end.

All in one process, as a worker does it. The target's settings are raised to the limits everybody else has; nothing
else is other than in production, but that only warnings are logged, as with the peers.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from afield.config import LogFormat, Settings
from afield.engine import heap
from afield.engine.drive import drive
from afield.kernel import Kernel, Order, open_kernel
from afield.ledger.base import ExecutionFilter
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target
from afield.telemetry.logs import set_up_logs
from benchmarks.work import SQL, Cost, Task, measured

KEY = "a passphrase for benchmarks only"


def limits(task: Task) -> JsonObject:
    """The target's settings."""
    return {
        "max_live": task.live,
        "max_calls": task.at_once,
        "calls_per_minute": 10_000_000,
        "min_interval": task.interval,
        "max_interval": 60,
        "visibility_delay": task.interval,
    }


def address(task: Task) -> JsonObject:
    return {
        "instance_id": task.instance,
        "entity_id": task.amc["entity_id"],
        "marketplace_id": task.amc["marketplace_id"],
        "base_url": task.amc["base_url"],
        "token_url": task.amc["lwa_token_url"],
    }


def settings_of(task: Task) -> Settings:
    """The process's settings."""
    return Settings(database_url=SecretStr(task.database_url), home=Path(task.folder), secret_key=SecretStr(KEY))


async def add_target(kernel: Kernel, task: Task, settings: JsonObject) -> Target:
    """The simulated instance as a target."""
    secret = {name: str(task.amc[name]) for name in ("client_id", "client_secret", "refresh_token")}
    await kernel.credentials.add(DEFAULT_TENANT, "benchmark", "amc", secret)
    return await kernel.add_target(
        connector="amc", name="benchmark", address=address(task), settings=settings, credential="benchmark"
    )


async def record(kernel: Kernel, target: Target, n: int) -> None:
    """Record `n` executions; as many callers at once as a busy web process has."""
    order = Order(target=target.name, spec={"sql_query": SQL})
    left = iter(range(n))

    async def caller() -> None:
        for _ in left:
            await kernel.submit(order)

    await asyncio.gather(*(caller() for _ in range(100)))


async def drive_all(kernel: Kernel, target: Target) -> None:
    """One turn at the target, to the end of its work."""
    connector = await kernel.open_connector(target)
    try:
        await drive(
            kernel.ledger, connector, kernel.artifacts, target.id,
            driver="benchmark", clock=kernel.clock, stop=asyncio.Event(),
        )  # fmt: skip
    finally:
        await connector.close()


async def run(task: Task) -> Cost:
    async with open_kernel(settings_of(task)) as kernel:
        target = await add_target(kernel, task, limits(task))
        heap.settle()  # as a worker process does
        with measured() as cost:
            began = time.perf_counter()
            await record(kernel, target, task.n)
            recorded = time.perf_counter()
            await drive_all(kernel, target)
        states = await kernel.ledger.count_by_state(ExecutionFilter(tenant_id=DEFAULT_TENANT))
        if states != {ExecutionState.SUCCEEDED: task.n}:
            raise RuntimeError(f"not all succeeded: {states}")
        cost.detail = {"record_seconds": round(recorded - began, 2)}
    return cost


def main() -> None:
    set_up_logs("WARNING", LogFormat.JSON, sys.stderr)
    asyncio.run(run(Task.given())).tell()


if __name__ == "__main__":
    main()
