"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; bytes are taken as JSON that is ready."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")
