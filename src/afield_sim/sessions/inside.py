"""Calls of the platform itself to the container of a session."""

from dataclasses import dataclass

import aiohttp
import orjson
from yarl import URL

from . import errors
from .model import JsonObject
from .pool import Pool
from .session import Session


@dataclass(frozen=True, slots=True)
class Told:
    """What a container answered."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked for."""
        return self.status < 300

    @property
    def json(self) -> JsonObject:
        """The body as an object; PoolError 502 when it is none."""
        try:
            value = orjson.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise errors.bad_gateway()
        return value


class Inside:
    """The container of a session, for the layer the platform puts around it. Routes are not encoded yet."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self._pool = pool
        self._session = session

    async def ask(self, method: str, route: str, body: JsonObject | None = None, **query: str) -> Told:
        """Send JSON or nothing; PoolError 502 when it cannot be reached."""
        data = None if body is None else orjson.dumps(body)
        return await self.send(method, route, data, "application/json", **query)

    async def send(self, method: str, route: str, data: bytes | None, content_type: str, **query: str) -> Told:
        """Send bytes or nothing; PoolError 502 when it cannot be reached."""
        container = self._session.container
        assert container is not None
        self._pool.tally.forwarded += 1
        self._pool.world.pulse.beat()
        url = URL(container.url).with_path(route).with_query({"identifier": self._session.identifier, **query})
        headers = {} if data is None else {"Content-Type": content_type}
        try:
            async with self._pool.world.http.request(method, url, data=data, headers=headers) as answer:
                return Told(answer.status, await answer.read())
        except aiohttp.ClientError:
            await container.notice_end()
            raise errors.bad_gateway() from None
