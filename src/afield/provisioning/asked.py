"""Whom a question is for."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which demo somebody asks: by its job, its dataset, its data agent, or by a conversation that began before."""

    job_id: UUID | None = None
    dataset: str | None = None
    agent: str | None = None
    conversation_id: UUID | None = None
