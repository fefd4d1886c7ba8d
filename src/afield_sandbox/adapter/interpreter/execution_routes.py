"""Executions in kept sessions: `/code/execute`, and `/executions`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from afield_sandbox.adapter.activity import Activity
from afield_sandbox.adapter.answers import answer
from afield_sandbox.adapter.asked import identifier_of
from afield_sandbox.adapter.errors import AdapterError, NotFoundError
from afield_sandbox.adapter.interpreter import told
from afield_sandbox.adapter.interpreter.bodies import Asked, read_new, read_old
from afield_sandbox.adapter.interpreter.frames import Answer
from afield_sandbox.adapter.interpreter.workspace import Done
from afield_sandbox.adapter.interpreter.workspaces import Workspaces
from afield_sandbox.errors import SandboxError

_MOST_REMEMBERED = 1000

Groups = Mapping[str, str]


@dataclass(slots=True, eq=False)
class Execution:
    """One that is remembered, so that its caller can ask for it."""

    identifier: str
    asked: Asked
    id: str = field(default_factory=lambda: str(uuid4()))
    done: Done | None = None

    def tell(self) -> dict[str, object]:
        """As it is."""
        kind, waited = self.asked.work.kind, not self.asked.asynchronous
        return told.of_new(self.id, self.identifier, kind, self.done, waited=waited)


class ExecutionRoutes:
    """Both contracts. An execution ends when its time is up, whether or not its caller still waits."""

    def __init__(self, workspaces: Workspaces, activity: Activity, *, longest_s: float) -> None:
        self._workspaces = workspaces
        self._activity = activity
        self._longest = longest_s
        self._remembered: OrderedDict[str, Execution] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    async def execute_old(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /code/execute."""
        identifier = identifier_of(request)
        asked = read_old(await request.read(), self._longest)
        return answer(told.of_old(await self._workspaces.execute(identifier, asked.work)))

    async def execute_new(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """POST /executions."""
        execution = Execution(identifier_of(request), read_new(await request.read(), self._longest))
        self._remember(execution)
        headers = {
            "operation-id": request.headers.get("operation-id", execution.id),
            "Operation-Location": f"/executions/{execution.id}?identifier={request.query.get('identifier', '')}",
        }
        if execution.asked.asynchronous:
            task = asyncio.create_task(self._follow(execution))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            return answer(execution.tell(), 202, headers)
        try:
            execution.done = await self._workspaces.execute(execution.identifier, execution.asked.work)
        except (AdapterError, SandboxError):
            del self._remembered[execution.id]
            raise
        return answer(execution.tell(), 200, headers)

    async def show(self, request: web.BaseRequest, groups: Groups) -> web.Response:
        """GET /executions/{id}, for the identifier that it belongs to."""
        execution = self._remembered.get(groups["id"])
        if execution is None or execution.identifier != identifier_of(request):
            raise NotFoundError("There is no such execution.", code="no_such_execution")
        return answer(execution.tell())

    async def _follow(self, execution: Execution) -> None:
        self._activity.begin()
        try:
            execution.done = await self._workspaces.execute(execution.identifier, execution.asked.work)
        except (AdapterError, SandboxError) as problem:
            execution.done = Done(Answer(id=execution.id, stderr=str(problem)), ok=False, seconds=0.0)
        finally:
            self._activity.end()

    def _remember(self, execution: Execution) -> None:
        self._remembered[execution.id] = execution
        finished = (found for found in self._remembered.values() if found.done is not None)
        if len(self._remembered) > _MOST_REMEMBERED and (oldest := next(finished, None)):
            del self._remembered[oldest.id]

    async def close(self) -> None:
        """Stop following."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
