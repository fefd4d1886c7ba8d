"""What the routes of provisioning take and give."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from afield.api.bodies import Given, GivenTime, Json, Shown, Time
from afield.provisioning.agents.names import AgentName
from afield.provisioning.assets import Asset
from afield.provisioning.brief import Brief, Complexity, DemoMode, Phrase
from afield.provisioning.job_log import Entry
from afield.provisioning.job_status import AgentView, JobView
from afield.provisioning.progress import LineKind, Severity
from afield.provisioning.store import Change, Job, JobStatus

SHORTEST_CONTEXT = 50
MOST_TAGS = 20


def _listed(given: object) -> object:
    """A text is read as a list, separated by commas or lines."""
    if isinstance(given, str):
        return [part.strip() for part in given.replace("\n", ",").split(",") if part.strip()]
    return given


Phrases = Annotated[tuple[Phrase, ...], BeforeValidator(_listed), Field(max_length=20)]
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2048),
    Field(examples=["https://example.com"]),
]
ProjectId = Annotated[
    str, Field(pattern=r"^([a-z][a-z0-9-]{4,28}[a-z0-9])?$", description="A Google Cloud project; empty: none.")
]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
JobNote = Annotated[str, Field(max_length=2000)]


class StartBody(Given):
    """A website to make a demo for."""

    customer_url: Url
    project_id: ProjectId = ""

    def brief(self) -> Brief:
        """The order."""
        return Brief(customer_url=self.customer_url)


class CrazyFrogBody(StartBody):
    """The advanced mode: what the demo is to be about, in one's own words."""

    use_case_context: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=SHORTEST_CONTEXT, max_length=10_000)
    ]
    industry_hint: Annotated[str, Field(max_length=200)] = ""
    target_persona: Annotated[str, Field(max_length=200)] = ""
    demo_complexity: Complexity = Complexity.MEDIUM
    special_focus: Phrases = ()
    integrations: Phrases = ()
    avoid_topics: Phrases = ()

    def brief(self) -> Brief:
        """The order."""
        return Brief(mode=DemoMode.CRAZY_FROG, **self.model_dump(exclude={"project_id"}))


class JobChangeBody(Given):
    """What is to be different; what is left out stays."""

    pinned: Annotated[bool | None, Field(description="Pinned jobs are listed first, and do not expire.")] = None
    tags: Annotated[tuple[Tag, ...] | None, Field(max_length=MOST_TAGS)] = None
    note: JobNote | None = None
    expires_at: Annotated[GivenTime | None, Field(description="When its dataset, agent and files are deleted.")] = None

    def change(self) -> Change:
        """What the product is asked for."""
        return Change(pinned=self.pinned, tags=self.tags, note=self.note, expires_at=self.expires_at)


# ------------------------------------------------------------------------------------------- shown


class StartedBody(Shown):
    """A job that was recorded; a worker takes it from there."""

    job_id: UUID
    status: JobStatus
    message: str
    customer_url: str

    @classmethod
    def of(cls, job: Job, message: str) -> StartedBody:
        return cls(job_id=job.id, status=job.status, message=message, customer_url=job.brief.customer_url)


class JobAgentBody(Shown):
    """One of the seven agents. Times are its last attempt's."""

    name: AgentName
    status: JobStatus
    progress_percentage: float
    start_time: Time | None
    end_time: Time | None
    elapsed_seconds: float | None
    error_message: str | None
    attempt: int

    @classmethod
    def of(cls, agent: AgentView) -> JobAgentBody:
        return cls(
            name=agent.name,
            status=agent.status,
            progress_percentage=agent.percent,
            start_time=agent.started_at,
            end_time=agent.ended_at,
            elapsed_seconds=agent.elapsed_s,
            error_message=agent.error,
            attempt=agent.attempt,
        )


