"""The HTTP server: every answer carries the adapter's mark, also those to what is no proper request.

It stands directly on aiohttp's low-level server. Its application layer answers malformed requests past all hooks, and
costs a fifth of what a warm run costs.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from afield_sandbox.adapter.activity import Activity
from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.errors import AdapterError, FailedError, TooLargeError, UnauthorizedError, of_jail
from afield_sandbox.adapter.identity import Identity
from afield_sandbox.adapter.routing import Router
from afield_sandbox.errors import SandboxError

_log = logging.getLogger(__name__)
_UPLOADS = ("/files", "/python/uploadFile")

Handler = Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Door:
    """Takes requests, checks the token, finds who answers, and turns what goes wrong into answers."""

    def __init__(self, identity: Identity, router: Router[Handler], activity: Activity, *, token: str = "") -> None:
        self._identity = identity
        self._router = router
        self._token = f"Bearer {token}".encode() if token else b""
        self._activity = activity

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        self._activity.begin()
        try:
            response = await self._answer(request)
        finally:
            self._activity.end()
        if not response.prepared:
            response.headers.update(self._identity.headers)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._check_token(request)
            handler, groups = self._router.find(request.method, request.path)
            if hdrs.EXPECT in request.headers:
                await _go_on(request)
            return await handler(request, groups)
        except AdapterError as problem:
            return self.failure(problem)
        except SandboxError as problem:
            return self.failure(of_jail(problem))
        except web.HTTPRequestEntityTooLarge:
            return self.failure(TooLargeError("The body is too large.", hint="See the option --max-body."))

    def failure(self, problem: AdapterError) -> web.Response:
        """The answer for a problem."""
        error = {"code": problem.code, "message": problem.message, "hint": problem.hint}
        body = {**problem.more, "error": error, "adapter": self._identity.name}
        return answer(body, problem.status, {**problem.headers, **self._identity.headers})

    def _check_token(self, request: web.BaseRequest) -> None:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if self._token and request.path != "/health" and not hmac.compare_digest(given, self._token):
            raise UnauthorizedError("The token is missing or wrong.", hint="Send 'Authorization: Bearer TOKEN'.")


async def _go_on(request: web.BaseRequest) -> None:
    """Tell a caller that waits for a word before it sends the body."""
    if request.version == HttpVersion11 and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _Protocol(web.RequestHandler):
    """One connection. What is no HTTP, and what fails unexpectedly, is answered in our own form, too."""

    __slots__ = ("_door",)

    def __init__(self, door: Door, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._door = door

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer when there is no other."""
        if request.writer.output_size > 0:
            raise ConnectionError("An answer is on its way already.")
        problem = AdapterError("This is not a request that HTTP knows.", code="malformed_request")
        if status >= 500:
            _log.error("a request failed: %s %s", request.method, request.path, exc_info=exc)
            problem = FailedError("The adapter failed.", hint="Look at its standard error.")
        problem.status = status
        response = self._door.failure(problem)
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, door: Door, **options: Any) -> None:
        super().__init__(door, **options)
        self._door = door
        self._options = options

    def __call__(self) -> _Protocol:
        return _Protocol(self._door, self, loop=asyncio.get_running_loop(), access_log=None)


def make_server(door: Door, *, max_body: int, max_upload: int) -> web.Server:
    """The server for a door. The most bytes of a body, and of one that holds a file."""

    def request(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        most = max_upload if message.path.startswith(_UPLOADS) else max_body
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=most)

    return _Server(door, request_factory=request)
