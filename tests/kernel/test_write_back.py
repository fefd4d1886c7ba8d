"""Senders hear what became of their tickets: once it is heard, and as often as it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from kernel_world import settings_for

from afield.engine import control
from afield.engine.advance import Advancer
from afield.kernel import Kernel, open_kernel
from afield.ledger.sessions import Sessions
from afield.model.session import NewSession, NewStep, StepKind
from afield.model.target import DEFAULT_TENANT
from afield.runbooks.tickets.model import SourceKind, TicketIn, TicketStatus
from afield.runbooks.tickets.outbox import Outbox
from afield.runbooks.tickets.service import Tickets
from afield.runbooks.tickets.signatures import verify
from afield.sessions import SessionDesk

SECRET = "a secret of sixteen letters"


@dataclass
class Desk:
    """A ticket desk that answers as it is told, and keeps what it heard."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((headers, await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200, headers={"location": self.url})


@asynccontextmanager
async def a_desk() -> AsyncIterator[Desk]:
    desk = Desk()
    app = web.Application()
    app.router.add_post("/hook", desk.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    desk.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield desk
    finally:
        await runner.cleanup()


@pytest.fixture
async def kernel(tmp_path: Path, database_url: str) -> AsyncIterator[Kernel]:
    async with open_kernel(settings_for(tmp_path / "home", database_url)) as opened:
        yield opened


async def _ended_session(kernel: Kernel, tickets: Tickets, source: str) -> str:
    """A ticket from there, and a session for it that a person declared done. The ticket's id."""
    new = TicketIn(external_id="T1", title="Disk full")
    (ticket,) = await tickets.store.take(DEFAULT_TENANT, source, [new], kernel.clock.now())
    desk = SessionDesk(kernel, DEFAULT_TENANT)
    step = NewStep(name="look", kind=StepKind.MANUAL)
    labels = {"ticket": str(ticket.id)}
    session, _ = await desk.create(
        NewSession(
            tenant_id=DEFAULT_TENANT, kind="runbook", title="Disk", started_by="ada", steps=(step,), labels=labels
        )
    )
    await Advancer(Sessions(kernel.ledger.database), kernel.ledger, kernel.nudger.nudge, kernel.clock).advance(
        session.id
    )
    now = kernel.clock.now()
    await desk.control(session.id, lambda s, steps: control.complete(s, steps, by="ada", now=now))
    return str(ticket.id)


async def test_the_sender_is_told_once_and_signed(kernel: Kernel) -> None:
    tickets = Tickets(kernel, DEFAULT_TENANT)
    outbox = Outbox(tickets.write_back, kernel.clock)
    async with a_desk() as desk:
        await tickets.add_webhook("desk", SourceKind.GENERIC, SECRET, mapping={}, write_back_url=desk.url)
        ticket_id = await _ended_session(kernel, tickets, "desk")
        assert await outbox.round() == 1
        assert await outbox.round() == 0
        ((headers, body),) = desk.heard
    verify(SourceKind.GENERIC, SECRET, headers, body, kernel.clock.now())
    told = orjson.loads(body)
    assert (told["ticket"], told["session_state"], told["status"]) == (ticket_id, "completed", "resolved")
    assert (await tickets.find(ticket_id)).status is TicketStatus.RESOLVED


@pytest.mark.parametrize("answer", [500, 302])
async def test_what_is_not_heard_is_told_again_later(kernel: Kernel, answer: int) -> None:
    tickets = Tickets(kernel, DEFAULT_TENANT)
    async with a_desk() as desk:
        desk.answers = [answer]
        await tickets.add_webhook("desk", SourceKind.GENERIC, SECRET, mapping={}, write_back_url=desk.url)
        await _ended_session(kernel, tickets, "desk")
        now = kernel.clock.now()
        await tickets.write_back.note_ended(now)
        assert await tickets.write_back.deliver_due(now) == 0
        assert await tickets.write_back.deliver_due(now) == 0, "not at once"
        assert len(desk.heard) == 1, "and a redirect is not followed"
        assert await tickets.write_back.deliver_due(now + timedelta(minutes=2)) == 1
        first, second = (orjson.loads(body)["id"] for _, body in desk.heard)
        assert first == second, "a repetition can be recognised"


async def test_a_ticket_from_nowhere_needs_nobody_told(kernel: Kernel) -> None:
    tickets = Tickets(kernel, DEFAULT_TENANT)
    await _ended_session(kernel, tickets, "manual")
    assert await Outbox(tickets.write_back, kernel.clock).round() == 1
    rows = await kernel.ledger.database.all("select told_at, next_at from afield.write_back")
    assert rows[0][0] is not None
    assert rows[0][1] is None
