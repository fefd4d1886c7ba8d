"""The table of provisioning jobs. A job's status is computed from its session wherever it is read."""

# ruff: noqa: S608 - columns and conditions are text of this module, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from psycopg.types.json import Jsonb

from afield.errors import NotFoundError
from afield.ledger import session_json
from afield.ledger.database import Database, Row
from afield.ledger.encode import clean_text
from afield.model.ids import uuid7
from afield.model.session import NewSession
from afield.provisioning.brief import Brief


class JobStatus(StrEnum):
    """Of a job, and of each of its agents."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

_STATUS = """case s.state
    when 'pending' then 'pending'
    when 'cancelled' then 'cancelled'
    when 'completed' then case when exists (
        select from afield.step t where t.session_id = s.id and t.state <> 'succeeded')
        then 'failed' else 'completed' end
    else case when s.open then 'running' else 'failed' end
end"""
"""A session that somebody declared done is no completed job: every agent has to have done its part."""

_COLUMNS = (
    "j.id, j.tenant_id, j.owner, j.session_id, j.brief, j.project_id, j.company_name, j.today, j.rows, j.seed, "
    "j.dataset_name, j.agent_id, j.trace_id, j.cloned_from, j.pinned, j.tags, j.note, j.created_at, j.expires_at, "
    f"j.cleaned_at, s.updated_at, s.finished_at, {_STATUS}"
)
_FROM = "afield.provision_job j join afield.session s on s.id = j.session_id"
_CREATE = """
    with made as (select id, fresh from afield.create_session_v1(%(session)s::jsonb, %(steps)s::jsonb))
    insert into afield.provision_job as j (id, tenant_id, owner, session_id, brief, project_id, today, rows, seed,
        dataset_name, agent_id, trace_id, cloned_from, tags, note, created_at, expires_at)
    select %(id)s, %(tenant_id)s, %(owner)s, made.id, %(brief)s, %(project_id)s, %(today)s, %(rows)s, %(seed)s,
        %(dataset_name)s, %(agent_id)s, %(trace_id)s, %(cloned_from)s, %(tags)s, %(note)s, %(created_at)s,
        %(expires_at)s
    from made
    on conflict (id) do update set id = excluded.id returning j.id
    """
_CHANGE = """
    update afield.provision_job set pinned = coalesce(%(pinned)s, pinned), tags = coalesce(%(tags)s, tags),
        note = coalesce(%(note)s, note), expires_at = coalesce(%(expires_at)s, expires_at)
    where id = %(id)s returning id
    """
_NAME = "update afield.provision_job set company_name = %s where id = %s and company_name <> %s returning id"
_CLEANED = "update afield.provision_job set cleaned_at = coalesce(cleaned_at, %s) where id = %s returning id"
_UNTOLD = f"""
    select {_COLUMNS} from {_FROM} where s.open or s.finished_at is distinct from j.told_until order by j.created_at
    """
_TOLD = "update afield.provision_job set told_until = %s where id = %s returning id"
_EXPIRED = f"""
    select {_COLUMNS} from {_FROM}
    where j.cleaned_at is null and not j.pinned and j.expires_at <= %s order by j.expires_at limit %s
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be recorded."""

    id: UUID
    tenant_id: UUID
    owner: str
    brief: Brief
    project_id: str
    today: date
    rows: int
    seed: int
    dataset_name: str
    agent_id: str
    trace_id: str
    created_at: datetime
    expires_at: datetime
    cloned_from: UUID | None = None
    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A job as the ledger holds it. `status` is what its session says."""

    session_id: int
    status: JobStatus
    company_name: str
    pinned: bool
    updated_at: datetime
    finished_at: datetime | None
    cleaned_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs. Everything given has to hold."""

    tenant_id: UUID
    owner: str | None = None
    status: JobStatus | None = None
    search: str = ""  # in the company's name, the address, tags and the note


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What people may change of a job; None leaves it as it is."""

    pinned: bool | None = None
    tags: tuple[str, ...] | None = None
    note: str | None = None
    expires_at: datetime | None = None


