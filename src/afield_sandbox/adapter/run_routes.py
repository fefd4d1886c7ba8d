"""Runs over HTTP: `/runs`, and `/{language}/execute`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints

from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.asked import identifier_of, wait_of
from afield_sandbox.adapter.clock import rfc3339
from afield_sandbox.adapter.desk import Desk
from afield_sandbox.adapter.errors import NotFoundError
from afield_sandbox.adapter.interpreter.bodies import is_old
from afield_sandbox.adapter.interpreter.execution_routes import ExecutionRoutes
from afield_sandbox.adapter.offload import handle
from afield_sandbox.adapter.records import Record, Status
from afield_sandbox.adapter.submissions import (
    Body,
    Caps,
    FileBody,
    LimitsBody,
    Order,
    RunBody,
    RunId,
    order_of,
    read_body,
)
from afield_sandbox.jail import LocalJail

Groups = Mapping[str, str]


class CodeBody(Body):
    """A snippet of a language that the path names. `code` is the main file, `files` are beside it."""

    code: str
    stdin: str | None = None
    args: Annotated[tuple[str, ...], Field(max_length=1000)] | None = None
    files: Annotated[tuple[FileBody, ...], Field(max_length=999)] | None = None
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    limits: LimitsBody | None = None
    compile_limits: LimitsBody | None = None
    run_id: RunId | None = None


class _Wrapped(BaseModel):
    properties: CodeBody


class _Shape(BaseModel):
    properties: object = None


class RunRoutes:
    """The native way in."""

    def __init__(self, jail: LocalJail, desk: Desk, caps: Caps, executions: ExecutionRoutes) -> None:
        self._jail = jail
        self._executions = executions
        self._desk = desk
        self._caps = caps

    async def create(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /runs."""
        identifier_of(request)
        wait = wait_of(request)
        data = await request.read()
        record = self._desk.take(await handle(len(data), self._order, data))
        await record.wait(wait)
        return tell(record)

    async def show(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /runs/{run_id}: as it is, or when it has ended if `wait` says how long to wait for that."""
        record = self._find(groups["run_id"])
        await record.wait(wait_of(request) or 0)
        return tell(record)

    async def stop(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """DELETE /runs/{run_id}."""
        record = self._find(groups["run_id"])
        if self._desk.stop(record):
            return answer({"run_id": record.run_id, "status": "stopping"}, 202)
        await record.wait(None)
        return tell(record)

    async def listing(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /runs."""
        records = self._desk.records
        body = {"runs": [_line(record) for record in records], "remembers_since": rfc3339(records.remembers_since)}
        return answer(body)

    async def execute(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /{language}/execute: flat, or wrapped in `properties`; answers when it has ended.

        Older clients of the code interpreter say /python/execute with the old contract's body.
        """
        identifier_of(request)
        data = await request.read()
        if groups["language"] == "python" and is_old(data):
            return await self._executions.execute_old(request, groups)
        record = self._desk.take(await handle(len(data), self._order_of_code, data, groups["language"]))
        await record.wait(None)
        if record.problem:
            raise record.problem
        return answer(b'{"run_id":' + orjson.dumps(record.run_id) + b"," + record.result[1:])

    def _order(self, data: bytes) -> Order:
        return order_of(read_body(RunBody, data), self._jail.languages(), self._caps)

    def _order_of_code(self, data: bytes, language: str) -> Order:
        wrapped = read_body(_Shape, data).properties is not None
        body = read_body(_Wrapped, data).properties if wrapped else read_body(CodeBody, data)
        values = {name: getattr(body, name) for name in type(body).model_fields if name not in {"code", "files"}}
        files = (FileBody(content=body.code), *(body.files or ()))
        run = RunBody(language=language, files=files, **values)
        return order_of(run, self._jail.languages(), self._caps)

    def _find(self, run_id: str) -> Record:
        record = self._desk.records.get(run_id)
        if record is None:
            since = {"remembers_since": rfc3339(self._desk.records.remembers_since)}
            text = f"No run {run_id[:128]} is remembered."
            hint = "If it was sent after remembers_since, it never began."
            raise NotFoundError(text, hint=hint, code="no_such_run", more=since)
        return record


def tell(record: Record) -> web.Response:
    """A run as it is. Raises AdapterError for one that was not run."""
    if record.problem:
        raise record.problem
    body = _line(record)
    if record.status is Status.RUNNING:
        record.shown = True
        return answer(body, 202)
    del body["verdict"]
    return answer(body | {"result": orjson.Fragment(record.result)})


def _line(record: Record) -> dict[str, object]:
    return {
        "run_id": record.run_id,
        "status": record.status,
        "started_at": rfc3339(record.accepted_at),
        "finished_at": rfc3339(record.finished_at) if record.finished_at else None,
        "verdict": record.verdict,
    }
