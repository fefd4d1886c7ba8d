"""Provisioning as faces use it: jobs started, followed, stopped, taken up again, put in order. Every call names who
asks: people see and change their own jobs, administrators all."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from afield.engine import control
from afield.errors import ConflictError, IdempotencyError, InvalidInputError, NotFoundError
from afield.kernel import Kernel
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.session import STEP_FAILED, Session, SessionChange, Step
from afield.model.target import Target
from afield.provisioning.agents.names import AgentName
from afield.provisioning.assets import Asset, Shelf
from afield.provisioning.bell import Bell
from afield.provisioning.brief import Brief
from afield.provisioning.job_log import Entry, JobLog, Said
from afield.provisioning.job_status import JobView, last_word, view
from afield.provisioning.pipeline import KIND, JobOrder, names_for, next_round, session_for
from afield.provisioning.progress import Line, LineKind, Severity
from afield.provisioning.settings import ProvisionSettings, provisioning_home
from afield.provisioning.store import ENDED, Change, Job, JobFilter, JobStatus, JobStore, NewJob, missing
from afield.security.people import Action, Principal, may
from afield.sessions import SessionDesk, complete

_RECENT = 50
_TARGET_SETTINGS: JsonObject = {"min_interval": 0.1, "max_interval": 1.0, "visibility_delay": 0.2}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a person asks for. `key`: asking again under it is asking once."""

    brief: Brief
    project_id: str = ""
    trace_id: str = ""
    key: str | None = None
    rows: int | None = None
    cloned_from: UUID | None = None
    tags: tuple[str, ...] = ()


