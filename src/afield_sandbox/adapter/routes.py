"""All paths, and who answers them."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from afield_sandbox.adapter.door import Handler
from afield_sandbox.adapter.interpreter.execution_routes import ExecutionRoutes
from afield_sandbox.adapter.interpreter.file_routes import FileRoutes
from afield_sandbox.adapter.piston_routes import PistonRoutes
from afield_sandbox.adapter.readiness import Readiness
from afield_sandbox.adapter.routing import Router
from afield_sandbox.adapter.run_routes import RunRoutes
from afield_sandbox.adapter.socket_routes import SocketRoutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Who answers."""

    ready: Readiness
    runs: RunRoutes
    piston: PistonRoutes
    sockets: SocketRoutes
    executions: ExecutionRoutes
    files: FileRoutes


def route(to: Handlers) -> Router[Handler]:
    """The table of paths. Where two patterns fit, the first counts."""
    router: Router[Handler] = Router()
    for method, path, handler in (
        ("GET", "/health", _health),
        ("GET", "/ready", to.ready.show),
        ("POST", "/runs", to.runs.create),
        ("GET", "/runs", to.runs.listing),
        ("GET", "/runs/{run_id}", to.runs.show),
        ("DELETE", "/runs/{run_id}", to.runs.stop),
        ("POST", "/execute", to.piston.execute),
        ("POST", "/api/v2/execute", to.piston.execute),
        ("GET", "/runtimes", to.piston.runtimes),
        ("GET", "/api/v2/runtimes", to.piston.runtimes),
        ("GET", "/connect", to.sockets.connect),
        ("GET", "/api/v2/connect", to.sockets.connect),
        ("POST", "/code/execute", to.executions.execute_old),
        ("POST", "/{language}/execute", to.runs.execute),
        ("POST", "/executions", to.executions.execute_new),
        ("GET", "/executions/{id}", to.executions.show),
        ("POST", "/files", to.files.upload),
        ("POST", "/files/upload", to.files.upload_old),
        ("POST", "/python/uploadFile", to.files.upload_old),
        ("GET", "/files", to.files.listing),
        ("GET", "/files/content/{name*}", to.files.content),
        ("GET", "/files/{name*}/content", to.files.content),
        ("GET", "/files/{name*}", to.files.show),
        ("DELETE", "/files/{name*}", to.files.delete),
        ("GET", "/session", to.files.session),
        ("DELETE", "/session", to.files.delete_session),
        ("POST", "/reset", to.files.reset),
    ):
        router.add(method, path, handler)
    return router


async def _health(request: web.BaseRequest, groups: object) -> web.Response:
    return web.Response()
