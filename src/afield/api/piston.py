"""Piston's API, version 2: run code with one call, in the words of Piston's clients.

Every run is an execution in the ledger like all others; its id is in the header `x-afield-execution`. These are plain
routes: dependencies and response models would cost as much as the two commits of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afield.api.access import ForbiddenError, check, principal_of
from afield.api.agent_events import comes_from_elsewhere
from afield.api.code_runtime import runner_of
from afield.api.problems import MEDIA_TYPE
from afield.api.runtime import Runtime
from afield.coderunner.piston import Asked, Ceilings, PistonError, answer, read_body, read_request
from afield.coderunner.requests import RunReport, RunRequest
from afield.coderunner.runtimes import Runtime as Language
from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.security.people import Action

router = APIRouter()

PREFIX: Final = "/api/v2"
POOL_HEADER: Final = "x-afield-pool"
EXECUTION_HEADER: Final = "x-afield-execution"
CEILINGS: Final = Ceilings()

_NOT_HERE: Final = (
    "packages are not installed over this API: a pool runs what its image holds; GET /api/v2/runtimes lists that"
)


async def execute(request: Request) -> Response:
    """`POST /api/v2/execute`: run a program, answer when it has ended."""
    enter(request, Action.RUN)
    try:
        fields = read_body(request.headers.get("content-type", ""), await request.body())
        asked = read_request(fields, await languages(request), CEILINGS)
        report = await runner_of(request).run(
            run_request(request, asked), user=principal_of(request).name, tenant_id=tenant_of(request)
        )
    except PistonError as refused:
        return said(refused.message, refused.status)
    except InvalidInputError as refused:
        return said(str(refused), 400)
    headers = {EXECUTION_HEADER: str(report.execution.id)}
    if report.result is None:
        return said(*without_result(report), headers)
    return _json(answer(asked, report.result), 200, headers)


async def list_runtimes(request: Request) -> Response:
    """`GET /api/v2/runtimes`: what can be asked for."""
    enter(request, Action.READ)
    found = await languages(request)
    return _json([{"language": one.language, "version": one.version, "aliases": [*one.aliases]} for one in found])


async def list_packages(request: Request) -> Response:
    """`GET /api/v2/packages`: the same as packages, all of them installed."""
    enter(request, Action.READ)
    found = await languages(request)
    return _json([{"language": one.language, "language_version": one.version, "installed": True} for one in found])


async def change_packages(_request: Request) -> Response:
    """`POST` and `DELETE /api/v2/packages`: not here."""
    return said(_NOT_HERE, 405, {"allow": "GET"})


async def nothing_here(_request: Request) -> Response:
    """Any other path."""
    return said("Not Found", 404)


router.add_route(f"{PREFIX}/execute", execute, methods=["POST"], include_in_schema=False)
router.add_route(f"{PREFIX}/runtimes", list_runtimes, methods=["GET"], include_in_schema=False)
router.add_route(f"{PREFIX}/packages", list_packages, methods=["GET"], include_in_schema=False)
router.add_route(f"{PREFIX}/packages", change_packages, methods=["POST", "DELETE"], include_in_schema=False)

elsewhere = APIRouter()
"""Everything else under the prefix, answered as Piston answers it. To be mounted after the other routers."""
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
elsewhere.add_route(PREFIX, nothing_here, methods=_METHODS, include_in_schema=False)
elsewhere.add_route(f"{PREFIX}/{{rest:path}}", nothing_here, methods=_METHODS, include_in_schema=False)


# ------------------------------------------------------------------------------------------- what all share


def enter(connection: HTTPConnection, action: Action) -> None:
    """Raises ForbiddenError for a caller who may not, and for a page of another site in somebody's browser: JSON under
    the name of text is a request that browsers let any page send."""
    check(principal_of(connection), action)
    if comes_from_elsewhere(connection.headers):
        raise ForbiddenError("A page of another site may not ask for this.", hint="Send a token with the request.")


def pool_of(connection: HTTPConnection) -> str | None:
    """The pool that is named by `?pool=` or a header; None: the usual one."""
    return connection.query_params.get("pool") or connection.headers.get(POOL_HEADER) or None


async def languages(connection: HTTPConnection) -> Sequence[Language]:
    """What the pool runs. Raises as `CodeRunner.runtimes`."""
    return await runner_of(connection).runtimes(pool_of(connection), tenant_id=tenant_of(connection))


def tenant_of(connection: HTTPConnection) -> UUID:
    """Whose rows the request is about."""
    runtime: Runtime = connection.app.state.runtime
    return runtime.tenant_id


def run_request(connection: HTTPConnection, asked: Asked) -> RunRequest:
    """The run that a connection asks for."""
    key = connection.headers.get("idempotency-key")
    return RunRequest(pool=pool_of(connection), spec=asked.spec, idempotency_key=key)


def without_result(report: RunReport) -> tuple[str, int]:
    """What to say, and with which status, when there is nothing to show of a run."""
    execution = report.execution
    why = execution.reason.text if execution.reason else ""
    if execution.state is ExecutionState.REJECTED:
        return why or "the pool refused the run", 400
    told = f"the run is {execution.state}; /api/v1/executions/{execution.id} shows what becomes of it. {why}"
    return told.strip(), 504


def said(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is not a result."""
    return _json({"message": message}, status, headers)


def _json(body: JsonObject | list[JsonObject], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


# ------------------------------------------------------------------------------------------- dialect


class PistonDialect:
    """Understands and answers Piston's clients as Piston does: a key may come without `Bearer` before it, and every
    problem is told as `{"message": ...}`, whichever part of the application found it. Belongs around all others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or not scope["path"].startswith(PREFIX):
            return await self._app(scope, receive, send)
        _accept_plain_key(scope)
        return await self._app(scope, receive, _Plainly(send) if scope["type"] == "http" else send)


def _accept_plain_key(scope: Scope) -> None:
    headers = MutableHeaders(scope=scope)
    key = headers.get("authorization", "").strip()
    if key and " " not in key:
        headers["authorization"] = f"Bearer {key}"


class _Plainly:
    """Sends on; a problem document is held back until it is whole, and told as a message."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._tell(self._start)

    async def _tell(self, start: Message) -> None:
        problem = orjson.loads(self._body)
        body = orjson.dumps({"message": f"{problem['detail']} {problem['hint']}".strip()})
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _is_problem(start: Message) -> bool:
    return start["status"] >= HTTPStatus.BAD_REQUEST and Headers(raw=start["headers"]).get("content-type") == MEDIA_TYPE
