"""Procrastinate, in two ways. `one_job`: a job for each execution, that submits, follows and finishes it: the cheapest
way, and no safe one, since a job that is run again after a crash submits again. `two_jobs`: a job that submits and
defers another one, which has the execution's id and does the rest.

Configuration: jobs deferred in batches, an asynchronous worker with as many jobs at once as everybody else, LISTEN and
NOTIFY, finished jobs kept.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import procrastinate

from benchmarks.work import Amc, Task, measured, open_amc, poll_until_over

TASK = Task.given()
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=TASK.database_url, min_size=2, max_size=TASK.at_once)
)
_amc: list[Amc] = []
_over = asyncio.Event()
_left = [0]


@app.task(name="execution", queue="executions")
async def execution(name: str) -> None:
    handle = await _amc[0].submit(name)
    if TASK.variant == "two_jobs":
        await follow.defer_async(handle=handle, name=name)
    else:
        await _finish(handle, name)


@app.task(name="follow", queue="executions")
async def follow(handle: str, name: str) -> None:
    await _finish(handle, name)


async def _finish(handle: str, name: str) -> None:
    await poll_until_over(_amc[0], handle, TASK.interval)
    await _amc[0].finish(handle, name)
    _left[0] -= 1
    if not _left[0]:
        _over.set()


async def run(n: int) -> None:
    """Defer and follow `n`."""
    _left[0] = n
    _over.clear()
    for start in range(0, n, 500):
        names = [f"procrastinate-{uuid4().hex}-1" for _ in range(start, min(n, start + 500))]
        await execution.batch_defer_async(*({"name": name} for name in names))
    await _over.wait()


async def main() -> None:
    async with app.open_async(), open_amc(TASK) as amc:
        _amc.append(amc)
        await app.schema_manager.apply_schema_async()
        work = app.run_worker_async(queues=["executions"], concurrency=TASK.at_once, install_signal_handlers=False)
        worker = asyncio.create_task(work)
        await run(TASK.at_once)  # connections and caches
        with measured() as cost:
            await run(TASK.n)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    cost.tell()


if __name__ == "__main__":
    asyncio.run(main())