class JobStore:
    """Jobs of all tenants."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, job: NewJob, session: NewSession) -> Job:
        """Record a job together with its session, in one statement; one that is there already is left as it is."""
        values = {
            "session": session_json.new_session_json(session, uuid7(), job.created_at),
            "steps": session_json.new_steps_json(session.steps),
            "id": job.id,
            "tenant_id": job.tenant_id,
            "owner": clean_text(job.owner),
            "brief": Jsonb(job.brief.model_dump(mode="json")),
            "project_id": job.project_id,
            "today": job.today,
            "rows": job.rows,
            "seed": job.seed,
            "dataset_name": job.dataset_name,
            "agent_id": job.agent_id,
            "trace_id": job.trace_id,
            "cloned_from": job.cloned_from,
            "tags": list(job.tags),
            "note": job.note,
            "created_at": job.created_at,
            "expires_at": job.expires_at,
        }
        await self._db.one(_CREATE, values)
        return await self.get(job.id, job.tenant_id)

    async def get(self, job_id: UUID, tenant_id: UUID) -> Job:
        """Raises NotFoundError."""
        row = await self._db.one(
            f"select {_COLUMNS} from {_FROM} where j.id = %s and j.tenant_id = %s", (job_id, tenant_id)
        )
        if row is None:
            raise missing(job_id)
        return _job(row)

    async def of_session(self, session_id: int) -> Job | None:
        """The job of a session, if it is one's."""
        row = await self._db.one(f"select {_COLUMNS} from {_FROM} where j.session_id = %s", (session_id,))
        return _job(row) if row else None

    async def named(self, wanted: JobFilter, *, dataset: str | None, agent: str | None) -> Job | None:
        """The newest job with this dataset or data agent."""
        conditions, values = zip(*_conditions(wanted), strict=True)
        sql = f"""select {_COLUMNS} from {_FROM} where {" and ".join(conditions)}
            and (%s::text is null or j.dataset_name = %s) and (%s::text is null or j.agent_id = %s)
            order by j.created_at desc limit 1"""
        row = await self._db.one(sql, [*values, dataset, dataset, agent, agent])
        return _job(row) if row else None

    async def page(self, wanted: JobFilter, *, limit: int, offset: int) -> tuple[list[Job], int]:
        """The latest first; and how many there are in all."""
        conditions, values = zip(*_conditions(wanted), strict=True)
        where = " and ".join(conditions)
        counted = await self._db.one(f"select count(*) from {_FROM} where {where}", list(values))
        sql = f"""select {_COLUMNS} from {_FROM} where {where}
            order by j.pinned desc, j.created_at desc, j.id desc limit %s offset %s"""
        found = await self._db.all(sql, [*values, limit, offset])
        return [_job(row) for row in found], int(counted[0]) if counted else 0

    async def change(self, job: Job, change: Change) -> Job:
        """Write what people changed."""
        tags = None if change.tags is None else list(change.tags)
        values: Mapping[str, object] = {
            "id": job.id,
            "pinned": change.pinned,
            "tags": tags,
            "note": change.note,
            "expires_at": change.expires_at,
        }
        await self._db.one(_CHANGE, values)
        return await self.get(job.id, job.tenant_id)

    async def name_company(self, job_id: UUID, name: str) -> None:
        """Keep what the company is called, once it is known."""
        name = clean_text(name)[:500]
        await self._db.one(_NAME, (name, job_id, name))

    async def untold(self) -> list[Job]:
        """Jobs that go on, and those whose end has not been told."""
        return [_job(row) for row in await self._db.all(_UNTOLD)]

    async def told(self, job_id: UUID, until: datetime) -> None:
        """Keep that this end of a job's session has been told."""
        await self._db.one(_TOLD, (until, job_id))

    async def expired(self, now: datetime, limit: int = 20) -> list[Job]:
        """Jobs whose data is to be deleted."""
        return [_job(row) for row in await self._db.all(_EXPIRED, (now, limit))]

    async def cleaned(self, job_id: UUID, at: datetime) -> None:
        """Keep that a job's data is gone."""
        await self._db.one(_CLEANED, (at, job_id))


def missing(job_id: UUID) -> NotFoundError:
    """The same, whether there is no such job or it is somebody else's."""
    return NotFoundError(f"There is no job {job_id}.", hint="The history lists yours.")


def _conditions(wanted: JobFilter) -> Iterator[tuple[str, object]]:
    yield "j.tenant_id = %s", wanted.tenant_id
    if wanted.owner is not None:
        yield "j.owner = %s", wanted.owner
    if wanted.status is not None:
        yield f"{_STATUS} = %s", wanted.status.value
    if wanted.search:
        pattern = wanted.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        text = "concat_ws(' ', j.company_name, j.brief ->> 'customer_url', j.note, array_to_string(j.tags, ' '))"
        yield f"{text} ilike %s", f"%{pattern}%"


def _job(row: Row) -> Job:
    (
        identity, tenant_id, owner, session_id, brief, project_id, company_name, today, rows, seed, dataset_name,
        agent_id, trace_id, cloned_from, pinned, tags, note, created_at, expires_at, cleaned_at, updated_at,
        finished_at, status,
    ) = row  # fmt: skip
    return Job(
        id=identity,
        tenant_id=tenant_id,
        owner=owner,
        session_id=session_id,
        brief=Brief.model_validate(brief),
        project_id=project_id,
        company_name=company_name,
        today=today,
        rows=rows,
        seed=seed,
        dataset_name=dataset_name,
        agent_id=agent_id,
        trace_id=trace_id,
        cloned_from=cloned_from,
        pinned=pinned,
        tags=tuple(tags),
        note=note,
        created_at=created_at,
        expires_at=expires_at,
        cleaned_at=cleaned_at,
        updated_at=updated_at,
        finished_at=finished_at,
        status=JobStatus(status),
    )
