"""A call of the regional endpoint, in its session."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from . import errors
from .inside import Inside, Told
from .interpreter_wire import Contract, Timing, contract_of, timing_headers
from .pool import Pool
from .session import Session


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in: its session, whether that is new, and how long allocating took (milliseconds)."""

    http: web.Request
    pool: Pool
    session: Session
    new: bool
    allocation_ms: float

    @property
    def api_version(self) -> str:
        """The api-version asked for."""
        return self.http.query["api-version"]

    @property
    def contract(self) -> Contract:
        """Which contract that means."""
        return contract_of(self.api_version)

    @property
    def inside(self) -> Inside:
        """The session's container."""
        return Inside(self.pool, self.session)

    def part(self, name: str) -> str:
        """A piece of the path."""
        return self.http.match_info[name]

    def respond(
        self, body: object, status: int = 200, *, run_ms: float = 0.0, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """An answer with the headers that tell the times."""
        timing = timing_headers(Timing(self.allocation_ms, run_ms, self.new, self.session.guid))
        everything = {"Server": errors.SERVER, **timing, **(headers or {})}
        if body is None:
            return web.Response(status=status, headers=everything)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return web.Response(body=content, status=status, headers=everything, content_type=kind)


async def read_json(http: web.Request) -> object:
    """The body; PoolError 400 when it is no JSON. An empty one is None."""
    content = await http.read()
    try:
        return orjson.loads(content) if content.strip() else None
    except ValueError:
        raise errors.invalid("The request body is not valid JSON.") from None


def check_told(told: Told) -> Told:
    """The same, when the container did what it was asked for; else PoolError in the platform's words."""
    if told.ok:
        return told
    if told.status == 404:
        raise errors.no_such_path()
    if told.status == 413:
        raise errors.too_large()
    if told.status >= 500:
        raise errors.bad_gateway()
    raise errors.invalid(f"The session refused the request ({told.status}): {told.body[:500].decode(errors='replace')}")
