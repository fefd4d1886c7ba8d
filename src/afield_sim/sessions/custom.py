"""The endpoint of a custom pool: management calls, and everything else for the containers."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from . import errors, piston
from .forwarding import forward, inner_target, without_identifier
from .gate import PoolGate, identifier_of, refuse_broken
from .listing import list_page, show_session
from .pool import Pool
from .pools import Pools
from .session import Session
from .upgrade import forward_upgrade, wants_upgrade

_PREFIX = "/pools/"
_API_VERSIONS = "2024-02-02-preview, 2024-08-02-preview, 2024-10-02-preview, 2025-02-02-preview, 2025-10-02-preview"


class CustomRoutes:
    """Everything under `/pools/{pool}`."""

    def __init__(self, pools: Pools, gate: PoolGate) -> None:
        self._pools = pools
        self._gate = gate
        self._management: dict[str, Callable[[web.Request, Pool], Awaitable[web.Response]]] = {
            "stopsession": self.stop_session,
            "getsession": self.get_session,
            "listsessions": self.list_sessions,
        }

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_route("*", _PREFIX + "{pool}", self._enter)
        router.add_route("*", _PREFIX + "{pool}/{path:.*}", self._enter)

    async def _enter(self, http: web.Request) -> web.StreamResponse:
        pool = self._pools.find(http.match_info["pool"])
        if pool is None or not pool.resource.custom:
            return web.Response(status=404)
        first, _, rest = http.match_info.get("path", "").partition("/")
        if first.lower() != ".management":
            return await self._gate.answer(http, pool, self.serve)
        return await self._gate.answer(http, pool, self._management.get(rest.lower(), _unknown))

    async def serve(self, http: web.Request, pool: Pool) -> web.StreamResponse:
        """Hand a request to the container of its identifier."""
        identifier = identifier_of(http)
        refuse_broken(pool.faults, pool.world)
        if pool.faults.piston_on_port:
            return await piston.answer(http, "/" + http.match_info.get("path", ""))
        session = await pool.enter(identifier)
        try:
            _check_port(pool, session)
            with session.serving():
                target = self._target(http, pool)
                if wants_upgrade(http):
                    return await forward_upgrade(http, pool, session, target)
                return await forward(http, pool, session, target)
        finally:
            pool.leave(session)

    async def stop_session(self, http: web.Request, pool: Pool) -> web.Response:
        """End a session; 400 when there is none."""
        _check_version(http)
        identifier = identifier_of(http)
        if not pool.stop(identifier):
            raise errors.stop_failed()
        return _managed(f"Session {identifier} in session pool {pool.resource.name} stopped.")

    async def get_session(self, http: web.Request, pool: Pool) -> web.Response:
        """One session; 400 when there is none."""
        _check_version(http)
        return _managed(show_session(pool, identifier_of(http)))

    async def list_sessions(self, http: web.Request, pool: Pool) -> web.Response:
        """All sessions, by pages."""
        _check_version(http)
        return _managed(list_page(http, pool))

    def _target(self, http: web.Request, pool: Pool) -> str:
        target = inner_target(http.raw_path)
        return target if pool.world.settings.forward_identifier else without_identifier(target)


async def _unknown(http: web.Request, _: Pool) -> web.Response:
    raise errors.no_such_path()


def _check_version(http: web.Request) -> None:
    if not http.query.get("api-version"):
        raise errors.invalid("Missing required parameter 'api-version'")


def _check_port(pool: Pool, session: Session) -> None:
    """PoolError when nothing listens where the session's template sends requests."""
    template = session.container.template if session.container else None
    port = template.port if template else None
    if port is None:
        raise errors.no_route(404)
    if port != pool.world.settings.container_port:
        raise errors.bad_gateway()


def _managed(body: object) -> web.Response:
    headers = {"Server": errors.SERVER, "api-supported-versions": _API_VERSIONS}
    if isinstance(body, str):
        return web.Response(text=body, content_type="text/plain", charset="utf-8", headers=headers)
    return web.Response(body=orjson.dumps(body), content_type="application/json", charset="utf-8", headers=headers)
