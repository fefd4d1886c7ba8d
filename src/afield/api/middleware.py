"""What every request passes through: its id and its log line, who is calling, the limit on its body."""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afield.api.access import USER_HEADER
from afield.api.problems import http_problem, respond
from afield.model.ids import uuid7

log = structlog.get_logger(__name__)

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What an orchestrator asks, which holds no token."""

SIGNED_PATHS = "/hooks/"
"""Where senders of tickets deliver, which hold no token of ours: each delivery is signed instead."""

WEBSOCKET_TOKEN = "bearer."  # noqa: S105 - a prefix
"""How a WebSocket's subprotocol that carries a token begins."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """Gives each request an id (the caller's `x-request-id` if it is a plain one), logs how it ended, and answers
    500 without internals when nobody else did. Only path and method are logged: a query may hold what is private."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SAFE_ID.fullmatch(given) else uuid7().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._logged(scope, receive, _Reply(send, request_id))
        return None

    async def _logged(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        began = time.perf_counter()
        try:
            await self._app(scope, receive, reply)
        except Exception:  # the outermost edge of a request
            log.exception("request.failed", method=scope["method"], path=scope["path"])
            if reply.status is None:
                await respond(http_problem(500, "Something went wrong here."))(scope, receive, reply)
        finally:
            level = log.debug if scope["path"] in OPEN_PATHS else log.info
            took_ms = round((time.perf_counter() - began) * 1000, 1)
            level("request", method=scope["method"], path=scope["path"], status=reply.status, took_ms=took_ms)


class _Reply:
    """Sends on, and remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self._request_id
        await self._send(message)


class Authentication:
    """Lets in only who presents a token that is known (`Authorization: Bearer ...`), and says to the routes who it is.
    A browser's WebSocket, which can send no header, names it as its subprotocol `bearer.TOKEN`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or _is_open(scope["path"]):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        doorkeeper = scope["app"].state.runtime.doorkeeper
        principal = await doorkeeper.admit(_token(headers), headers.get(USER_HEADER))
        if principal is None:
            return await self._refuse(scope, receive, send)
        scope.setdefault("state", {})["principal"] = principal
        with structlog.contextvars.bound_contextvars(actor=principal.name):
            return await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008, "reason": "A valid bearer token is needed."})
        problem = http_problem(401, "A valid bearer token is needed.", hint="Send Authorization: Bearer TOKEN.")
        return await respond(problem, {"www-authenticate": "Bearer"})(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(SIGNED_PATHS)


def _token(headers: Headers) -> str | None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(WEBSOCKET_TOKEN):
            return offered.strip().removeprefix(WEBSOCKET_TOKEN)
    return None


class BodyLimit:
    """Reads a request's body before anything else happens, and refuses one that is too large."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        announced = Headers(scope=scope).get("content-length", "0")
        body = None if announced.isdecimal() and int(announced) > self._most else await self._read(receive)
        if body is None:
            problem = http_problem(413, f"The body may hold {self._most} bytes at most.", hint="Send less at once.")
            return await respond(problem, {"connection": "close"})(scope, receive, send)
        return await self._app(scope, _Replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while len(body) <= self._most:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return bytes(body) if len(body) <= self._most else None
        return None


class _Replay:
    """Gives the body that was read, then what the client does next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
