"""A target: a place in someone else's system where work can run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from afield.model.jsontypes import JsonObject

DEFAULT_TENANT = UUID("00000000-0000-7000-8000-000000000001")
"""The one tenant of an installation that never asked for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where work runs, how to reach it, who drives it and what the last look said."""

    id: UUID
    tenant_id: UUID
    connector: str
    name: str
    address: JsonObject
    settings: JsonObject = field(default_factory=dict)  # overrides of the connector's limits
    credential_id: UUID | None = None
    epoch: int = 0
    driver: str | None = None  # who drives it now
    driver_since: datetime | None = None
    look: LookRecord | None = None
    throttled_until: datetime | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRecord:
    """What is remembered of the last look at a target, however it ended."""

    taken_at: datetime
    complete: bool
    since: datetime | None = None
    entries: int = 0
    calls: int = 0
    error: str | None = None
    failures: int = 0  # in a row; 0 after a complete look
    completed_at: datetime | None = None  # when a look last was complete