class LogBody(Shown):
    """Something that was said."""

    number: int
    timestamp: Time
    severity: Severity
    kind: LineKind
    agent: str
    message: str

    @classmethod
    def of(cls, entry: Entry) -> LogBody:
        return cls(
            number=entry.number,
            timestamp=entry.at,
            severity=entry.severity,
            kind=entry.kind,
            agent=entry.agent,
            message=entry.message,
        )


class StatusBody(Shown):
    """How far a job is. The status is its session's, and `completed` means that the validation passed."""

    job_id: UUID
    status: JobStatus
    current_phase: str
    overall_progress: float
    mode: DemoMode
    agents: list[JobAgentBody]
    recent_logs: list[LogBody]
    errors: list[str]
    customer_url: str
    dataset_full_name: str | None
    capi_agent_id: str | None
    created_at: Time
    updated_at: Time
    company_name: str | None
    session_id: int

    @classmethod
    def of(cls, view: JobView, recent: list[Entry]) -> StatusBody:
        job = view.job
        return cls(
            job_id=job.id,
            status=job.status,
            current_phase=view.current_phase,
            overall_progress=view.percent,
            mode=job.brief.mode,
            agents=[JobAgentBody.of(agent) for agent in view.agents],
            recent_logs=[LogBody.of(entry) for entry in recent],
            errors=list(view.errors),
            customer_url=job.brief.customer_url,
            dataset_full_name=_once(view, AgentName.INFRASTRUCTURE, view.dataset),
            capi_agent_id=_once(view, AgentName.INSTRUCTIONS, job.agent_id),
            created_at=job.created_at,
            updated_at=max(job.updated_at, *(entry.at for entry in recent)) if recent else job.updated_at,
            company_name=job.company_name or None,
            session_id=job.session_id,
        )


def _once(view: JobView, agent: AgentName, name: str) -> str | None:
    """The name of something that is there: its agent has made it, and it has not been deleted."""
    made = any(one.name is agent and one.status is JobStatus.COMPLETED for one in view.agents)
    return name if made and view.job.cleaned_at is None else None


class JobBody(Shown):
    """A job in a list."""

    job_id: UUID
    status: JobStatus
    customer_url: str
    company_name: str | None
    mode: DemoMode
    owner: str
    pinned: bool
    tags: list[str]
    note: str
    cloned_from: UUID | None
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    expires_at: Time
    deleted_at: Time | None

    @classmethod
    def of(cls, job: Job) -> JobBody:
        return cls(
            job_id=job.id,
            status=job.status,
            customer_url=job.brief.customer_url,
            company_name=job.company_name or None,
            mode=job.brief.mode,
            owner=job.owner,
            pinned=job.pinned,
            tags=list(job.tags),
            note=job.note,
            cloned_from=job.cloned_from,
            created_at=job.created_at,
            updated_at=job.updated_at,
            finished_at=job.finished_at,
            expires_at=job.expires_at,
            deleted_at=job.cleaned_at,
        )


class HistoryBody(Shown):
    """One page of jobs, pinned ones first, then the latest."""

    jobs: list[JobBody]
    total: int
    limit: int
    offset: int


class AssetBody(Shown):
    """A file of a job."""

    agent: AgentName
    path: str
    size: int


class AssetsBody(Shown):
    """What a job has made so far."""

    job_id: UUID
    dataset_name: str
    capi_agent_id: str
    assets: list[AssetBody]

    @classmethod
    def of(cls, job: Job, assets: list[Asset]) -> AssetsBody:
        shown = [AssetBody.model_validate(one) for one in assets]
        return cls(job_id=job.id, dataset_name=job.dataset_name, capi_agent_id=job.agent_id, assets=shown)


class MetadataBody(Shown):
    """What the agents handed on: null where an agent has not finished."""

    job_id: UUID
    brief: Json
    today: date
    rows: int
    seed: int
    company: Json | None
    story: Json | None
    data_model: Json | None
    data: Json | None
    dataset: Json | None
    data_agent: Json | None
    report: Json | None
    usage: Json
