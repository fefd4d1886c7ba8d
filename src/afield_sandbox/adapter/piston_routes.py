"""Piston's routes."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from afield_sandbox.adapter import piston
from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.asked import identifier_of
from afield_sandbox.adapter.desk import Desk
from afield_sandbox.adapter.offload import handle
from afield_sandbox.adapter.submissions import Caps, Order
from afield_sandbox.jail import LocalJail


class PistonRoutes:
    """`/execute` and `/runtimes`, with and without `/api/v2`."""

    def __init__(self, jail: LocalJail, desk: Desk, caps: Caps) -> None:
        self._jail = jail
        self._desk = desk
        self._caps = caps

    async def execute(self, request: web.BaseRequest, groups: Mapping[str, str]) -> web.Response:
        """POST /execute."""
        identifier_of(request)
        data = await request.read()
        record = self._desk.take(await handle(len(data), self._order, data, request.content_type))
        await record.wait(None)
        if record.problem:
            raise record.problem
        return answer(await handle(len(record.result), _response, record.result))

    def _order(self, data: bytes, content_type: str) -> Order:
        return piston.order_of(piston.read_request(data, content_type), self._jail.languages(), self._caps)

    async def runtimes(self, request: web.BaseRequest, groups: Mapping[str, str]) -> web.Response:
        """GET /runtimes."""
        return answer(piston.runtimes_of(self._jail.languages()))


def _response(result: bytes) -> bytes:
    return orjson.dumps(piston.response_of(orjson.loads(result)))