class Jobs:
    """The jobs of one tenant, for one process. Close it."""

    def __init__(
        self,
        kernel: Kernel,
        tenant_id: UUID,
        settings: ProvisionSettings,
        told: Callable[[Job, Entry], None] = lambda _job, _entry: None,
    ) -> None:
        """`told`: hears what is said about a job here, and not by a worker."""
        self._kernel = kernel
        self._tenant_id = tenant_id
        self._settings = settings
        self._home = kernel.settings.home_folder
        self._desk = SessionDesk(kernel, tenant_id)
        self._bell = Bell(kernel.ledger.database.url)
        self._target: Target | None = None
        self._told = told
        self.store = JobStore(kernel.ledger.database)
        self.log = JobLog(kernel.ledger.database, self._bell)

    async def close(self) -> None:
        """Stop listening."""
        await self._bell.close()

    # ------------------------------------------------------------------ starting

    async def start(self, new: NewOrder, who: Principal) -> Job:
        """Record a job, which a worker then carries out. Raises InvalidInputError (address), IdempotencyError."""
        brief = new.brief.model_copy(update={"customer_url": checked_url(new.brief.customer_url)})
        now = self._kernel.clock.now()
        job_id = uuid7() if new.key is None else self._keyed(who.name, new.key)
        dataset, agent = names_for(job_id, urlsplit(brief.customer_url).hostname or "")
        job = NewJob(
            id=job_id,
            tenant_id=self._tenant_id,
            owner=who.name,
            brief=brief,
            project_id=self._settings.project_for(new.project_id),
            today=now.date(),
            rows=new.rows or self._settings.rows,
            seed=secrets.randbits(31),
            dataset_name=dataset,
            agent_id=agent,
            trace_id=new.trace_id,
            created_at=now,
            expires_at=now + timedelta(days=self._settings.keep_days),
            cloned_from=new.cloned_from,
            tags=new.tags,
        )
        return await self._recorded(job)

    def _keyed(self, owner: str, key: str) -> UUID:
        name = hashlib.sha256(f"{self._tenant_id}\n{owner}\n{key}".encode()).digest()
        return UUID(bytes=name[:16], version=5)

    async def _recorded(self, job: NewJob) -> Job:
        target = await self._provisioning_target()
        order = JobOrder(
            job_id=job.id,
            brief=job.brief,
            dataset_name=job.dataset_name,
            agent_id=job.agent_id,
            project_id=job.project_id,
            warehouse=self._settings.warehouse,
            today=job.today,
            rows=job.rows,
            seed=job.seed,
        )
        session = session_for(order, tenant_id=self._tenant_id, owner=job.owner, target_id=target.id, home=self._home)
        steps = tuple(complete(step, target.connector) for step in session.steps)
        recorded = await self.store.create(job, replace(session, steps=steps))
        if recorded.brief != job.brief:
            hint = "Use a new key, or ask the same again."
            raise IdempotencyError("The idempotency key was used before for another job.", hint=hint)
        return recorded

    async def _provisioning_target(self) -> Target:
        """This machine, as the target that agents run on; recorded on first use."""
        if self._target is None:
            try:
                self._target = await self._kernel.ledger.find_target(self._tenant_id, KIND)
            except NotFoundError:
                self._target = await self._new_target()
        if self._target.connector != "local":
            hint = "Give that target another name."
            raise ConflictError(f"The target {KIND!r} is not this machine.", hint=hint)
        return self._target

    async def _new_target(self) -> Target:
        address: JsonObject = {"state_dir": str(provisioning_home(self._home) / "run"), "kill_after_s": 2}
        settings = _TARGET_SETTINGS | {"max_live": self._settings.agents}
        try:
            return await self._kernel.add_target(
                connector="local", name=KIND, address=address, settings=settings, tenant_id=self._tenant_id
            )
        except ConflictError:  # another process was first
            return await self._kernel.ledger.find_target(self._tenant_id, KIND)

    async def clone(self, job_id: UUID, who: Principal, trace_id: str = "") -> Job:
        """A new job with the same brief: researched anew, with data of its own."""
        job = await self.get(job_id, who)
        new = NewOrder(
            brief=job.brief,
            project_id=job.project_id,
            trace_id=trace_id,
            rows=job.rows,
            cloned_from=job.id,
            tags=job.tags,
        )
        return await self.start(new, who)

    # ------------------------------------------------------------------ looking

    async def get(self, job_id: UUID, who: Principal) -> Job:
        """Raises NotFoundError, also for a job of somebody else's."""
        job = await self.store.get(job_id, self._tenant_id)
        if job.owner != who.name and not sees_all(who):
            raise missing(job_id)
        return job

    async def status(self, job_id: UUID, who: Principal) -> tuple[JobView, list[Entry]]:
        """How far a job is, and what was said last."""
        job = await self.get(job_id, who)
        _, steps = await self._desk.get(job.session_id)
        told = await self.log.latest(job.id)
        return view(job, steps, told, self._kernel.clock.now()), await self.log.recent(job.id, _RECENT)

    async def history(
        self, who: Principal, *, status: JobStatus | None = None, search: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[list[Job], int]:
        """One page of jobs, pinned ones first, then the latest; and how many there are."""
        return await self.store.page(self._mine(who, status, search), limit=limit, offset=offset)

    def _mine(self, who: Principal, status: JobStatus | None = None, search: str = "") -> JobFilter:
        owner = None if sees_all(who) else who.name
        return JobFilter(tenant_id=self._tenant_id, owner=owner, status=status, search=search)

    async def named(self, who: Principal, *, dataset: str | None, agent: str | None) -> Job:
        """The job with this dataset or data agent. Raises NotFoundError."""
        job = await self.store.named(self._mine(who), dataset=dataset, agent=agent)
        if job is None:
            hint = "A job's status names its dataset and its agent."
            raise NotFoundError(f"There is no demo {agent or dataset!r}.", hint=hint)
        return job

    async def follow(self, job_id: UUID, who: Principal, after: int) -> AsyncGenerator[Entry, None]:
        """What is said about a job, after this number, to its end. Raises NotFoundError before the first."""
        await self.get(job_id, who)
        return self.log.follow(job_id, after)

    async def assets(self, job_id: UUID, who: Principal) -> tuple[Job, list[Asset]]:
        """The files of a job. Raises ConflictError when they have been deleted."""
        job = await self.get(job_id, who)
        return job, await self.read(job, Shelf.assets)

    async def file(self, job_id: UUID, who: Principal, agent: AgentName, name: str) -> bytes:
        """One file of an agent's latest artefact. Raises NotFoundError, ConflictError."""
        job = await self.get(job_id, who)

        def content(shelf: Shelf) -> bytes:
            try:
                return (shelf.latest(agent) / name).read_bytes()
            except FileNotFoundError:
                raise NotFoundError(f"The {agent} has made no {name}.", hint="See the job's assets.") from None

        return await self.read(job, content)

    async def read(self, job: Job, look: Callable[[Shelf], T]) -> T:
        """Look at a job's files, in a thread. Raises ConflictError when they have been deleted."""
        if job.cleaned_at is not None:
            raise ConflictError(f"The data of job {job.id} has been deleted.", hint="Clone the job to make it anew.")
        return await asyncio.to_thread(look, Shelf(self._home, job.id))

    @property
    def home(self) -> Path:
        """Afield's home."""
        return self._home

    # ------------------------------------------------------------------ changing

    async def cancel(self, job_id: UUID, who: Principal) -> Job:
        """Stop the work. Raises ConflictError when it has ended, or is being stopped."""
        job, now = await self.get(job_id, who), self._kernel.clock.now()
        if job.status in ENDED:
            hint = "Nothing of it runs any more."
            raise ConflictError(f"Job {job.id} is {job.status}, and cannot be cancelled.", hint=hint)
        await self._desk.control(job.session_id, lambda s, steps: control.cancel(s, steps, by=who.name, now=now))
        return await self.get(job_id, who)

    async def retry(self, job_id: UUID, who: Principal) -> Job:
        """Go on from the agent that failed. Raises ConflictError when none did, or the data has been deleted."""
        job, now = await self.get(job_id, who), self._kernel.clock.now()
        await self.read(job, lambda shelf: shelf.folder)
        if job.status in ENDED:  # the end is told first: told by a slow worker afterwards, it would seem to be over
            await self._tell(job, last_word(*await self._desk.get(job.session_id), job.status))

        def again(session: Session, steps: Sequence[Step]) -> SessionChange:
            step = _stopped_at(job, steps)
            work = next_round(step, self._home)
            return control.retry(session, steps, step.number, work=work, by=who.name, now=now)

        session = await self._desk.control(job.session_id, again)
        line = Line(at=now, kind=LineKind.LOG, severity=Severity.NOTICE, message=f"{who.name} has it tried again.")
        await self._tell(job, Said(origin=f"retry:{session.version}", line=line))
        return await self.get(job_id, who)

    async def _tell(self, job: Job, said: Said) -> None:
        for entry in await self.log.tell(job.id, [said]):
            self._told(job, entry)

    async def change(self, job_id: UUID, who: Principal, change: Change) -> Job:
        """Pin, tag, annotate, or have its data deleted at another time."""
        return await self.store.change(await self.get(job_id, who), change)

    async def remove(self, job_id: UUID, who: Principal) -> Job:
        """Stop it if it goes on, and have its data deleted as soon as a worker comes to it."""
        job = await self.get(job_id, who)
        return await self.store.change(job, Change(pinned=False, expires_at=self._kernel.clock.now()))


def sees_all(who: Principal) -> bool:
    """Whether somebody sees everybody's jobs."""
    return may(who.role, Action.ADMINISTER)


def checked_url(text: str) -> str:
    """The address of a website, with its scheme. Raises InvalidInputError."""
    text = text.strip()
    hint = "Give the address of a website, such as https://www.example.com."
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(c.isspace() for c in text):
        raise InvalidInputError(f"{text[:200]!r} is not the address of a website.", hint=hint)
    if parts.username or parts.password:
        raise InvalidInputError("The address holds a user name or a password.", hint=hint)
    return parts.geturl()


def _stopped_at(job: Job, steps: Sequence[Step]) -> Step:
    stopped = [step for step in steps if step.state in STEP_FAILED]
    if job.status not in ENDED or not stopped:
        hint = "Only a job that failed or was cancelled can be."
        raise ConflictError(f"Job {job.id} is {job.status}, and is not tried again.", hint=hint)
    return stopped[0]
