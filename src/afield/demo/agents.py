"""What agents wrote themselves, and what follows from it. The counting is pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from afield.model.jsontypes import JsonObject, JsonValue
from afield.provisioning.agents.names import AgentName
from afield.provisioning.progress import Line, LineKind, read_lines
from afield.provisioning.store import JobStatus

Said = Mapping[str, Sequence[Line]]
"""By job, what its agents wrote, in the order of time."""


def lines_in(spool: Path) -> list[Line]:
    """What a job's agents wrote, attempt by attempt, in the order of time. Blocks."""
    found = [line for file in spool.glob("*.jsonl") for _, line in read_lines(file.read_bytes())]
    return sorted(found, key=lambda line: line.at)


def repeated(said: Said, killed_at: datetime) -> int:
    """How many agents had made their artefact before the kill, and began once more after it."""
    return sum(
        any(_begins(line) and line.at > killed_at for line in mine)
        for _, mine in _each(said)
        if _made(mine, killed_at)
    )  # fmt: skip


def at_work(said: Said, agent: AgentName, at: datetime) -> int:
    """In how many jobs an agent was making something at that time: it had told of its progress, and not of an end."""
    return sum(
        name == agent
        and any(line.kind is LineKind.PROGRESS and line.at <= at for line in mine)
        and not any(line.kind in {LineKind.RESULT, LineKind.ERROR} and line.at <= at for line in mine)
        for name, mine in _each(said)
    )


def _each(said: Said) -> Iterable[tuple[str, list[Line]]]:
    """The lines of each agent of each job."""
    for lines in said.values():
        for name in AgentName:
            yield name, [line for line in lines if line.agent == name]


def _begins(line: Line) -> bool:
    return line.kind is LineKind.STAGE and line.data.get("status") == JobStatus.RUNNING


def _made(mine: Sequence[Line], before: datetime) -> bool:
    return any(line.kind is LineKind.RESULT and line.at <= before for line in mine)


# ------------------------------------------------------------------ what the web process tells


def agents_of(job: JsonObject) -> list[JsonObject]:
    """The agents of a job's status, in their order."""
    return _dicts(job.get("agents"))


def verdicts_of(metadata: JsonObject) -> list[JsonObject]:
    """The golden questions of a job's report, each with its badge."""
    report = metadata.get("report")
    return _dicts(report.get("verdicts")) if isinstance(report, dict) else []


def refused_certificate(job: JsonObject) -> bool:
    """Whether a job failed at its first agent because of the site's certificate, and says so."""
    failed = [agent for agent in agents_of(job) if agent.get("status") == JobStatus.FAILED]
    told = [(agent.get("name"), "certificate" in str(agent.get("error_message"))) for agent in failed]
    return job.get("status") == JobStatus.FAILED and told == [(AgentName.RESEARCH, True)]


def _dicts(value: JsonValue) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
