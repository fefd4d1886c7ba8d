"""A web service on the loopback that does things once for each idempotency key, and fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web

from afield.clock import SystemClock
from afield.connectors.base import Intent
from afield.connectors.http.connector import HttpConnector
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.faults import Fault, Faults
from afield.testing.harness import target_context
from afield.testing.notes import MemoryNotes


class Service:
    """What it was asked, and what it did."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []
        self.done: list[str] = []  # idempotency keys, each once
        self.url = ""
        self.closing = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.faults.happens(Fault.REQUEST_LOST):
            return self._hang_up(request)
        if self.faults.happens(Fault.THROTTLED):
            return web.Response(status=429)
        if self.faults.happens(Fault.THROTTLED_WITH_PATIENCE):
            return web.Response(status=429, headers={"Retry-After": "1"})
        self.bodies.append(await request.text())
        key = request.headers["Idempotency-Key"]
        if key not in self.done:
            self.done.append(key)
        if self.faults.happens(Fault.REPLY_LOST):
            return self._hang_up(request)
        if request.path == "/never":
            await self.closing.wait()
        return self._page(request)

    def _hang_up(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _page(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "http://elsewhere.invalid/"})
        if request.path == "/status":
            return web.Response(status=int(request.query["code"]), text="so it is")
        if request.path == "/large":
            return web.Response(body=b"x" * (2 * 1024 * 1024))
        return web.Response(text="forty-two", headers={"Set-Cookie": "session=secret", "X-Request-Id": "r1"})


@asynccontextmanager
async def running_service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.url = f"http://{host}:{port}"
    try:
        yield service
    finally:
        service.closing.set()
        await runner.cleanup()


@asynccontextmanager
async def connected(
    service: Service, notes: MemoryNotes | None = None, secret: dict[str, str] | None = None, **address: Any
) -> AsyncIterator[HttpConnector]:
    given: JsonObject = {"base_url": service.url} | address
    connector = await HttpConnector.open(target_context(given, SystemClock(), notes=notes, secret=secret))
    try:
        yield connector
    finally:
        await connector.close()


def new_request(method: str = "POST", path: str = "/things", *, age: float = 0, **spec: Any) -> Intent:
    execution_id = uuid7()
    return Intent(
        execution_id=execution_id,
        attempt=1,
        key=attempt_key(execution_id, 1),
        spec={"method": method, "path": path} | spec,
        sent_after=SystemClock().now() - timedelta(seconds=age),
    )
