"""The edge: calls are counted, faults strike, answers and errors go out as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from .cloud import Cloud
from .errors import Code, GoogleError, invalid, not_found
from .faults import CallFaults

Json = dict[str, Any]

_STREAMS = frozenset({"chat"})
"""They answer with an array, errors included, as all of Google's streams do over REST."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `parent` is `projects/P/locations/L`."""

    http: web.Request
    faults: CallFaults

    @property
    def project(self) -> str:
        """The project's id."""
        return self.http.match_info["project"]

    @property
    def parent(self) -> str:
        """The place of what is called."""
        return f"projects/{self.project}/locations/{self.http.match_info['location']}"

    def name(self, collection: str) -> str:
        """The full name of the resource the path ends with."""
        return f"{self.parent}/{collection}/{self.http.match_info['id']}"

    async def body(self) -> Json:
        """The body. Raises GoogleError when it is no JSON object."""
        try:
            read = orjson.loads(await self.http.read() or b"{}")
        except ValueError:
            raise invalid("Invalid JSON payload received. Unexpected token.") from None
        if not isinstance(read, dict):
            raise invalid("Invalid JSON payload received. Expected an object.")
        return read


Handler = Callable[[Call], Awaitable[Json | web.StreamResponse]]


class Gate:
    """Goes before every handler."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def answering(self, kind: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler of one kind of call, with all that goes before and after."""

        async def handle(http: web.Request) -> web.StreamResponse:
            call = Call(http, self._cloud.faults.of(kind))
            self._cloud.counters.calls[call.project][kind] += 1
            try:
                return await self._answer(call, handler)
            except GoogleError as error:
                self._cloud.counters.calls[call.project][f"refused_{error.code.http}"] += 1
                body = error.as_json()
                return _json([body] if kind in _STREAMS else body, error.code.http, error.headers)
            finally:
                self._cloud.pulse.beat()

        return handle

    async def _answer(self, call: Call, handler: Handler) -> web.StreamResponse:
        faults, box = call.faults, self._cloud.faults
        if faults.slow and box.strikes(faults.slow):
            await asyncio.sleep(faults.slow.seconds)
        self._refuse(call)
        self._cloud.operations.settle()
        made = await handler(call)
        if box.strikes(faults.reply_lost):
            return cut_connection(call.http)
        return made if isinstance(made, web.StreamResponse) else _json(made, 200, {})

    def _refuse(self, call: Call) -> None:
        faults, box = call.faults, self._cloud.faults
        if faults.throttled and box.strikes(faults.throttled):
            after = faults.throttled.retry_after
            headers = {} if after is None else {"Retry-After": str(after)}
            message = "Quota exceeded for quota metric 'Requests' of service 'geminidataanalytics.googleapis.com'."
            raise GoogleError(Code.RESOURCE_EXHAUSTED, message, headers)
        if box.strikes(faults.unavailable):
            raise GoogleError(Code.UNAVAILABLE, "The service is currently unavailable.")
        if box.strikes(faults.denied):
            message = f"Permission denied on resource '{call.http.path.removeprefix('/v1/')}' (or it may not exist)."
            raise GoogleError(Code.PERMISSION_DENIED, message)
        if box.strikes(faults.not_found):
            raise not_found(call.http.path.removeprefix("/v1/"))


def cut_connection(http: web.Request) -> web.Response:
    """End the connection without an answer."""
    if http.transport is not None:
        http.transport.abort()
    return web.Response()


def _json(body: object, status: int, headers: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)
