"""Where tokens are handed out, whichever door they are asked for at."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from . import errors
from .errors import EntraError
from .faults import EntraFaults
from .tokens import MANAGEMENT, Tokens

RESOURCES = {
    MANAGEMENT,
    "https://acasessions.io",
    "https://management.core.windows.net",
    "https://dynamicsessions.io",
    "https://storage.azure.com",
}

Handler = Callable[[web.Request], Awaitable[object]]
HttpHandler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and the life its answer promises, in seconds."""

    token: str
    seconds: int


class Desk:
    """Hands out tokens as the faults that are set want it, and counts requests by door."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.faults = EntraFaults()
        self.counters: Counter[str] = Counter()

    def door(self, name: str, handler: Handler) -> HttpHandler:
        """The HTTP handler of a place where tokens are asked for: counted, struck by faults, its errors answered."""

        async def handle(http: web.Request) -> web.Response:
            self.counters[name] += 1
            try:
                await self._struck()
                return answer(await handler(http))
            except EntraError as error:
                self.counters[f"{name}_refused"] += 1
                return answer(error.body, error.status)

        return handle

    def grant(self, resource: str, *, identity: bool = False) -> Grant:
        """A token for a resource; EntraError 400 for one nobody knows."""
        if resource.rstrip("/") not in RESOURCES:
            raise errors.unknown_resource(resource, self.tokens.tenant_id)
        self.counters["issued"] += 1
        expired, wrong = self.faults.expired, self.faults.wrong_audience
        audience = wrong.audience if wrong and wrong.strikes() else resource
        lifetime = -60.0 if expired and expired.strikes() else None
        token = self.tokens.issue(audience, lifetime_seconds=lifetime, identity=identity)
        return Grant(token, self.tokens.lifetime_seconds)

    async def _struck(self) -> None:
        slow, unavailable = self.faults.slow, self.faults.unavailable
        if slow and slow.strikes():
            await asyncio.sleep(slow.seconds)
        if unavailable and unavailable.strikes():
            raise errors.unavailable()


def answer(body: object, status: int = 200) -> web.Response:
    """A JSON answer that nobody may keep."""
    headers = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)
