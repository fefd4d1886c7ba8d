"""Telling senders what became of their tickets: written down first, then sent until it is heard."""

# ruff: noqa: S608 - columns and conditions are text of this module, values are parameters

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import orjson
import structlog

from afield.errors import InvalidInputError
from afield.ledger.database import Database
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.session import SESSION_FINAL, SessionState
from afield.runbooks.tickets.model import TicketStatus
from afield.runbooks.tickets.signatures import SIGNATURE_HEADER, sign
from afield.runbooks.tickets.store import TicketStore, WebhookStore

log = structlog.get_logger(__name__)

TICKET_LABEL = "ticket"
"""Label of a session: the id of the ticket it is for."""

MOST_TRIES = 12
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_BATCH = 20
_DONE = {SessionState.COMPLETED, SessionState.COMPLETED_WITH_ERRORS}

_ENDED = f"""
    select s.id, s.state, s.title, s.reason_text, s.labels ->> '{TICKET_LABEL}', s.tenant_id from afield.session s
    where s.labels ? '{TICKET_LABEL}' and s.state = any (%s)
      and not exists (select from afield.write_back w where w.session_id = s.id and w.state = s.state)
    order by s.id limit {_BATCH}
    """
_NOTE = """
    insert into afield.write_back (id, tenant_id, ticket_id, session_id, state, body, next_at)
    select %s, %s, t.id, %s, %s, %s::jsonb, %s from afield.ticket t where t.id::text = %s
    on conflict do nothing returning id
    """
_DUE = f"""
    update afield.write_back w set next_at = %(later)s, tries = tries + 1
    from afield.ticket t
    where t.id = w.ticket_id and w.id in (
        select id from afield.write_back where next_at <= %(now)s order by next_at limit {_BATCH}
        for update skip locked)
    returning w.id, w.tenant_id, t.source, w.body, w.tries
    """


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to be told."""

    id: UUID
    tenant_id: UUID
    source: str
    body: JsonObject
    tries: int


def message_body(ticket_id: str, session_id: int, state: str, title: str, reason: str) -> JsonObject:
    """What the sender is told when a session for its ticket has ended."""
    return {
        "ticket": ticket_id,
        "session_id": session_id,
        "session_state": state,
        "status": ticket_status(SessionState(state)).value,
        "summary": f"{title}: {state.replace('_', ' ')}. {reason}".strip(),
    }


def ticket_status(state: SessionState) -> TicketStatus:
    """What the end of its session makes of a ticket. One that failed stays somebody's work."""
    return TicketStatus.RESOLVED if state in _DONE else TicketStatus.IN_PROGRESS


def check_url(url: str) -> str:
    """The address to tell. Raises InvalidInputError unless it is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise InvalidInputError("An address holds no password.", hint="Signatures say who is telling.")
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return url
    raise InvalidInputError(f"{url!r} is no https address.", hint="Only https, or http to this machine, is used.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class WriteBack:
    """The outbox. Any worker may deliver; a message is told at least once, with one id."""

    def __init__(self, database: Database, tickets: TicketStore, webhooks: WebhookStore) -> None:
        self._db = database
        self._tickets = tickets
        self._webhooks = webhooks

    async def note_ended(self, now: datetime) -> int:
        """Write down what has to be told of sessions that have ended since; how many that were."""
        ended = await self._db.all(_ENDED, ([state.value for state in SESSION_FINAL],))
        for session_id, state, title, reason, ticket_id, tenant_id in ended:
            body = orjson.dumps(message_body(ticket_id, session_id, state, title, reason or "")).decode()
            await self._db.one(_NOTE, (uuid7(), tenant_id, session_id, state, body, now, ticket_id))
        return len(ended)

    async def deliver_due(self, now: datetime) -> int:
        """Tell what is due; what is not heard is told again later, an hour apart at most. How many were told."""
        due = [Message(*row) for row in await self._db.all(_DUE, {"now": now, "later": now + timedelta(minutes=1)})]
        if not due:
            return 0
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            return sum([await self._tell(http, message, now) for message in due])

    async def _tell(self, http: aiohttp.ClientSession, message: Message, now: datetime) -> bool:
        status = TicketStatus(str(message.body["status"]))
        await self._tickets.set_status(UUID(str(message.body["ticket"])), status, now)
        error = await self._send(http, message, now)
        next_at = now + min(timedelta(hours=1), timedelta(seconds=5 * 2**message.tries))
        over = error is None or message.tries >= MOST_TRIES
        sql = "update afield.write_back set next_at = %s, told_at = %s, error = %s where id = %s returning id"
        await self._db.one(sql, (None if over else next_at, now if error is None else None, error, message.id))
        if error is not None:
            log.warning("write_back.not_heard", message=str(message.id), error=error, tries=message.tries)
        return error is None

    async def _send(self, http: aiohttp.ClientSession, message: Message, now: datetime) -> str | None:
        """Send it to where its ticket came from, if that has an address; what went wrong, or None."""
        found = [one for one in await self._webhooks.list(message.tenant_id) if one.name == message.source]
        if not found or not found[0].write_back_url:
            return None
        secrets = await self._webhooks.secrets(found[0])
        body = orjson.dumps({"id": str(message.id), **message.body})
        headers = {"content-type": "application/json", SIGNATURE_HEADER: sign(secrets["secret"], body, now)}
        try:
            url = check_url(found[0].write_back_url)
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return None if answer.status < 300 else f"It answered {answer.status}."
        except (aiohttp.ClientError, TimeoutError, InvalidInputError) as error:
            return f"{type(error).__name__}: {error}"
