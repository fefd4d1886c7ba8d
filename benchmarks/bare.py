"""The limit: a bare asyncio loop that makes the calls and records nothing. If it dies, all is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from uuid import uuid4

from benchmarks.work import Amc, Task, measured, open_amc


class BareLoop:
    """Submits, lists what is live in batches, downloads what has ended."""

    def __init__(self, amc: Amc, task: Task) -> None:
        self._amc = amc
        self._task = task
        self._at_once = asyncio.Semaphore(task.at_once)
        self._places = asyncio.Semaphore(task.live)
        self._live: dict[str, tuple[str, float]] = {}  # handle -> name, when it was sent
        self._left = task.n
        self._over = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(self._follow(group))
            for _ in range(self._task.n):
                await self._places.acquire()
                group.create_task(self._submit())
            await self._over.wait()
            follower.cancel()

    async def _submit(self) -> None:
        name, sent = f"bare-{uuid4().hex}-1", time.time()
        async with self._at_once:
            handle = await self._amc.submit(name)
        self._live[handle] = (name, sent)

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(self._task.interval)
            if self._live:
                for handle in await self._look():
                    name, _ = self._live.pop(handle)
                    self._places.release()
                    group.create_task(self._finish(handle, name))

    async def _look(self) -> list[str]:
        """One listing for all that is live; the handles of those that have succeeded."""
        since = min(sent for _, sent in self._live.values())
        ended: list[str] = []
        token: str | None = None
        while True:
            entries, token = await self._amc.page(since, token)
            ended += self._ended(entries)
            if token is None:
                return ended

    def _ended(self, entries: list[dict[str, str]]) -> Iterator[str]:
        for entry in entries:
            if entry["workflowExecutionId"] in self._live and entry["status"] == "SUCCEEDED":
                yield entry["workflowExecutionId"]

    async def _finish(self, handle: str, name: str) -> None:
        async with self._at_once:
            await self._amc.finish(handle, name)
        self._left -= 1
        if not self._left:
            self._over.set()


async def main() -> None:
    task = Task.given()
    async with open_amc(task) as amc:
        with measured() as cost:
            await BareLoop(amc, task).run()
    cost.tell()


if __name__ == "__main__":
    asyncio.run(main())
