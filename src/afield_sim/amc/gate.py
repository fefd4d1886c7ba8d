"""The edge of the AMC service: what happens around every call, faults included.

A call is counted, let in by its token and headers, struck by the faults that come before the work,
handled, and struck by those that come after it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from secrets import token_hex
from typing import Any

import orjson
from aiohttp import web

from .cloud import Account
from .errors import ApiError, gateway, refused
from .faults import Call, InstanceFaults, ServerError, Throttled
from .settings import InstanceSettings
from .wire import JSON

GATEWAY_TEXT = {
    429: "Too Many Requests",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Endpoint request timed out",
}
_UNREADABLE = b'{"workflowExecutionId":"'


@dataclass(slots=True)
class Reply:
    """What a handler answers: a JSON body (or bytes as they are), its media type, its status.

    With `cut`, the connection breaks in the middle of the body.
    """

    body: Any
    media_type: str = JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A call that was let in; `base_url` is where the caller reached the simulator."""

    http: web.Request
    instance_id: str
    settings: InstanceSettings
    faults: InstanceFaults

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a path."""
        return str(self.http.url.origin())

    def part(self, name: str) -> str:
        """A piece of the path."""
        return self.http.match_info[name]


Handler = Callable[[Request], Awaitable[Reply]]
HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConnectionCutError(Exception):
    """Nothing is answered: the connection is to be cut."""


class Gate:
    """Makes HTTP handlers out of handlers that know nothing of tokens and faults."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._strikes = account.faults.strikes

    def guard(self, call: Call, handler: Handler, *, for_account: bool = False) -> HttpHandler:
        """The HTTP handler for one kind of call; `for_account` needs no entity in the headers."""

        async def handle(http: web.Request) -> web.StreamResponse:
            instance_id = http.match_info.get("instance_id", "")
            account = self._account
            account.counters.calls[instance_id or "account"][call] += 1
            account.settle()
            faults = account.faults.of(instance_id)
            try:
                reply = await self._answer(call, http, handler, faults, for_account=for_account)
            except ApiError as error:
                reply = Reply(error.body, status=error.status, headers=dict(error.headers))
            except ConnectionCutError:
                return cut_connection(http)
            finally:
                account.pulse.beat()
            response = self._respond(reply, faults)
            return await send_half(http, response) if reply.cut else response

        return handle

    async def _answer(
        self, call: Call, http: web.Request, handler: Handler, faults: InstanceFaults, *, for_account: bool
    ) -> Reply:
        self._let_in(http, for_account=for_account)
        request = Request(http, *self._instance(http), faults)
        if faults is InstanceFaults.NONE:
            return await handler(request)
        await self._before(call, request)
        reply = await handler(request)
        return await self._after(call, request, reply)

    def _let_in(self, http: web.Request, *, for_account: bool) -> None:
        headers, account = http.headers, self._account
        token = headers.get("Authorization", "")
        verdict = account.tokens.check(token.removeprefix("Bearer ")) if token.startswith("Bearer ") else "unknown"
        if verdict != "good":
            status = account.faults.login.expired_status or 401
            raise refused(status, "Unauthorized request." if status == 403 else "Access token is not valid.")
        if headers.get("Amazon-Advertising-API-ClientId") != account.tokens.client.client_id:
            raise refused(401, "Access token and client id do not belong together.")
        if for_account:
            return
        entity = headers.get("Amazon-Advertising-API-AdvertiserId")
        if entity != account.entity_id or not headers.get("Amazon-Advertising-API-MarketplaceId"):
            raise refused(403, "Unauthorized request.")

    def _instance(self, http: web.Request) -> tuple[str, InstanceSettings]:
        instance_id = http.match_info.get("instance_id", "")
        if not instance_id:
            return "", InstanceSettings()
        if instance_id not in self._account.instance_ids:
            raise refused(403, "Unauthorized request.")
        return instance_id, self._account.settings_of(instance_id)

    async def _before(self, call: Call, request: Request) -> None:
        faults = request.faults
        if faults.slow and not faults.slow.accepted and self._strikes(faults.slow, call):
            await self._pause(faults.slow.seconds)
        if self._strikes(faults.request_lost, call):
            raise ConnectionCutError
        if faults.denied and self._strikes(faults.denied, call):
            raise refused(faults.denied.status, "Unauthorized request.")
        if faults.throttled and not faults.throttled.accepted and self._strikes(faults.throttled, call):
            raise throttled(faults.throttled, self._account.clock.now())
        if faults.server_error and not faults.server_error.accepted and self._strikes(faults.server_error, call):
            raise broken(faults.server_error)

    async def _after(self, call: Call, request: Request, reply: Reply) -> Reply:
        faults = request.faults
        if faults.slow and faults.slow.accepted and self._strikes(faults.slow, call):
            await self._pause(faults.slow.seconds)
        if self._strikes(faults.reply_lost, call):
            raise ConnectionCutError
        if faults.throttled and faults.throttled.accepted and self._strikes(faults.throttled, call):
            raise throttled(faults.throttled, self._account.clock.now())
        if faults.server_error and faults.server_error.accepted and self._strikes(faults.server_error, call):
            raise broken(faults.server_error)
        if self._strikes(faults.unreadable, call):
            return Reply(_UNREADABLE, reply.media_type)
        if call in {"create", "get"} and self._strikes(faults.wrapped, call):
            reply.body = {"workflowExecution": reply.body}
        return reply

    async def _pause(self, seconds: float) -> None:
        self._account.pulse.beat()
        await asyncio.sleep(seconds)

    def _respond(self, reply: Reply, faults: InstanceFaults) -> web.Response:
        request_id = token_hex(10).upper()
        headers = {
            "Content-Type": reply.media_type,
            "x-amz-rid": request_id,
            "x-amz-request-id": request_id,
            "Date": http_date(self._account.clock.now() + (faults.clock_skew.seconds if faults.clock_skew else 0)),
            **reply.headers,
        }
        body = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
        return web.Response(body=body, status=reply.status, headers=headers)


def throttled(fault: Throttled, now: float) -> ApiError:
    """The 429 a fault asks for."""
    headers: Mapping[str, str] = {}
    if fault.retry_after == "seconds":
        headers = {"Retry-After": f"{fault.seconds:g}"}
    elif fault.retry_after == "date":
        headers = {"Retry-After": http_date(now + fault.seconds)}
    return gateway(429, GATEWAY_TEXT[429], headers)


def broken(fault: ServerError) -> ApiError:
    """The server error a fault asks for."""
    return gateway(fault.status, GATEWAY_TEXT[fault.status])


def http_date(seconds: float) -> str:
    """Seconds since 1970 as an HTTP date."""
    return formatdate(seconds, usegmt=True)


def cut_connection(http: web.Request) -> web.Response:
    """Cut the caller's connection; the response returned is never seen."""
    if http.transport is not None:
        http.transport.abort()
    return web.Response(status=500)


async def send_half(http: web.Request, whole: web.Response) -> web.StreamResponse:
    """Promise all of a response, send half of its body, and cut the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    return await send_cut(http, body, whole.headers, len(body) // 2)


async def send_cut(http: web.Request, content: bytes, headers: Mapping[str, str], after: int) -> web.StreamResponse:
    """Promise all of `content`, send `after` bytes of it, and cut the connection."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(content)
    await response.prepare(http)
    await response.write(content[:after])
    if http.transport is not None:
        http.transport.close()
    return response
