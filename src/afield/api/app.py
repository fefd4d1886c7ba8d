"""The web application: routes, middleware, errors, and the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from afield import __version__
from afield.api import (
    accounts,
    agent,
    agent_control,
    agent_debug,
    agent_events,
    chat,
    code,
    credentials,
    diagnosing,
    events,
    executions,
    findings,
    health,
    people,
    piston,
    piston_socket,
    provision,
    reconciling,
    runbooks,
    targets,
    tickets,
    workflows,
)
from afield.api.access import check_access
from afield.api.code_runtime import running_code
from afield.api.middleware import Authentication, BodyLimit, RequestLog
from afield.api.problems import MEDIA_TYPE, Problem, install
from afield.api.provision_runtime import running_provisioning
from afield.api.runtime import Runtime
from afield.api.vitals import needed_schema
from afield.coderunner.pool_errors import QueueFullError
from afield.config import Settings
from afield.kernel import Kernel, open_kernel
from afield.model.target import DEFAULT_TENANT

MOST_BODY_BYTES = 1024 * 1024
"""How large a request's body may be: the longest SQL anybody writes by hand, several times over."""

_DESCRIPTION = """\
Run work in other people's systems, and know what became of it.

Every error is a problem document (RFC 9457). Times are RFC 3339 in UTC, ids are UUIDs. Creations take an
`Idempotency-Key`. Lists are paged with `limit` and `cursor`.
"""
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ERRORS: Mapping[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be met; `hint` says what to do.", **_PROBLEM},
    "5XX": {"description": "Something is not there right now, or went wrong here.", **_PROBLEM},
}


def create_app(source: Kernel | Settings, *, tenant_id: UUID = DEFAULT_TENANT) -> FastAPI:
    """The application on an open kernel, or on settings from which it opens (and closes) one itself.

    `tenant_id`: whose rows are served. Set `app.state.closing` before the server is stopped, so that streams end.
    """
    closing = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(needed_schema)
        async with _kernel(source) as kernel:
            runtime = Runtime.of(kernel, tenant_id, closing)
            async with runtime.running(), running_code(app, kernel), running_provisioning(app, kernel, tenant_id):
                app.state.runtime = runtime
                yield

    app = FastAPI(
        title="Afield", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.closing = closing
    app.add_middleware(BodyLimit, most_bytes=MOST_BODY_BYTES)
    app.add_middleware(Authentication)
    app.add_middleware(RequestLog)
    app.add_middleware(piston.PistonDialect)
    install(app)
    app.add_exception_handler(QueueFullError, code.on_queue_full)
    _include_routes(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _kernel(source: Kernel | Settings) -> AbstractAsyncContextManager[Kernel]:
    return nullcontext(source) if isinstance(source, Kernel) else open_kernel(source)


_KERNEL = (accounts, credentials, diagnosing, events, executions, findings, people, reconciling, targets, tickets)
_RUNBOOKS = (agent, agent_control, agent_debug, agent_events, runbooks)


def _include_routes(app: FastAPI) -> None:
    app.include_router(piston.router)
    app.include_router(piston_socket.router)
    v1 = APIRouter(prefix="/api/v1")
    for part in (*_KERNEL, *_RUNBOOKS, code):
        v1.include_router(part.router)
    for router in (v1, workflows.router, provision.router, chat.router):
        app.include_router(router, responses=dict(_ERRORS), dependencies=[Depends(check_access)])
    app.include_router(health.router)
    app.include_router(tickets.hooks, responses=dict(_ERRORS))
    app.include_router(piston.elsewhere)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document, with what FastAPI cannot know: the shape of errors, and the token."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = document.setdefault("components", {})
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = components.setdefault("schemas", {})
        schemas.update(schema.pop("$defs", {}))
        schemas["Problem"] = schema
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
