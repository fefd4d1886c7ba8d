"""The faces for running code, served over real HTTP: before a runner whose answers the test writes, or the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from web_world import Web, serving

from afield.api.app import create_app
from afield.coderunner.requests import RunReport, RunRequest
from afield.coderunner.runtimes import Runtime
from afield.coderunner.service import CodeRunner
from afield.connectors.coding import CodeResult, Verdict
from afield.connectors.talk import Talk
from afield.kernel import Kernel
from afield.model.execution import Execution, Reason
from afield.model.ids import uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT

RUNTIMES = (
    Runtime("python", "3.12.0", ("py", "py3", "python3")),
    Runtime("python", "3.11.2", ("py",)),
    Runtime("c++", "12.2.0", ("cpp", "g++")),
)
HELLO = {"language": "python", "version": "*", "files": [{"content": "print('hello')"}]}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Answer = Callable[[RunRequest, Talk | None], Awaitable[CodeResult | RunReport]]


def report_of(
    result: CodeResult | None, state: ExecutionState = ExecutionState.SUCCEEDED, reason: Reason | None = None
) -> RunReport:
    """A report as the product gives it."""
    execution = Execution(
        id=uuid7(),
        target_id=uuid7(),
        tenant_id=DEFAULT_TENANT,
        state=state,
        spec={},
        created_at=NOW,
        state_at=NOW,
        updated_at=NOW,
        reason=reason,
    )
    return RunReport(execution, result)


def printed(text: str, **more: Any) -> CodeResult:
    """The result of a program that prints this and ends well."""
    return CodeResult(verdict=Verdict.OK, exit_code=0, stdout=text, output=text, version="3.12.0", **more)


class ScriptedRunner:
    """Stands where the product does, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[RunRequest, str]] = []
        self.pools: list[str | None] = []
        self.cancelled = asyncio.Event()

    async def answer(self, request: RunRequest, talk: Talk | None) -> CodeResult | RunReport:
        """Tests put their own in this place."""
        return printed("hello\n")

    async def run(
        self, request: RunRequest, *, user: str, tenant_id: UUID = DEFAULT_TENANT, talk: Talk | None = None
    ) -> RunReport:
        self.asked.append((request, user))
        try:
            answer = await self.answer(request, talk)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return answer if isinstance(answer, RunReport) else report_of(answer)

    batch = CodeRunner.batch

    async def runtimes(self, pool: str | None = None, *, tenant_id: UUID = DEFAULT_TENANT) -> tuple[Runtime, ...]:
        self.pools.append(pool)
        return RUNTIMES


@asynccontextmanager
async def scripted(kernel: Kernel, runner: ScriptedRunner) -> AsyncIterator[Web]:
    """Served before a runner whose answers the test writes."""
    async with serving(create_app(kernel)) as web:
        real = web.app.state.code_runner
        web.app.state.code_runner = runner
        try:
            yield web
        finally:
            web.app.state.code_runner = real
