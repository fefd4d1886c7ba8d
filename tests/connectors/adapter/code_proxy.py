"""Something between a connector and a real adapter that lets either of them down on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
from aiohttp import web

from afield.testing.faults import Fault, Faults

ADAPTER = {"x-afield-adapter": "0", "x-afield-boot": "proxy"}
_HOP = {"transfer-encoding", "content-length", "connection", "host"}


class CodeProxy:
    """Passes requests on to `upstream`, unless a fault happens to them."""

    def __init__(self, upstream: Callable[[], str], session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.faults = Faults()
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self._session = session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        instead = self._instead(request)
        if instead is not None:
            return instead
        passed = await self._pass_on(request)
        if _submits(request) and self.faults.happens(Fault.REPLY_LOST):
            return hang_up(request)
        if (
            request.method == "GET"
            and _is_about_runs(request)
            and passed.status < 300
            and self.faults.happens(Fault.UNKNOWN_WORD)
        ):
            return web.Response(body=_strange(passed), headers=passed.headers, status=passed.status)
        return passed

    def _instead(self, request: web.Request) -> web.StreamResponse | None:
        submission, looking = _submits(request), request.method == "GET" and _is_about_runs(request)
        if self.faults.happens(Fault.DENIED):
            return web.Response(status=401)
        if submission and self.faults.happens(Fault.REQUEST_LOST):
            return hang_up(request)
        if submission and self.faults.happens(Fault.THROTTLED):
            return _full(request, {})
        if submission and self.faults.happens(Fault.THROTTLED_WITH_PATIENCE):
            return _full(request, {"Retry-After": "1"})
        if submission and self.faults.happens(Fault.REJECTED):
            return refusal(400, "unknown_language")
        if looking and (self.faults.happens(Fault.LISTING_CUT) or self.faults.happens(Fault.OUTPUT_AWAY)):
            return web.Response(status=502)
        if request.method == "DELETE" and self.faults.happens(Fault.CANCEL_TOO_LATE):
            return web.json_response({}, headers=ADAPTER)
        return None

    async def _pass_on(self, request: web.Request) -> web.Response:
        url = self.upstream() + request.raw_path
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


def _submits(request: web.Request) -> bool:
    return request.method == "POST" and request.path.endswith(("/runs", "/executions", "/code/execute"))


def _is_about_runs(request: web.Request) -> bool:
    return "/runs" in request.path or "/executions" in request.path


def _full(request: web.Request, headers: dict[str, str]) -> web.Response:
    """No place: in the words of the adapter, or of a pool of interpreters."""
    if request.path.endswith("/runs"):
        return refusal(503, "busy", headers)
    text = "Error happened when allocating pod for identifier i in pool p"
    return web.Response(status=429, text=text, headers={"Server": "Kestrel"} | headers)


def refusal(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the adapter."""
    body = {"error": {"code": code, "message": "It says no.", "hint": ""}, "adapter": "afield-sandbox/0"}
    return web.json_response(body, status=status, headers=ADAPTER | (headers or {}))


def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _strange(passed: web.Response) -> bytes:
    body = orjson.loads(passed.body)
    for run in body.get("runs", [body]):
        run["status"] = "napping"
    return orjson.dumps(body)


@asynccontextmanager
async def running_proxy(upstream: Callable[[], str]) -> AsyncIterator[CodeProxy]:
    async with aiohttp.ClientSession() as session:
        proxy = CodeProxy(upstream, session)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        proxy.url = f"http://{host}:{port}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
