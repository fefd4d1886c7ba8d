"""`/healthz`: the process is up. `/readyz`: it can do its work, or what keeps it from doing so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Response
from pydantic import Field

from afield.api.bodies import Shown
from afield.api.runtime import Runtime, RuntimeDep
from afield.api.vitals import Vitals, vitals

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])

_MOST_LAG = 1.0  # seconds of event-loop lag with which callers can still be served
_PATIENCE = 3.0  # seconds the database may take to answer


class HealthBody(Shown):
    """The process is up."""

    status: Annotated[str, Field(examples=["ok"])] = "ok"


class PartBody(Shown):
    """One part that is needed."""

    name: Annotated[str, Field(examples=["database", "schema", "worker", "event_loop"])]
    ready: bool
    detail: str


class ReadyBody(Shown):
    """Whether everything needed is there; `not_ready` names what is not."""

    ready: bool
    not_ready: list[str]
    event_loop_lag_ms: float
    parts: list[PartBody]


@router.get("/healthz")
async def healthz() -> HealthBody:
    """Whether the process is up. Asks nothing of anybody."""
    return HealthBody()


@router.get("/readyz", responses={503: {"model": ReadyBody, "description": "Something is not ready."}})
async def readyz(runtime: RuntimeDep, response: Response) -> ReadyBody:
    """Whether work can be done: database, schema, a living worker, an event loop that is not blocked."""
    lag = runtime.lag.worst
    parts = [*await _database_parts(runtime), lag_part(lag)]
    missing = [part.name for part in parts if not part.ready]
    response.status_code = 503 if missing else 200
    return ReadyBody(ready=not missing, not_ready=missing, event_loop_lag_ms=round(lag * 1000, 1), parts=parts)


async def _database_parts(runtime: Runtime) -> list[PartBody]:
    kernel = runtime.kernel
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await vitals(kernel.ledger.database)
    except Exception as error:  # noqa: BLE001 - whatever it is, the database is not ready
        log.warning("readyz.database_away", error=type(error).__name__)
        return [PartBody(name="database", ready=False, detail="It does not answer.")]
    return database_parts(found, timedelta(seconds=kernel.settings.takeover_after))


def database_parts(found: Vitals, silence: timedelta) -> list[PartBody]:
    """What the database says of itself and of the workers. A worker silent for `silence` counts as dead."""
    newest = found.newest_beat
    alive = newest is not None and newest <= silence
    beat = "No worker is registered." if newest is None else f"Last sign of life {newest.total_seconds():.0f} s ago."
    schema = f"Version {found.schema}." if found.schema_current else f"Version {found.schema} is not this program's."
    return [
        PartBody(name="database", ready=True, detail="It answers."),
        PartBody(name="schema", ready=found.schema_current, detail=schema),
        PartBody(name="worker", ready=alive, detail=beat if alive else f"{beat} Start one with `afield worker`."),
    ]


def lag_part(lag: float) -> PartBody:
    """The event loop, by its worst recent delay in seconds."""
    return PartBody(name="event_loop", ready=lag <= _MOST_LAG, detail=f"At worst {lag * 1000:.0f} ms late recently.")
