"""A web process's parts in this process: a kernel on a database of the test's own, served over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from fastapi import FastAPI

from afield.api.serve import bind, serve_app
from afield.clock import SystemClock
from afield.config import Settings
from afield.engine.worker import WorkerSettings
from afield.kernel import Kernel, open_worker
from afield.testing.connector import MemoryConnector, register_memory
from afield.testing.remote import MemoryRemote

Json = dict[str, Any]

register_memory()


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, read."""

    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        import orjson

        return orjson.loads(self.content)


@dataclass(slots=True)
class Web:
    """A served application, and a client of it."""

    url: str
    session: aiohttp.ClientSession
    app: FastAPI
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """One request; a body is sent as JSON."""
        if body is not None:
            more["json"] = body
        async with self.session.request(method, self.url + path, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return await self.call("POST", path, body, **more)

    async def problem(self, method: str, path: str, body: object = None, **more: Any) -> Json:
        """A request that is refused: the problem document, after a check that it is one."""
        answer = await self.call(method, path, body, **more)
        assert answer.headers["content-type"] == "application/problem+json", answer
        problem: Json = answer.json
        assert problem["status"] == answer.status >= 400
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["type"] == f"urn:afield:problem:{problem['code']}"
        assert problem["title"]
        assert problem["detail"]
        return problem


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[Web]:
    """The application on a port of its own."""
    with await bind("127.0.0.1", 0) as listening:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            web = Web(f"http://127.0.0.1:{listening.getsockname()[1]}", session, app)
            started = asyncio.Event()
            server = asyncio.create_task(serve_app(app, listening, stop=web.stop, started=started.set))
            await _either(started, server)
            try:
                yield web
            finally:
                web.stop.set()
                await server


async def _either(event: asyncio.Event, task: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()


def settings_for(home: Path, database_url: str, **more: Any) -> Settings:
    return Settings(home=home, database_url=database_url, **more)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker, in this process."""
    how = WorkerSettings(name=f"worker-{uuid4()}", takeover_after=timedelta(seconds=3))
    async with open_worker(settings, how) as worker:
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


def a_remote(**more: Any) -> MemoryRemote:
    """A remote of this process; the test must hold on to it."""
    return MemoryRemote(name=f"remote-{uuid4()}", clock=SystemClock(), waits=timedelta(0), **more)


async def a_target(kernel: Kernel, remote: MemoryRemote, name: str = "north", **settings: Any) -> str:
    """A target on that remote; returns its id."""
    fast = {"min_interval": 0.05, "max_interval": 0.2, "visibility_delay": 0, "max_visibility_delay": 0.5}
    made = await kernel.add_target(
        connector=MemoryConnector.name, name=name, address={"remote": remote.name}, settings=fast | settings
    )
    return str(made.id)
