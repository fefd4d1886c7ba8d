"""The routes under `/llm/v1`."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from ..clock import Clock
from ..pulse import Pulse
from .answers import Answer, Cut, Endless, Failure, Filled, Throttled
from .asked import Asked
from .filling import CannotFillError
from .replying import reply
from .script import Script
from .wire import Reply, chunk, chunks, completion, error, event, usage

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Serving:
    """The model's server."""

    def __init__(self, script: Script, clock: Clock, pulse: Pulse, key: str) -> None:
        self._script = script
        self._clock = clock
        self._pulse = pulse
        self._key = key

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("POST", "/chat/completions", self.complete),
            ("GET", "/models", self.models),
            ("GET", "/models/{model}", self.one_model),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/llm/v1" + path, self._with_key(handler))

    def _with_key(self, handler: Handler) -> Handler:
        async def handle(http: web.Request) -> web.StreamResponse:
            given = http.headers.get("Authorization", "").removeprefix("Bearer ")
            if self._script.settings.check_key and not hmac.compare_digest(given.encode(), self._key.encode()):
                message = f"Incorrect API key provided: {given or 'none'}."
                return _error(401, message, "invalid_request_error", "invalid_api_key")
            return await handler(http)

        return handle

    async def models(self, _: web.Request) -> web.Response:
        """All models there are."""
        return web.json_response({"object": "list", "data": [_model(one) for one in self._script.settings.models]})

    async def one_model(self, http: web.Request) -> web.Response:
        """One of them."""
        name = http.match_info["model"]
        return web.json_response(_model(name)) if name in self._script.settings.models else _no_model(name)

    async def complete(self, http: web.Request) -> web.StreamResponse:
        """Answer as told."""
        try:
            asked = Asked.model_validate_json(await http.read())
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            return _error(400, f"Invalid request at '{place}': {first['msg']}.", "invalid_request_error")
        if asked.model not in self._script.settings.models:
            return _no_model(asked.model)
        answer = self._script.answer(asked)
        self._script.open += 1
        self._pulse.beat()
        try:
            await asyncio.sleep(answer.delay_seconds)
            return await self._answered(http, asked, answer)
        finally:
            self._script.open -= 1
            self._pulse.beat()

    async def _answered(self, http: web.Request, asked: Asked, answer: Answer) -> web.StreamResponse:
        match answer:
            case Failure():
                kind = "server_error" if answer.status >= 500 else "invalid_request_error"
                return _error(answer.status, answer.message, kind, answer.code)
            case Throttled():
                return _throttled(answer)
            case Endless():
                return await self._endless(http, asked, answer)
        try:
            said = self._reply(asked, Filled() if isinstance(answer, Cut) else answer)
        except CannotFillError as problem:
            return _error(400, f"No good answer to this schema: {problem}.", "invalid_request_error", "cannot_fill")
        self._script.count(usage(asked, said))
        if isinstance(answer, Cut):
            return await _cut(http, asked, said)
        return await _streamed(http, asked, said) if asked.stream else web.json_response(completion(asked, said))

    def _reply(self, asked: Asked, answer: Any) -> Reply:
        return reply(asked, answer, self._script.number, int(self._clock.now()))

    async def _endless(self, http: web.Request, asked: Asked, answer: Endless) -> web.StreamResponse:
        """Until the client goes, or the server stops."""
        said = Reply(number=self._script.number, created=int(self._clock.now()), content="")
        response = await _begun(http, asked)
        if not asked.stream:
            await response.write(json.dumps(completion(asked, said)).encode().partition(b'"content": "')[0])
            await response.write(b'"content": "')
        words = ("and so on " * (answer.chunk // 10 + 1))[: answer.chunk]
        piece = event(chunk(asked, said, {"content": words})) if asked.stream else words.encode()
        try:
            while True:
                await response.write(piece)
                await asyncio.sleep(answer.pause_seconds)
        except ConnectionResetError:
            return response


async def _begun(http: web.Request, asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/event-stream" if asked.stream else "application/json"
    await response.prepare(http)
    return response


async def _streamed(http: web.Request, asked: Asked, said: Reply) -> web.StreamResponse:
    response = await _begun(http, asked)
    for one in chunks(asked, said):
        await response.write(event(one))
    await response.write(event("[DONE]"))
    return response


async def _cut(http: web.Request, asked: Asked, said: Reply) -> web.StreamResponse:
    """Half of it, and then nobody is there any more."""
    response = await _begun(http, asked)
    body = b"".join(map(event, chunks(asked, said))) if asked.stream else json.dumps(completion(asked, said)).encode()
    await response.write(body[: len(body) // 2])
    if http.transport:
        http.transport.abort()
    return response


def _throttled(answer: Throttled) -> web.Response:
    kind, code = ("insufficient_quota",) * 2 if answer.quota else ("requests", "rate_limit_exceeded")
    text = "You exceeded your current quota." if answer.quota else "Rate limit reached for requests."
    response = _error(429, text, kind, code)
    if answer.retry_after is not None:
        response.headers["Retry-After"] = f"{answer.retry_after:g}"
    return response


def _no_model(name: str) -> web.Response:
    return _error(404, f"The model `{name}` does not exist.", "invalid_request_error", "model_not_found")


def _error(status: int, message: str, kind: str, code: str | None = None) -> web.Response:
    return web.json_response(error(message, kind, code), status=status)


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}
