"""Tickets, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from afield.model.jsontypes import JsonObject


class TicketStatus(StrEnum):
    """What the sender, or a session, last said of a ticket."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"


class SourceKind(StrEnum):
    """Whose format a webhook speaks."""

    GENERIC = "generic"
    ALERTMANAGER = "alertmanager"
    PAGERDUTY = "pagerduty"
    DATADOG = "datadog"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketIn:
    """A ticket as it comes in."""

    external_id: str  # its id at the sender; the same id is the same ticket
    title: str
    description: str = ""
    status: TicketStatus = TicketStatus.OPEN
    severity: str = ""
    ci_name: str | None = None  # the machine or service it names, if a field says so
    fields: JsonObject = field(default_factory=dict)  # everything else that was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket(TicketIn):
    """A ticket as it is kept."""

    id: UUID
    tenant_id: UUID
    source: str  # name of the webhook, or `csv`, or `manual`
    received_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where tickets come in, without its secret."""

    id: UUID
    tenant_id: UUID
    name: str
    kind: SourceKind
    mapping: JsonObject = field(default_factory=dict)
    write_back_url: str | None = None
    created_at: datetime
