"""Provisioning jobs for reading, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from afield.provisioning.assets import Asset
from afield.provisioning.job_log import Entry
from afield.provisioning.job_status import JobView
from afield.provisioning.store import Job, JobStatus

_COLOURS = {
    JobStatus.PENDING: "dim",
    JobStatus.RUNNING: "cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.CANCELLED: "yellow",
}
_LAST = 8


def job_json(job: Job) -> dict[str, object]:
    """A job as JSON."""
    return {
        "job_id": job.id,
        "status": job.status,
        "customer_url": job.brief.customer_url,
        "company_name": job.company_name or None,
        "mode": job.brief.mode,
        "owner": job.owner,
        "pinned": job.pinned,
        "tags": list(job.tags),
        "note": job.note,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "dataset_name": job.dataset_name,
        "capi_agent_id": job.agent_id,
    }


def status_json(view: JobView, recent: Sequence[Entry]) -> dict[str, object]:
    """A job with its agents as JSON."""
    agents = [
        {
            "name": agent.name,
            "status": agent.status,
            "progress_percentage": agent.percent,
            "start_time": agent.started_at,
            "end_time": agent.ended_at,
            "elapsed_seconds": agent.elapsed_s,
            "error_message": agent.error,
            "attempt": agent.attempt,
        }
        for agent in view.agents
    ]
    more = {"current_phase": view.current_phase, "overall_progress": view.percent, "agents": agents}
    return {**job_json(view.job), **more, "errors": list(view.errors), "recent_logs": [entry_json(e) for e in recent]}


def entry_json(entry: Entry) -> dict[str, object]:
    """Something that was said, as JSON."""
    return {
        "number": entry.number,
        "at": entry.at,
        "severity": entry.severity,
        "agent": entry.agent,
        "kind": entry.kind,
        "message": entry.message,
        "data": entry.data,
    }


def status_card(view: JobView, recent: Sequence[Entry]) -> RenderableType:
    """A job, its agents, and what was said last."""
    job = view.job
    head = Text.assemble(
        (job.company_name or job.brief.customer_url, "bold"), "  ", (job.status.value, _COLOURS[job.status]),
        f"  {view.percent:.0f} %  {job.id}",
    )  # fmt: skip
    return Group(head, _agents(view), *_said(recent), *_errors(view))


def _agents(view: JobView) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("agent", "status", "", "%", "seconds"):
        table.add_column(heading, no_wrap=True)
    for agent in view.agents:
        elapsed = "-" if agent.elapsed_s is None else f"{agent.elapsed_s:.1f}"
        bar = ProgressBar(total=100, completed=agent.percent, width=20)
        shown = Text(agent.status.value, style=_COLOURS[agent.status])
        table.add_row(agent.name.value, shown, bar, f"{agent.percent:.0f}", elapsed)
    return table


def _said(recent: Sequence[Entry]) -> list[Text]:
    lines = [entry for entry in recent if entry.message][-_LAST:]
    return [Text(f"{entry.at:%H:%M:%S} {entry.agent or 'job'}: {entry.message}", style="dim") for entry in lines]


def _errors(view: JobView) -> list[Text]:
    return [Text(error, style="bold red") for error in view.errors]


def history_table(jobs: Sequence[Job]) -> Table:
    """Jobs, a line each."""
    table = Table("job", "status", "company", "website", "by", "started (UTC)", "tags", box=None, pad_edge=False)
    for job in jobs:
        table.add_row(
            f"{'* ' if job.pinned else ''}{job.id}",
            Text(job.status.value, style=_COLOURS[job.status]),
            job.company_name or "-",
            job.brief.customer_url,
            job.owner,
            f"{job.created_at:%Y-%m-%d %H:%M}",
            ", ".join(job.tags) or "-",
        )
    return table


def assets_table(job: Job, assets: Sequence[Asset]) -> RenderableType:
    """A job's files."""
    table = Table("agent", "file", "bytes", box=None, pad_edge=False)
    for asset in assets:
        table.add_row(asset.agent.value, asset.path, f"{asset.size:,}")
    return Group(Text(f"Dataset {job.dataset_name}, data agent {job.agent_id}"), table)
