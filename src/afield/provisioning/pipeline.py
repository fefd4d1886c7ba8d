"""From an order to a session: seven agents as the steps of one lane, each a process of its own. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from uuid import UUID

from pydantic import Field

from afield.model.jsontypes import JsonObject
from afield.model.session import NewSession, NewStep, Step, Work
from afield.provisioning.agents.names import AgentName
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.warehouse.base import Dialect

KIND = "provisioning"
"""Of a job's session, and the name of the target its agents run on."""

ORDER = "AFIELD_PROVISION_JOB"
"""The environment variable that holds an agent process's order. Nothing secret is in it."""

HOME = "AFIELD_HOME"

ATTEMPT = "AFIELD_ATTEMPT"
"""Set by the runner: the attempt's key. (`connectors.runner.spec.MARK`, without its libraries.)"""

DEADLINES_S: Mapping[AgentName, float] = {
    AgentName.RESEARCH: 120,
    AgentName.STORY: 120,
    AgentName.MODEL: 120,
    AgentName.DATA: 900,
    AgentName.INFRASTRUCTURE: 900,
    AgentName.INSTRUCTIONS: 120,
    AgentName.VALIDATOR: 900,
}
"""Seconds an agent may take; then its process is ended, and the agent has timed out."""

RETRIES = 1
"""Further attempts by itself. A failure that would be the same again is told at once by the second one."""

_SCRIPT = 'exec "$PYTHON" -m afield.provisioning.agent_process "$1"'
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
_THREADS_EACH = "2"


class JobOrder(Frozen):
    """All that an agent process is told. The same order, the same demo."""

    job_id: UUID
    brief: Brief
    dataset_name: str
    agent_id: str
    project_id: str = ""
    warehouse: Dialect = "duckdb"
    today: date
    rows: int = Field(gt=0)
    seed: int = Field(ge=0)
    round: int = Field(default=0, ge=0, description="Grows when a person has an agent tried again.")


def session_for(order: JobOrder, *, tenant_id: UUID, owner: str, target_id: UUID, home: Path) -> NewSession:
    """The session that carries the order out."""
    return NewSession(
        tenant_id=tenant_id,
        kind=KIND,
        title=f"Demo for {order.brief.customer_url}"[:200],
        started_by=owner,
        steps=tuple(_step(agent, order, target_id, home) for agent in AgentName),
        labels={"provisioning.job": str(order.job_id)},
        idempotency_key=f"provisioning:{order.job_id}",
    )


def _step(agent: AgentName, order: JobOrder, target_id: UUID, home: Path) -> NewStep:
    return NewStep(name=agent.value, target_id=target_id, work=work_for(agent, order, home), retries=RETRIES)


def work_for(agent: AgentName, order: JobOrder, home: Path) -> Work:
    """What one step runs."""
    deadline = DEADLINES_S[agent]
    env = {"PYTHON": sys.executable, HOME: str(home), ORDER: order.model_dump_json()}
    spec: JsonObject = {
        "script": _SCRIPT,
        "arguments": [agent.slug],
        "env": {**env, **dict.fromkeys(_THREADS, _THREADS_EACH)},
        "timeout_s": deadline,
    }
    return Work(spec=spec, text=agent.value, timeout_s=None)


def order_of(step: Step) -> JobOrder:
    """What a step's agent is told."""
    env = step.work.spec["env"]
    assert isinstance(env, dict), "checked when it was recorded"
    return JobOrder.model_validate_json(str(env[ORDER]))


def next_round(step: Step, home: Path) -> Work:
    """The work of a step that a person has tried again: the same order, without what an earlier attempt said."""
    order = order_of(step)
    again = order.model_copy(update={"round": order.round + 1})
    return work_for(AgentName(step.name), again, home)


def names_for(job_id: UUID, host: str) -> tuple[str, str]:
    """The names of a job's dataset and data agent. They hold the job's id, so no two jobs share one."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in host.lower().removeprefix("www.")).split()
    short = "_".join(words)[:20].strip("_")
    dataset = f"demo_{short}_{job_id.hex}" if short else f"demo_{job_id.hex}"
    return dataset, dataset.replace("_", "-")


def overall(percents: Iterable[float]) -> float:
    """How far a job is, by how far its agents are, in the pipeline's order; 0 to 100."""
    shares = zip(_WEIGHTS, percents, strict=True)
    return round(sum(weight * percent for weight, percent in shares) / sum(_WEIGHTS), 1)


_WEIGHTS = (15, 5, 5, 35, 15, 10, 15)
