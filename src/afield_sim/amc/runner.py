"""Runs SQL in threads, off the event loop, and stops it on demand."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import duckdb

from .engine import CannotRunError, Compute, Result, run_query
from .model import FAILED, Execution
from .settings import InstanceSettings

Outcome = Result | CannotRunError
_INTERRUPT_AGAIN_SECONDS = 0.05


@dataclass(slots=True)
class Job:
    """One query being run."""

    execution: Execution
    settings: InstanceSettings
    connection: duckdb.DuckDBPyConnection
    stopped: bool = False
    done: bool = field(default=False)


class Runner:
    """At most four queries at once; `on_done` is called on the event loop with each outcome."""

    def __init__(self, compute: Callable[[], Compute], on_done: Callable[[str, Outcome], None]) -> None:
        self._compute = compute
        self._on_done = on_done
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="amc-query")
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, execution: Execution, settings: InstanceSettings) -> None:
        """Begin to run an execution's SQL."""
        job = Job(execution, settings, self._compute().connect())
        self._jobs[execution.id] = job
        task = asyncio.get_running_loop().create_task(self._watch(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, execution_id: str) -> None:
        """Stop an execution's SQL; its outcome is dropped."""
        job = self._jobs.pop(execution_id, None)
        if job is not None:
            job.stopped = True
            self._interrupt(job)

    def stop_all(self) -> None:
        """Stop everything that runs."""
        for execution_id in list(self._jobs):
            self.stop(execution_id)

    async def close(self) -> None:
        """Stop everything and wait for the threads."""
        self.stop_all()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._pool.shutdown()

    async def compile(self, text: str, parameters: tuple[tuple[str, str], ...]) -> str | None:
        """Why a query cannot be compiled; None when it can."""
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: self._compute().compile(text, parameters)
        )

    async def _watch(self, job: Job) -> None:
        outcome = await asyncio.get_running_loop().run_in_executor(self._pool, self._run, job)
        job.done = True
        if not job.stopped:
            self._jobs.pop(job.execution.id, None)
            self._on_done(job.execution.id, outcome)

    def _run(self, job: Job) -> Outcome:
        with job.connection as connection:
            if job.stopped:
                return CannotRunError(FAILED, "stopped")
            settings = job.settings
            try:
                return run_query(
                    self._compute(), connection, job.execution, settings.minimum_users, settings.rows_per_file
                )
            except CannotRunError as error:
                return error

    def _interrupt(self, job: Job) -> None:
        """Interrupt until it worked: an interrupt between two statements is lost."""
        if not job.done:
            job.connection.interrupt()
            asyncio.get_running_loop().call_later(_INTERRUPT_AGAIN_SECONDS, self._interrupt, job)
