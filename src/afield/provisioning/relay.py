"""Carrying into the ledger what agents say, and what became of them; part of every worker process.

Agents write files; the session knows their ends. From both follows a job's log, and each thing in it has a name, so
that any number of workers may carry at once and a killed one is no loss. Whichever worker's entry it is that the ledger
took prints it, so a line is printed once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic
from uuid import UUID

import structlog

from afield.engine import control
from afield.engine.ending import UNKNOWN_STEP
from afield.errors import AfieldError, ConflictError
from afield.kernel import Kernel
from afield.ledger.database import GONE
from afield.ledger.sessions import Sessions
from afield.model.session import SESSION_FINAL, Session, SessionState, Step, StepState
from afield.provisioning.assets import Shelf
from afield.provisioning.bell import Bell
from afield.provisioning.clean_up import Cleaner
from afield.provisioning.cloud_log import print_entry
from afield.provisioning.job_log import JobLog, Said
from afield.provisioning.job_status import begins_again, last_word, status_of
from afield.provisioning.progress import Line, LineKind, Severity, read_lines
from afield.provisioning.settings import hand_down
from afield.provisioning.store import ENDED, Job, JobStatus, JobStore
from afield.sessions import SessionDesk

log = structlog.get_logger(__name__)

BUSY_S, IDLE_S = 0.2, 5.0
"""Seconds between two rounds, with and without a job that goes on."""

_LOOK_EVERY_S = 1.0
_CLEAN_EVERY_S = 30.0
_ACTOR = "provisioning"
_ENDED_STEPS = frozenset(StepState) - {
    StepState.PENDING, StepState.WAITING_APPROVAL, StepState.RUNNING, StepState.SKIPPED,
}  # fmt: skip


@dataclass(slots=True)
class _Read:
    """How far a spool file was read."""

    offset: int = 0
    lines: int = 0


class Relay:
    """The jobs of all tenants. Run it beside a worker."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._home = kernel.settings.home_folder
        self._jobs = JobStore(kernel.ledger.database)
        self._sessions = Sessions(kernel.ledger.database)
        self._log = JobLog(kernel.ledger.database, Bell(kernel.ledger.database.url))
        self._cleaner = Cleaner(kernel)
        self._read: dict[Path, _Read] = {}
        self._wake = asyncio.Event()
        self._going_on: list[int] = []  # sessions of jobs whose end has not been told
        self._looked_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Carry, and clean up what has expired, until `stop` is set. A database that goes away costs a pause."""
        try:
            await asyncio.to_thread(hand_down, self._home, os.environ)
        except OSError as error:
            log.error("provision.not_handed_down", error=str(error))
        cleaning = asyncio.create_task(self._cleaner.run(stop, _CLEAN_EVERY_S))
        stopping = asyncio.create_task(stop.wait())
        try:
            with self._kernel.ledger.listener.sessions(lambda _: self._wake.set()):
                while not stop.is_set():
                    self._wake.clear()
                    busy = await self._safe_round()
                    await self._pause(stopping, BUSY_S if busy else IDLE_S)
        finally:
            stopping.cancel()
            cleaning.cancel()
            await asyncio.gather(stopping, cleaning, return_exceptions=True)

    async def _pause(self, stopping: asyncio.Task[bool], seconds: float) -> None:
        waking = asyncio.create_task(self._wake.wait())
        await asyncio.wait({waking, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        await asyncio.gather(waking, return_exceptions=True)

    async def _safe_round(self) -> bool:
        try:
            return await self.round()
        except (AfieldError, *GONE) as error:
            log.warning("provision.relay_failed", error=str(error))
        except Exception:  # the outermost edge of the loop; the next round may do better
            log.exception("provision.relay_failed")
        return True

    async def round(self) -> bool:
        """Carry what there is of every job; whether one goes on. Jobs are looked for at most once a second."""
        if not self._going_on or monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = monotonic()
            self._going_on = [job.session_id for job in await self._jobs.untold()]
        told = [session_id for session_id in self._going_on if await self._carry(session_id)]
        self._going_on = [session_id for session_id in self._going_on if session_id not in told]
        return bool(self._going_on)

    async def _carry(self, session_id: int) -> bool:
        """Whether everything is told."""
        # The session before the job and the files: a step that has ended has written all its lines by then.
        session = await self._sessions.session(session_id)
        steps = await self._sessions.steps(session_id)
        job = await self._jobs.of_session(session_id)
        if job is None:
            return True
        if session.state is SessionState.PAUSED and session.reason and session.reason.code == UNKNOWN_STEP:
            await self._run_again(session, steps)
        spoken = await asyncio.to_thread(self._new_lines, job.id)
        new = await self._log.tell(job.id, list(_in_order(session, steps, spoken, job)))
        for entry in new:
            print_entry(job, entry)
            company = entry.data.get("company_name")
            if entry.kind is LineKind.RESULT and isinstance(company, str):
                await self._jobs.name_company(job.id, company)
        if session.state not in SESSION_FINAL or session.finished_at is None or job.status not in ENDED:
            return False
        await self._jobs.told(job.id, session.finished_at)
        self._forget(job.id)
        return True

    async def _run_again(self, session: Session, steps: Sequence[Step]) -> None:
        """Nobody knows what became of an attempt. Agents bear repetition, so nobody has to find out."""
        now = self._kernel.clock.now()
        desk = SessionDesk(self._kernel, session.tenant_id)
        for step in (one for one in steps if one.state is StepState.UNKNOWN):
            not_run = partial(control.resolve, number=step.number, outcome="not_run", by=_ACTOR, now=now)
            try:
                await desk.control(session.id, not_run)
            except ConflictError:
                continue  # another worker did

    def _forget(self, job_id: UUID) -> None:
        """Where its files were read to; read again, they hold nothing new."""
        spool = Shelf(self._home, job_id).spool
        self._read = {path: read for path, read in self._read.items() if path.parent != spool}

    def _new_lines(self, job_id: UUID) -> list[Said]:
        """What was said since the last round. A new process begins at the beginning; the ledger knows what it has."""
        found: list[Said] = []
        for path in sorted(Shelf(self._home, job_id).spool.glob("*.jsonl")):
            seen = self._read.setdefault(path, _Read())
            with path.open("rb") as file:
                file.seek(seen.offset)
                whole, end, _ = file.read().rpartition(b"\n")
            lines = (whole + end).count(b"\n")
            said = ((seen.lines + number, line) for number, line in read_lines(whole + end))
            found += [Said(origin=f"{path.stem}:{number}", line=line) for number, line in said]
            seen.offset, seen.lines = seen.offset + len(whole + end), seen.lines + lines
        return found


def _in_order(session: Session, steps: Sequence[Step], spoken: Sequence[Said], job: Job) -> Iterator[Said]:
    """The lines of each agent, then its end; at last the job's."""
    over = session.state in SESSION_FINAL and session.finished_at is not None and job.status in ENDED
    for step in steps:
        yield from (said for said in spoken if said.line.agent == step.name)
        if step.state in _ENDED_STEPS and step.attempt > 0 and step.finished_at is not None:
            yield from _end_of(step, step.finished_at, over=over)
    if over:
        yield last_word(session, steps, job.status)


def _end_of(step: Step, at: datetime, *, over: bool) -> Iterator[Said]:
    """Why it was ended from outside; and how it ended, unless it begins again."""
    status, again = status_of(step, over=over), begins_again(step, over=over)
    where = f"{step.number}:{step.attempt}:{step.state}"
    if (status is JobStatus.FAILED or again) and (step.reason is None or step.reason.code != "exit_code"):
        why = (step.reason.text if step.reason else "") or f"It ended as {step.state}."
        kind, severity = (LineKind.LOG, Severity.WARNING) if again else (LineKind.ERROR, Severity.ERROR)
        message = f"{why} It begins again." if again else why
        yield Said(
            origin=f"why:{where}", line=Line(at=at, kind=kind, severity=severity, agent=step.name, message=message)
        )
    if again:
        return
    line = Line(
        at=at,
        kind=LineKind.STAGE,
        severity=Severity.NOTICE if status is JobStatus.COMPLETED else Severity.WARNING,
        agent=step.name,
        message=f"{step.name} {status}",
        data={"status": status.value, "attempt": step.attempt},
    )
    yield Said(origin=f"end:{where}", line=line)
