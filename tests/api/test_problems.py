"""Every error is a problem document, and none tells what is inside."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import aiohttp
import psycopg
import structlog
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs
from web_world import Web, serving

from afield.api.app import MOST_BODY_BYTES, create_app
from afield.config import Settings
from afield.errors import (
    AfieldError,
    ConflictError,
    CredentialError,
    IdempotencyError,
    InvalidInputError,
    LookError,
    NotFoundError,
    UnavailableError,
)
from afield.kernel import Kernel

KINDS: list[tuple[Exception, int, str]] = [
    (NotFoundError("Gone.", hint="Look elsewhere."), 404, "not_found"),
    (InvalidInputError("Wrong."), 422, "invalid_input"),
    (ConflictError("Moved on."), 409, "conflict"),
    (IdempotencyError("Other body."), 409, "idempotency_key_reused"),
    (CredentialError("Refused.", hint="Log in again."), 424, "credential_refused"),
    (LookError("Not asked."), 502, "could_not_look"),
    (UnavailableError("Away."), 503, "unavailable"),
    (AfieldError("Odd."), 500, "error"),
    (psycopg.OperationalError("secret host name"), 503, "unavailable"),
    (psycopg.DataError("secret value"), 422, "invalid_input"),
    (RuntimeError("secret detail"), 500, "internal_error"),
]


def failing(app: FastAPI) -> FastAPI:
    """With a route that raises each of them."""

    @app.get("/fail/{number}")
    async def fail(number: int) -> None:
        raise KINDS[number][0]

    return app


async def test_each_kind_of_error(kernel: Kernel) -> None:
    async with serving(failing(create_app(kernel))) as web:
        with capture_logs() as logs:
            await _check_kinds(web)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request.failed"]


async def _check_kinds(web: Web) -> None:
    for number, (error, status, code) in enumerate(KINDS):
        problem = await web.problem("GET", f"/fail/{number}")
        assert (problem["status"], problem["code"]) == (status, code)
        assert "secret" not in str(problem)
        if isinstance(error, AfieldError):
            assert (problem["detail"], problem["hint"]) == (error.message, error.hint)


async def test_no_such_route_and_no_such_method(web: Web) -> None:
    problem = await web.problem("GET", "/api/v1/nothing")
    assert (problem["status"], problem["code"]) == (404, "not_found")
    assert "/api/v1/nothing" in problem["detail"]
    answer = await web.call("DELETE", "/api/v1/executions")
    assert answer.status == 405
    assert answer.headers["allow"]
    assert answer.json["code"] == "method_not_allowed"


async def test_the_openapi_document_is_served(web: Web) -> None:
    served = await web.get("/openapi.json")
    assert (served.status, served.json) == (200, web.app.openapi())


async def test_a_body_that_is_not_json(web: Web) -> None:
    problem = await web.problem(
        "POST", "/api/v1/executions", data=b"{not json", headers={"content-type": "application/json"}
    )
    assert (problem["status"], problem["code"]) == (422, "invalid_input")


async def test_a_body_that_is_too_large_announced_or_not(web: Web) -> None:
    large = b"x" * (MOST_BODY_BYTES + 1)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    for data in (io.BytesIO(large), endless()):
        problem = await web.problem("POST", "/api/v1/executions", data=data)
        assert (problem["status"], problem["code"]) == (413, "body_too_large")
    just_right = await web.problem("POST", "/api/v1/executions", data=io.BytesIO(b"x" * MOST_BODY_BYTES))
    assert just_right["status"] == 422


async def test_the_request_id_of_the_caller_is_kept_if_it_is_a_plain_one(web: Web) -> None:
    plain = await web.get("/healthz", headers={"x-request-id": "abc-1"})
    assert plain.headers["x-request-id"] == "abc-1"
    for odd in ("with space", "x" * 65, "a;b"):
        answer = await web.get("/healthz", headers={"x-request-id": odd})
        assert answer.headers["x-request-id"] != odd
        assert answer.headers["x-request-id"]


async def test_requests_are_logged_without_their_secrets(web: Web) -> None:
    structlog.reset_defaults()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await web.get(
            "/api/v1/executions?label.token=hush-query",
            headers={"authorization": "Bearer hush-header", "x-request-id": "r1"},
        )
        secret = {"name": "c", "connector": "amc", "secret": {"refresh_token": "hush-body"}}
        await web.post("/api/v1/credentials", secret)
        await web.post("/api/v1/credentials", secret | {"secret": {"refresh_token": 7, "x": "hush-refused"}})
    lines = [line for line in logs if line["event"] == "request"]
    assert {"method": "GET", "path": "/api/v1/executions", "status": 200, "request_id": "r1"}.items() <= lines[
        0
    ].items()
    assert [line["status"] for line in lines] == [200, 201, 422]
    assert "hush" not in str(logs)


async def test_a_token_is_asked_for_when_one_is_set(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr("open")})
    async with serving(create_app(guarded)) as web:
        for headers in (
            {},
            {"authorization": "Bearer shut"},
            {"authorization": "Basic open"},
            {"authorization": "open"},
        ):
            problem = await web.problem("GET", "/api/v1/targets", headers=headers)
            assert (problem["status"], problem["code"]) == (401, "unauthorized")
        answer = await web.get("/nowhere")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await web.get("/healthz")).status == 200
        assert (await web.get("/readyz")).status in {200, 503}
        entered = await web.get("/api/v1/targets", headers={"authorization": "bearer open"})
        assert entered.status == 200


async def test_a_refused_secret_is_not_repeated(web: Web) -> None:
    body = {"name": "c", "connector": "amc", "secret": {"refresh_token": ["hush"]}}
    problem = await web.problem("POST", "/api/v1/credentials", body)
    assert problem["status"] == 422
    assert "hush" not in str(problem)


async def test_a_client_that_goes_away_is_no_error(web: Web) -> None:
    async with aiohttp.ClientSession() as session:
        stream = await session.get(f"{web.url}/api/v1/events/stream")
        assert (await stream.content.readline()).startswith(b"retry:")
        stream.close()
    assert (await web.get("/healthz")).status == 200
