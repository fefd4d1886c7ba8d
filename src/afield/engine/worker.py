"""A worker process: takes nudges, drives targets, and sweeps up after workers that died."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from procrastinate.worker import Worker as QueueWorker

from afield.clock import Clock, SystemClock
from afield.connectors.base import Artifacts
from afield.connectors.registry import AnyConnector
from afield.engine.drive import Outcome, drive
from afield.engine.queue import QUEUE, TASK, defer_nudge
from afield.engine.session_worker import SessionWorker
from afield.errors import AfieldError, UnavailableError
from afield.ledger.base import Ledger
from afield.model.target import LookRecord, Target

log = structlog.get_logger(__name__)

_DATABASE_AWAY = (ConnectorException, psycopg.OperationalError, psycopg.InterfaceError, UnavailableError, OSError)
_PAUSE_AFTER_ERROR = 1.0
_LINGER = timedelta(milliseconds=300)  # at a target where nothing is left to do
_SESSION_SWEEP = 5.0  # seconds; a session that waits for a time is thought about so late at most


class Opener(Protocol):
    """Binds the target's connector to it, with its credential."""

    async def __call__(self, target: Target) -> AnyConnector: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker works. `takeover_after`: after how long without a sign of life a worker's targets are taken over."""

    name: str
    takeover_after: timedelta = timedelta(seconds=60)
    most_targets: int = 200  # driven at once by this process
    grace: timedelta = timedelta(seconds=8)  # for what is under way when the worker is stopped

    @property
    def beat(self) -> float:
        """Seconds between two signs of life, and between two sweeps: six in a take-over time."""
        return self.takeover_after.total_seconds() / 6

    @property
    def silence(self) -> float:
        """Seconds without a sign of life after which a worker counts as dead: leaves a sweep's time to act."""
        return self.takeover_after.total_seconds() * 2 / 3


class Worker:
    """Drives targets until it is told to stop. The database may come and go meanwhile."""

    def __init__(
        self,
        ledger: Ledger,
        queue: procrastinate.App,
        opener: Opener,
        artifacts: Artifacts,
        settings: WorkerSettings,
        *,
        sessions: SessionWorker | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._queue = queue
        self._opener = opener
        self._artifacts = artifacts
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stop = asyncio.Event()
        queue.task(name=TASK, queue=QUEUE)(self.drive)

    def stop(self) -> None:
        """Take nothing more, finish or hand over what is under way, and return from `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. After a loss of the database: start again, and again, until it is back."""
        sweeper = asyncio.create_task(self._sweep_for_ever())
        thinking = asyncio.create_task(self._think_of_sessions())
        try:
            while not self._stop.is_set():
                await self._work_once()
        finally:
            self._stop.set()
            sweeper.cancel()
            await asyncio.gather(sweeper, thinking, return_exceptions=True)

    async def _think_of_sessions(self) -> None:
        if self._sessions is not None:
            await self._sessions.run(self._stop, min(_SESSION_SWEEP, self._settings.beat))

    async def _work_once(self) -> None:
        worker = self._queue_worker()
        working = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            worker.stop()  # type: ignore[no-untyped-call]
            await working
        except _DATABASE_AWAY as error:
            log.warning("worker.database_away", worker=self._settings.name, error=str(error))
            await asyncio.sleep(_PAUSE_AFTER_ERROR)
            await self._give_up_places(worker)
        finally:
            stopping.cancel()

    def _queue_worker(self) -> QueueWorker:
        settings = self._settings
        return QueueWorker(
            self._queue,
            queues=[QUEUE],
            name=settings.name,
            concurrency=settings.most_targets,
            fetch_job_polling_interval=min(1.0, settings.beat),
            shutdown_graceful_timeout=settings.grace.total_seconds() + 1,
            update_heartbeat_interval=settings.beat,
            stalled_worker_timeout=settings.silence,
            delete_jobs="always",
            install_signal_handlers=False,
        )

    async def _give_up_places(self, worker: QueueWorker) -> None:
        """What this process drove before the database went away is free for anybody, at once."""
        if worker.worker_id is None:
            return
        try:
            await self._queue.job_manager.unregister_worker(worker.worker_id)
        except _DATABASE_AWAY:
            return

    # ------------------------------------------------------------------ driving

    async def drive(self, target_id: str) -> None:
        """The queue's task: one turn at one target."""
        target = await self._ledger.target(UUID(target_id))
        with structlog.contextvars.bound_contextvars(target_id=target_id, target=target.name):
            try:
                connector = await self._opener(target)
            except _DATABASE_AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, people have to see it at the target
                await self._cannot_open(target, error)
                return
            try:
                outcome = await self._turn(connector, target.id)
            finally:
                await connector.close()
        if outcome is Outcome.STOPPED:
            await defer_nudge(self._queue, target.id)

    async def _cannot_open(self, target: Target, error: Exception) -> None:
        """Show it at the target, like a look that failed. It is not the remote's failure, so no pause grows from it."""
        text = str(error) if isinstance(error, AfieldError) else f"{type(error).__name__}: {error}"
        log.error("target.cannot_open", error=text)
        now = self._clock.now()
        taken = await self._ledger.take(target.id, self._settings.name, now)
        completed_at = taken.look.completed_at if taken.look else None
        look = LookRecord(taken_at=now, complete=False, error=text, failures=1, completed_at=completed_at)
        await self._ledger.looked(target.id, taken.epoch, look, ())
        await self._ledger.release(target.id, taken.epoch)

    async def _turn(self, connector: AnyConnector, target_id: UUID) -> Outcome:
        return await drive(
            self._ledger,
            connector,
            self._artifacts,
            target_id,
            driver=self._settings.name,
            clock=self._clock,
            stop=self._stop,
            grace=self._settings.grace,
            linger=_LINGER,
        )

    # ------------------------------------------------------------------ sweeping

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except _DATABASE_AWAY as error:
                log.warning("sweep.database_away", error=str(error))
            await asyncio.sleep(self._settings.beat)

    async def sweep(self) -> None:
        """Free the targets of workers that died, and nudge whatever has work outstanding."""
        manager = self._queue.job_manager
        silence = self._settings.silence
        for job in await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=silence):
            log.warning("worker.died", job=job.id, target_id=job.lock)
            if job.id is not None:
                await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
        await manager.prune_stalled_workers(silence)
        for target_id in await self._ledger.undriven():
            await defer_nudge(self._queue, target_id)
