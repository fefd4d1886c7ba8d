"""What all admin routes share: bodies in, answers and errors out as JSON."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from pydantic import ValidationError

Handler = Callable[[web.Request], Awaitable[object]]


class BadAdminCallError(Exception):
    """An admin call that cannot be done: status and what is wrong."""

    def __init__(self, status: int, problem: object) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem


async def read_body(http: web.Request) -> object:
    """The body, read as JSON. Raises BadAdminCallError."""
    try:
        return orjson.loads(await http.read())
    except ValueError:
        raise BadAdminCallError(422, "the body is not JSON") from None


async def read_object(http: web.Request) -> dict[str, object]:
    """The body, read as a JSON object. Raises BadAdminCallError."""
    body = await read_body(http)
    if not isinstance(body, dict):
        raise BadAdminCallError(422, "expected an object")
    return body


def answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler with its answers and errors as JSON; bytes go out as they are."""

    async def handle(http: web.Request) -> web.Response:
        try:
            answer, status = await handler(http), 200
        except BadAdminCallError as error:
            answer, status = {"error": error.problem}, error.status
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            answer, status = {"error": problems}, 422
        if isinstance(answer, bytes):
            return web.Response(body=answer, status=status, content_type="application/octet-stream")
        return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

    return handle
