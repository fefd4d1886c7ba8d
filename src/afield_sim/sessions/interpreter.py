"""The regional endpoint: executions, files and sessions of code-interpreter and shell pools.

What runs is the program every container has; this layer checks, limits and words as the platform does.
"""

import asyncio
import platform
import time
import uuid
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from ..arm.gate import anycase
from ..arm.times import show_time
from . import errors
from .calls import Call, check_told, read_json
from .files import FileCalls
from .gate import PoolGate, ReplyLostError, identifier_of, refuse_broken
from .interpreter_wire import Contract, Execution, numbered, read_new, read_old, status_of, timed_out
from .listing import list_page, show_session
from .model import JsonObject
from .pool import Pool
from .pools import Pools

POOL = "/dynamicsessions/subscriptions/{subscription}/resourceGroups/{group}/sessionPools/{pool}"
_GRACE_SECONDS = 2.0

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
PoolHandler = Callable[[web.Request, Pool], Awaitable[web.StreamResponse]]


class InterpreterRoutes:
    """Everything under `/dynamicsessions`."""

    def __init__(self, pools: Pools, gate: PoolGate) -> None:
        self._pools = pools
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        files = FileCalls()
        in_session: list[tuple[str, str, Handler]] = [
            ("POST", "/code/execute", self.execute_old),
            ("POST", "/python/execute", self.execute_old),
            ("POST", "/executions", self.execute_new),
            ("GET", "/executions/{id}", self.get_execution),
            ("POST", "/files/upload", files.upload),
            ("POST", "/python/uploadFile", files.upload),
            ("POST", "/files", files.upload),
            ("GET", "/files", files.list_all),
            ("GET", "/files/content/{name:.+}", files.content),
            ("GET", "/files/{name:.+}/content", files.content),
            ("GET", "/files/{name:.+}", files.get),
            ("DELETE", "/files/{name:.+}", files.delete),
        ]
        of_pool: list[tuple[str, str, PoolHandler]] = [
            ("GET", "/session", self.get_session),
            ("DELETE", "/session", self.delete_session),
            ("GET", "/listSessions", self.list_sessions),
            ("GET", "/metadata", self.metadata),
        ]
        for method, path, in_one in in_session:
            router.add_route(method, anycase(POOL + path), self._door(self._inside(in_one)))
        for method, path, handler in of_pool:
            router.add_route(method, anycase(POOL + path), self._door(handler))
        router.add_route("*", anycase(POOL) + "{path:(/.*)?}", self._door(_unknown))

    async def execute_old(self, call: Call) -> web.Response:
        """Run code, old contract."""
        body = await read_json(call.http)
        execution = read_old(body, call.pool.resource.properties.container_type, _limit(call))
        return await self._execute(call, execution, "/code/execute")

    async def execute_new(self, call: Call) -> web.Response:
        """Run code or a shell command, new contract."""
        body = await read_json(call.http)
        execution = read_new(body, call.pool.resource.properties.container_type, _limit(call))
        return await self._execute(call, execution, "/executions")

    async def get_execution(self, call: Call) -> web.Response:
        """How far an asynchronous execution is."""
        told = check_told(await call.inside.ask("GET", f"/executions/{call.part('id')}"))
        return call.respond({**told.json, "identifier": call.session.identifier})

    async def get_session(self, http: web.Request, pool: Pool) -> web.Response:
        """The session of an identifier."""
        return _plain(show_session(pool, identifier_of(http)))

    async def delete_session(self, http: web.Request, pool: Pool) -> web.Response:
        """End it: 204. The identifier gets a new one next time."""
        identifier = identifier_of(http)
        if not pool.stop(identifier):
            raise errors.session_not_found(identifier)
        return web.Response(status=204, headers={"Server": errors.SERVER})

    async def list_sessions(self, http: web.Request, pool: Pool) -> web.Response:
        """All sessions, by pages."""
        return _plain(list_page(http, pool))

    async def metadata(self, _: web.Request, pool: Pool) -> web.Response:
        """What is installed."""
        made_at = show_time(pool.resource.created_at)
        return _plain(
            {
                "runtimes": [{"name": "python", "version": platform.python_version()}],
                "preInstalledPackages": [],
                "createdAt": made_at,
                "lastUpdatedAt": made_at,
                "jupyterKernel": {"name": "", "version": "", "projectUrl": "", "description": ""},
            }
        )

    async def _execute(self, call: Call, execution: Execution, path: str) -> web.Response:
        lost = call.pool.world.faults.strikes(call.pool.faults.reply_lost)
        begun = time.monotonic()
        answer = await self._run(call, execution, path)
        run_ms = (time.monotonic() - begun) * 1000
        if lost:
            raise ReplyLostError
        status = status_of(execution, call.api_version)
        return call.respond(answer, status, run_ms=run_ms, headers=_operation(call, execution, answer))

    async def _run(self, call: Call, execution: Execution, path: str) -> JsonObject:
        """What the container says, in the words of the contract; the session ends when it says nothing in time."""
        limit, identifier = _limit(call), call.session.identifier
        try:
            asked = call.inside.ask("POST", path, execution.body)
            told = check_told(await asyncio.wait_for(asked, limit + _GRACE_SECONDS)).json
        except TimeoutError:
            call.pool.stop(identifier)
            return timed_out(execution, identifier, limit)
        container = call.session.container
        assert container is not None
        container.seen[str(told.get("id") or uuid.uuid4())] += 1
        if execution.contract is Contract.OLD:
            return numbered(told)
        return {**told, "identifier": identifier}

    def _inside(self, handler: Handler) -> PoolHandler:
        """The handler of a call that needs a session."""

        async def handle(http: web.Request, pool: Pool) -> web.StreamResponse:
            identifier = identifier_of(http)
            if not http.query.get("api-version"):
                raise errors.invalid("Missing required parameter 'api-version'")
            refuse_broken(pool.faults, pool.world)
            new, begun = identifier not in pool.sessions, time.monotonic()
            session = await pool.enter(identifier)
            try:
                with session.serving():
                    return await handler(Call(http, pool, session, new, (time.monotonic() - begun) * 1000))
            finally:
                pool.leave(session)

        return handle

    def _door(self, handler: PoolHandler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The HTTP handler; a custom pool has nothing here."""

        async def handle(http: web.Request, pool: Pool) -> web.StreamResponse:
            if pool.resource.custom:
                raise errors.not_dynamic(pool.world.settings.kind_error_status, pool.resource.name)
            return await handler(http, pool)

        async def enter(http: web.Request) -> web.StreamResponse:
            pool = self._pools.find(http.match_info["pool"])
            if pool is None or pool.resource.resource_group.lower() != http.match_info["group"].lower():
                return web.Response(status=404)
            return await self._gate.answer(http, pool, handle)

        return enter


async def _unknown(http: web.Request, pool: Pool) -> web.StreamResponse:
    raise errors.no_such_path()


def _limit(call: Call) -> float:
    return call.pool.world.settings.run_limit_s


def _operation(call: Call, execution: Execution, answer: JsonObject) -> dict[str, str]:
    """Where to ask for an asynchronous execution."""
    if not execution.asynchronous:
        return {}
    here = call.http.url
    return {"Operation-Location": str((here / str(answer.get("id", ""))).with_query(here.query))}


def _plain(body: JsonObject) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers={"Server": errors.SERVER})
