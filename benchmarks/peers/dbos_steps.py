"""DBOS: one durable workflow an execution, with a step that submits and a step that follows.

Configuration: asynchronous workflows and steps on one event loop, started directly rather than over a queue (which
costs two more writes each and a polling delay), no admin server, no tracing, logging off, a connection pool and
threads enough for everything that runs at once.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from dbos import DBOS, DBOSConfig

from benchmarks.work import Amc, Task, measured, open_amc, poll_until_over

TASK = Task.given()
_amc: list[Amc] = []


@DBOS.step()
async def submit(name: str) -> str:
    return await _amc[0].submit(name)


@DBOS.step()
async def follow(handle: str, name: str) -> int:
    await poll_until_over(_amc[0], handle, TASK.interval)
    return await _amc[0].finish(handle, name)


@DBOS.workflow()
async def execution(name: str) -> int:
    handle = await submit(name)
    return await follow(handle, name)


async def run(n: int) -> None:
    places = asyncio.Semaphore(TASK.at_once)

    async def one() -> None:
        async with places:
            handle = await DBOS.start_workflow_async(execution, f"dbos-{uuid4().hex}-1")
            await handle.get_result(polling_interval_sec=0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(one())


async def main() -> None:
    config = DBOSConfig(
        name="benchmark",
        system_database_url=TASK.database_url,
        run_admin_server=False,
        enable_otlp=False,
        log_level="ERROR",
        max_executor_threads=TASK.at_once,
        db_engine_kwargs={"pool_size": 20, "max_overflow": 0},
    )
    DBOS(config=config)
    DBOS.launch()
    async with open_amc(TASK) as amc:
        _amc.append(amc)
        await run(TASK.at_once)  # connections and caches
        with measured() as cost:
            await run(TASK.n)
    cost.tell()
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
