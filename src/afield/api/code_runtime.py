"""The code runner of one web process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from afield.coderunner.opening import open_code_runner
from afield.coderunner.service import CodeRunner
from afield.kernel import Kernel


@asynccontextmanager
async def running_code(app: FastAPI, kernel: Kernel) -> AsyncIterator[None]:
    """While inside, the application's routes can run code."""
    async with open_code_runner(kernel) as runner:
        app.state.code_runner = runner
        yield


def runner_of(connection: HTTPConnection) -> CodeRunner:
    """The runner behind a request."""
    runner: CodeRunner = connection.app.state.code_runner
    return runner


RunnerDep = Annotated[CodeRunner, Depends(runner_of)]
