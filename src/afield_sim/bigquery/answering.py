"""Handlers whose errors become BigQuery's JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from . import errors
from .errors import BigQueryError
from .faults import Mishaps

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(handler: Handler, mishaps: Mishaps) -> Handler:
    """The handler, with its errors in the service's words, and struck by faults."""

    async def handle(http: web.Request) -> web.StreamResponse:
        try:
            if mishaps.strikes(mishaps.faults.unavailable):
                raise errors.unavailable()
            return await handler(http)
        except BigQueryError as error:
            return reply(error.body(), error.status)

    return handle


def reply(body: object, status: int = 200) -> web.Response:
    """JSON."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


async def read_json(http: web.Request) -> dict[str, object]:
    """The body as an object; BigQueryError 400."""
    return as_object(await http.read() or b"{}")


def as_object(text: bytes) -> dict[str, object]:
    """JSON text as an object; BigQueryError 400."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise errors.invalid("Invalid JSON payload received.") from None
    if not isinstance(body, Mapping):
        raise errors.invalid("Invalid JSON payload received: not an object.")
    return dict(body)
