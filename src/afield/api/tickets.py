"""Tickets and alerts: taking them in, and which machine one is about."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from afield.api.access import asks
from afield.api.bodies import Given, Json, Shown
from afield.api.middleware import SIGNED_PATHS
from afield.api.runtime import RuntimeDep
from afield.inventory import Inventory
from afield.runbooks.tickets.model import SourceKind, TicketIn, TicketStatus
from afield.runbooks.tickets.service import Tickets
from afield.security.people import Action

router = APIRouter(tags=["tickets"])
hooks = APIRouter(tags=["tickets"])


def _tickets(runtime: RuntimeDep) -> Tickets:
    return Tickets(runtime.kernel, runtime.tenant_id)


TicketsDep = Annotated[Tickets, Depends(_tickets)]


class NewTicketBody(Given):
    """A ticket recorded by hand."""

    external_id: Annotated[str, Field(min_length=1, max_length=256, examples=["INC0042"])]
    title: Annotated[str, Field(min_length=1, max_length=1000, examples=["Disk full on web-01"])]
    description: str = ""
    severity: Annotated[str, Field(max_length=64)] = ""
    ci_name: Annotated[str | None, Field(max_length=256, examples=["web-01"])] = None
    fields: Json = Field(default_factory=dict)


class TicketBody(Shown):
    """A ticket as it is kept."""

    id: UUID
    source: str
    external_id: str
    title: str
    description: str
    status: TicketStatus
    severity: str
    ci_name: str | None
    fields: Json
    received_at: datetime
    updated_at: datetime


class TicketsBody(Shown):
    """A page of tickets, newest first."""

    items: list[TicketBody]
    next_cursor: str | None = None


class BadRowBody(Shown):
    """A row that was not taken."""

    line: int
    problem: str


class ImportedBody(Shown):
    """What an import took, and what it did not."""

    items: list[TicketBody]
    bad: list[BadRowBody]


class ResolveStepBody(Shown):
    """One rule that was tried."""

    rule: str
    looked_at: str
    names: tuple[str, ...]
    result: str


class ResolutionBody(Shown):
    """Which machine a ticket is about, every step to it, or the question that is left."""

    ticket: TicketBody
    remote_id: str | None
    question: str
    steps: list[ResolveStepBody]
    candidates: tuple[str, ...]


class NewWebhookBody(Given):
    """Where tickets come in."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["pagerduty"])]
    kind: SourceKind
    secret: Annotated[str, Field(min_length=16, max_length=512, description="Shared with the sender; never shown.")]
    mapping: Json = Field(default_factory=dict, examples=[{"external_id": "result.number", "title": "result.summary"}])
    write_back_url: Annotated[str | None, Field(examples=["https://desk.example/afield"])] = None


class WebhookBody(Shown):
    """A webhook, without its secret."""

    name: str
    kind: SourceKind
    mapping: Json
    write_back_url: str | None
    created_at: datetime


class WebhooksBody(Shown):
    """All webhooks, by name."""

    items: list[WebhookBody]


class DeliveredBody(Shown):
    """What a delivery left."""

    tickets: list[UUID]


@router.get("/tickets")
async def list_tickets(
    tickets: TicketsDep,
    status: TicketStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> TicketsBody:
    """Tickets, newest first."""
    found, next_cursor = await tickets.page(status=status, limit=limit, cursor=cursor)
    return TicketsBody(items=[TicketBody.model_validate(one) for one in found], next_cursor=next_cursor)


@router.post("/tickets", status_code=201)
async def create_ticket(body: NewTicketBody, tickets: TicketsDep) -> TicketBody:
    """Record a ticket by hand. The same id again changes it."""
    return TicketBody.model_validate(await tickets.add(TicketIn(**body.model_dump())))


@router.post("/tickets/import")
async def import_tickets(request: Request, tickets: TicketsDep, partial: bool = False) -> ImportedBody:
    """Tickets from a CSV file with a header line, the body of the request. All rows, or none, unless `partial`."""
    text = (await request.body()).decode("utf-8", errors="replace")
    taken, bad = await tickets.import_csv(text, partial=partial)
    items = [TicketBody.model_validate(one) for one in taken]
    return ImportedBody(items=items, bad=[BadRowBody.model_validate(one) for one in bad])


@router.get("/tickets/{ticket}")
async def show_ticket(ticket: str, tickets: TicketsDep) -> TicketBody:
    """By id, or by its id at the sender."""
    return TicketBody.model_validate(await tickets.find(ticket))


@router.get("/tickets/{ticket}/machine")
async def resolve_ticket(ticket: str, tickets: TicketsDep, runtime: RuntimeDep) -> ResolutionBody:
    """Which machine a ticket is about, and every step to it; a question when it is none or several."""
    seen = await Inventory(runtime.kernel).machines(tenant_id=runtime.tenant_id)
    found, resolution = await tickets.resolve(ticket, [one.machine for one in seen])
    return ResolutionBody(
        ticket=TicketBody.model_validate(found),
        remote_id=resolution.remote_id,
        question=resolution.question,
        steps=[ResolveStepBody.model_validate(step) for step in resolution.steps],
        candidates=resolution.ids,
    )


@router.get("/webhooks")
async def list_webhooks(tickets: TicketsDep, runtime: RuntimeDep) -> WebhooksBody:
    """Where tickets come in."""
    found = await tickets.webhooks.list(runtime.tenant_id)
    return WebhooksBody(items=[WebhookBody.model_validate(one) for one in found])


@router.post("/webhooks", status_code=201)
@asks(Action.ADMINISTER)
async def create_webhook(body: NewWebhookBody, tickets: TicketsDep) -> WebhookBody:
    """Let a sender in: it posts to `/hooks/NAME`, with a signature."""
    made = await tickets.add_webhook(
        body.name, body.kind, body.secret, mapping=body.mapping, write_back_url=body.write_back_url
    )
    return WebhookBody.model_validate(made)


@router.delete("/webhooks/{name}", status_code=204)
@asks(Action.ADMINISTER)
async def delete_webhook(name: str, tickets: TicketsDep, runtime: RuntimeDep) -> None:
    """Let the sender in no more; its tickets stay."""
    await tickets.webhooks.remove(runtime.tenant_id, name)


@hooks.post(SIGNED_PATHS + "{name}", status_code=202)
async def take_delivery(name: str, request: Request, tickets: TicketsDep) -> DeliveredBody:
    """A delivery of tickets. What is not signed as agreed is refused, and nothing is recorded."""
    headers = {key.lower(): value for key, value in request.headers.items()}
    taken = await tickets.deliver(name, headers, await request.body())
    return DeliveredBody(tickets=[ticket.id for ticket in taken])
