"""How a pool is doing, as Resource Manager shows it: real numbers, with what the faults make of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from .faults import PoolFaults
from .model import Ingress, JsonObject, Scale, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What there really is at a pool: instances that wait or start, sessions, containers that crashed."""

    awake: bool
    ready: int
    starting: int
    sessions: int
    crashed: int


def template_status(scale: Scale, there: Population, faults: PoolFaults) -> Mapping[str, int]:
    """The counts of `activeTemplate.status`.

    Instances that were never needed are shown as ready, though no process was started for them.
    """
    full = faults.full_404 is not None or faults.full_429 is not None
    allocated = scale.max_concurrent_sessions if full else there.sessions
    expected = max(0, min(scale.ready_session_instances, scale.max_concurrent_sessions - allocated))
    ready, pending = (there.ready, there.starting) if there.awake else (expected, 0)
    pulling, crashed = 0, there.crashed
    if faults.adapter_dead:
        ready, pending = expected, 0
    if faults.not_ready:
        ready, pending = 0, faults.not_ready.count or expected
    if faults.image_pull_failed:
        ready, pending, pulling = 0, 0, faults.image_pull_failed.count or expected
    if faults.crashing:
        ready, pending, crashed = 0, 0, faults.crashing.count or max(expected, 1)
    return {
        "expectedCount": scale.ready_session_instances,
        "readyCount": min(ready, expected),
        "pendingCount": pending,
        "imagePullFailCount": pulling,
        "crashCount": crashed,
        "allocatedCount": allocated,
    }


def shown_ingress(template: Template, faults: PoolFaults, *, active: bool) -> JsonObject | None:
    """The ingress, wanted or active, with what the faults make of it."""
    null, wrong = faults.target_port_null, faults.wrong_port
    if null and (null.active if active else null.wanted):
        return None
    if wrong and (wrong.active if active else wrong.wanted):
        return Ingress(target_port=wrong.port).show()
    return template.ingress.show() if template.ingress else None
