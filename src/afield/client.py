"""A Python client of Afield's HTTP API.

async with Client("http://127.0.0.1:8321") as afield:
    execution = await afield.submit("my-instance", {"sql_query": "SELECT ..."}, key="monday-report")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import orjson

from afield.errors import AfieldError, UnavailableError
from afield.model.jsontypes import JsonObject, JsonValue

_RETRIES_NOTHING = aiohttp.ClientTimeout(total=30)


class ApiError(AfieldError):
    """The API refused the request. `problem` is its problem+json body."""

    def __init__(self, status: int, problem: JsonObject) -> None:
        detail = problem.get("detail") or problem.get("title") or f"The API answered {status}."
        super().__init__(str(detail), hint=str(problem.get("hint") or ""))
        self.http_status = status
        self.problem = problem


class Client:
    """Calls the API. Raises ApiError when it refuses, UnavailableError when it cannot be reached or is not ready."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=_RETRIES_NOTHING)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonValue:
        """One call; returns the JSON of the answer."""
        assert self._session is not None, "use `async with Client(...)`"
        data = None if body is None else orjson.dumps(body)
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            async with self._session.request(
                method, self._url + path, data=data, params=query, headers=sent
            ) as response:
                text = await response.read()
                return _answer(response.status, text)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                f"Afield at {self._url} did not answer: {error or type(error).__name__}.",
                hint="Is `afield up` running?",
            ) from error

    async def add_credential(self, name: str, connector: str, secret: Mapping[str, str]) -> JsonObject:
        """Store a credential; its secrets never come back."""
        body: JsonObject = {"name": name, "connector": connector, "secret": dict(secret)}
        return _object(await self.call("POST", "/api/v1/credentials", body))

    async def add_target(
        self, name: str, connector: str, address: JsonObject, *, settings: JsonObject, credential: str | None = None
    ) -> JsonObject:
        """Record a target."""
        body: JsonObject = {"name": name, "connector": connector, "address": address, "settings": settings}
        if credential:
            body["credential"] = credential
        return _object(await self.call("POST", "/api/v1/targets", body))

    async def submit(
        self, target: str, spec: JsonObject, *, key: str | None = None, labels: Mapping[str, str] | None = None
    ) -> JsonObject:
        """Record an execution. With a `key`, asking again (after a lost reply, say) never records a second one."""
        body: JsonObject = {"target": target, "spec": spec, "labels": dict(labels or {})}
        headers = {"Idempotency-Key": key} if key else None
        return _object(await self.call("POST", "/api/v1/executions", body, headers=headers))

    async def execution(self, execution_id: str) -> JsonObject:
        """One execution, with its attempts."""
        return _object(await self.call("GET", f"/api/v1/executions/{quote(execution_id)}"))

    async def executions(self, **filters: str) -> AsyncIterator[JsonObject]:
        """All executions the filters let through, newest first."""
        cursor: str | None = None
        while True:
            query = {"limit": "500", **filters} | ({"cursor": cursor} if cursor else {})
            page = _object(await self.call("GET", "/api/v1/executions", query=query))
            items = page.get("items")
            for item in items if isinstance(items, list) else []:
                yield _object(item)
            following = page.get("next_cursor")
            if not isinstance(following, str):
                return
            cursor = following

    async def cancel(self, execution_id: str) -> JsonObject:
        """Ask for a cancel."""
        return _object(await self.call("POST", f"/api/v1/executions/{quote(execution_id)}/cancel", {}))

    async def reconcile(self, target: str, *, apply: str = "false") -> JsonObject:
        """Compare both sides of a target with a fresh look; `apply="automatic"` makes the safe repairs."""
        choice: JsonValue = False if apply == "false" else apply
        return _object(await self.call("POST", "/api/v1/reconcile", {"target": target, "apply": choice}))

    async def ready(self) -> bool:
        """Whether everything Afield needs is there."""
        try:
            await self.call("GET", "/readyz")
        except (ApiError, UnavailableError):
            return False
        return True


def _answer(status: int, text: bytes) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        value = {"detail": text[:200].decode(errors="replace")}
    if status < 400:
        return value
    problem: JsonObject = value if isinstance(value, dict) else {}
    if status == 503:
        raise UnavailableError(str(problem.get("detail") or "Afield is not ready."))
    raise ApiError(status, problem)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
