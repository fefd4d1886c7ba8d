"""Errors as problem details (RFC 9457): what happened, to what, and what to do next. Nothing internal leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import cast

import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from afield.errors import AfieldError, InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:afield:problem:"

_CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
}
_HINTS: Mapping[int, str] = {
    404: "/openapi.json lists the routes there are.",
    405: "The Allow header names the methods there are.",
    500: "Nothing is known to have been changed. The server's log has the details under this request_id.",
}


class FieldError(BaseModel):
    """One thing that is wrong with the input."""

    field: str = Field(examples=["body.spec"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """Every error has this shape, with the media type `application/problem+json`."""

    type: str = Field(description="Names the kind of problem.", examples=[_TYPE + "not_found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What happened, to what.", examples=["There is no target 'amc-1'."])
    code: str = Field(description="Stable and machine readable.", examples=["not_found"])
    hint: str = Field(default="", description="What to do next.", examples=["`afield targets list` shows them."])
    request_id: str = Field(default="", description="The same as the header x-request-id, and in the server's log.")
    errors: list[FieldError] = Field(default=[], description="What is wrong with which field, if that is the problem.")


def problem_of(error: AfieldError, errors: Sequence[FieldError] = ()) -> Problem:
    """The problem that an error is shown as."""
    return _problem(error.status, error.code, error.message, error.hint, errors)


def http_problem(status: int, detail: str = "", *, hint: str = "") -> Problem:
    """A problem of HTTP itself: no such route, no such method, a body that is too large."""
    code = _CODES.get(status, "http_error")
    return _problem(status, code, detail or HTTPStatus(status).phrase + ".", hint or _HINTS.get(status, ""))


def _problem(status: int, code: str, detail: str, hint: str, errors: Sequence[FieldError] = ()) -> Problem:
    title = code.replace("_", " ").capitalize()
    bound = structlog.contextvars.get_contextvars()
    return Problem(
        type=_TYPE + code,
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=str(bound.get("request_id", "")),
        errors=list(errors),
    )


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response that carries a problem."""
    return JSONResponse(problem.model_dump(), problem.status, dict(headers or {}), media_type=MEDIA_TYPE)


# ------------------------------------------------------------------------------------------- handlers


def install(app: FastAPI) -> None:
    """Answer every error of the routes with a problem."""
    app.add_exception_handler(AfieldError, _on_afield_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(psycopg.DataError, _on_unstorable)
    app.add_exception_handler(psycopg.OperationalError, _on_database_away)
    app.add_exception_handler(psycopg.InterfaceError, _on_database_away)


async def _on_afield_error(_request: Request, error: Exception) -> Response:
    return respond(problem_of(cast("AfieldError", error)))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    errors = [FieldError(field=".".join(map(str, e["loc"])), message=str(e["msg"])) for e in found]
    detail = "The request is not valid: " + "; ".join(f"{e.field}: {e.message}" for e in errors[:5]) + "."
    return respond(problem_of(InvalidInputError(detail, hint="Nothing was recorded."), errors))


async def _on_http_error(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    known = {404: f"There is no {request.url.path} here.", 405: f"{request.url.path} does not take {request.method}."}
    is_bare = refused.detail == HTTPStatus(refused.status_code).phrase
    detail = known.get(refused.status_code, "") if is_bare else str(refused.detail)
    return respond(http_problem(refused.status_code, detail), refused.headers)


async def _on_unstorable(_request: Request, error: Exception) -> Response:
    log.info("request.unstorable", error=type(error).__name__)
    refused = InvalidInputError("The request holds a value that cannot be stored.", hint="Nothing was recorded.")
    return respond(problem_of(refused))


async def _on_database_away(_request: Request, error: Exception) -> Response:
    log.warning("request.database_away", error=type(error).__name__)
    away = UnavailableError("The database cannot be reached right now.", hint="Try again in a moment.")
    return respond(problem_of(away), {"retry-after": "1"})
