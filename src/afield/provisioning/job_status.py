"""How far a job is: told from its session's steps, and what its agents said. Pure; nothing of it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afield.engine.steps import renewable
from afield.model.session import STEP_FAILED, Session, Step, StepState
from afield.provisioning.agents.names import AgentName
from afield.provisioning.job_log import Entry, Said
from afield.provisioning.pipeline import order_of, overall
from afield.provisioning.progress import Line, LineKind, Severity
from afield.provisioning.store import ENDED, Job, JobStatus

_T = StepState
_STATES: Mapping[StepState, JobStatus] = {
    _T.PENDING: JobStatus.PENDING,
    _T.WAITING_APPROVAL: JobStatus.PENDING,
    _T.RUNNING: JobStatus.RUNNING,
    _T.SUCCEEDED: JobStatus.COMPLETED,
    _T.FAILED: JobStatus.FAILED,
    _T.TIMED_OUT: JobStatus.FAILED,
    _T.REJECTED: JobStatus.FAILED,
    _T.UNKNOWN: JobStatus.FAILED,
    _T.ROLLED_BACK: JobStatus.FAILED,
    _T.CANCELLED: JobStatus.CANCELLED,
    _T.SKIPPED: JobStatus.PENDING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent, as people see it. Times are its last attempt's; `percent` 0 to 100."""

    name: AgentName
    status: JobStatus
    percent: float
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float | None
    error: str | None
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job with all its agents."""

    job: Job
    agents: tuple[AgentView, ...]
    current_phase: str
    percent: float
    dataset: str  # its full name: with the project, where it is in one

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong, with the name of the agent, when it began and ended, and what it said."""
        return tuple(_error(agent) for agent in self.agents if agent.status is JobStatus.FAILED)


def view(job: Job, steps: Sequence[Step], told: Sequence[Entry], now: datetime) -> JobView:
    """The job as it is. `told`: the last lines of each agent."""
    over = job.status in ENDED
    agents = tuple(_agent(step, status_of(step, over=over), told, now) for step in steps)
    percent = 100.0 if job.status is JobStatus.COMPLETED else overall(agent.percent for agent in agents)
    return JobView(job=job, agents=agents, current_phase=_phase(job, agents), percent=percent, dataset=_dataset(steps))


def status_of(step: Step, *, over: bool) -> JobStatus:
    """An agent runs once its process was started; before, its turn has not come. `over`: whether the job is."""
    waits = step.state is _T.RUNNING and step.remote_id is None
    return JobStatus.PENDING if waits or begins_again(step, over=over) else _STATES[step.state]


def begins_again(step: Step, *, over: bool) -> bool:
    """Whether what became of its last attempt is not its end: another follows by itself."""
    return not over and (step.state is _T.UNKNOWN or renewable(step))


def last_word(session: Session, steps: Sequence[Step], status: JobStatus) -> Said:
    """What is said at the end of a job. Of one end it is always the same, whoever says it."""
    assert session.finished_at is not None, "it is over"
    failed = [step.name for step in steps if status_of(step, over=True) is JobStatus.FAILED]
    where = f": {', '.join(failed)}" if failed else ""
    line = Line(
        at=session.finished_at,
        kind=LineKind.DONE,
        severity=Severity.ERROR if status is JobStatus.FAILED else Severity.NOTICE,
        message=f"The job {status}{where}" if status is not JobStatus.CANCELLED else "The job was cancelled",
        data={"status": status.value, "failed": list(failed)},
    )
    return Said(origin=f"done:{session.finished_at.isoformat()}", line=line)


def _dataset(steps: Sequence[Step]) -> str:
    order = order_of(steps[0])
    return f"{order.project_id}.{order.dataset_name}" if order.warehouse == "bigquery" else order.dataset_name


def _went_wrong(step: Step, status: JobStatus) -> bool:
    return step.state in STEP_FAILED | {_T.UNKNOWN} and status is not JobStatus.PENDING


def _agent(step: Step, status: JobStatus, told: Sequence[Entry], now: datetime) -> AgentView:
    name = AgentName(step.name)
    mine = [entry for entry in told if entry.agent == name]
    began = max(
        (e for e in mine if e.kind is LineKind.STAGE and _says(e, JobStatus.RUNNING)), key=_number, default=None
    )
    fresh = [entry for entry in mine if began is None or entry.number >= began.number]
    started = None if status is JobStatus.PENDING else (began.at if began else step.started_at)
    ended = step.finished_at if status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED} else None
    until = (ended or now) if started else None
    return AgentView(
        name=name,
        status=status,
        percent=_percent(status, fresh),
        started_at=started,
        ended_at=ended if started else None,
        elapsed_s=max(0.0, round((until - started).total_seconds(), 3)) if started and until else None,
        error=_why(step, mine)
        if step.state in STEP_FAILED | {_T.UNKNOWN} and status is not JobStatus.PENDING
        else None,
        attempt=step.attempt,
    )


def _number(entry: Entry) -> int:
    return entry.number


def _says(entry: Entry, status: JobStatus) -> bool:
    return entry.data.get("status") == status.value


def _percent(status: JobStatus, fresh: Sequence[Entry]) -> float:
    if status is JobStatus.COMPLETED:
        return 100.0
    if status is JobStatus.PENDING:
        return 0.0
    last = max((entry for entry in fresh if entry.kind is LineKind.PROGRESS), key=_number, default=None)
    percent = last.data.get("percent") if last else 0
    return float(percent) if isinstance(percent, int | float) else 0.0


def _why(step: Step, mine: Sequence[Entry]) -> str:
    """What the agent itself said, unless it was ended from outside."""
    said = max((entry for entry in mine if entry.kind is LineKind.ERROR), key=_number, default=None)
    if step.state is _T.FAILED and said is not None:
        return said.message
    return step.reason.text if step.reason else f"It ended as {step.state}."


def _phase(job: Job, agents: Sequence[AgentView]) -> str:
    """The agent whose turn it is; of a job that has ended, where it stopped."""
    if job.status is JobStatus.COMPLETED:
        return "Completed"
    return next(
        (agent.name.value for agent in agents if agent.status is not JobStatus.COMPLETED), agents[-1].name.value
    )


def _error(agent: AgentView) -> str:
    times = ""
    if agent.started_at and agent.ended_at:
        times = f" ({agent.started_at:%H:%M:%S} to {agent.ended_at:%H:%M:%S} UTC)"
    return f"{agent.name}{times}: {agent.error}"
