"""Calling the admin service."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

Json = dict[str, Any]
Plan = Mapping[str, Mapping[str, object]]


class AdminError(Exception):
    """The admin service said no: its status and its explanation."""


class AdminCaller:
    """Sends admin calls and reads their answers; `session` stays the caller's to close."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    async def call(self, method: str, path: str, body: object = None, **query: object) -> Json:
        """Send JSON, read JSON; AdminError when the answer is not 200."""
        answer: Json = orjson.loads(
            await self.send(method, path, None if body is None else orjson.dumps(body), **query)
        )
        return answer

    async def send(self, method: str, path: str, data: bytes | None = None, **query: object) -> bytes:
        """Send bytes, read bytes; AdminError when the answer is not 200."""
        params = {key: str(value) for key, value in query.items() if value is not None}
        async with self._session.request(method, self._base_url + path, data=data, params=params) as response:
            content = await response.read()
            if response.status != 200:
                raise AdminError(response.status, content.decode())
            return content
