"""The tables of tickets and webhooks."""

# ruff: noqa: S608 - columns and conditions are text of this module, values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from afield.errors import ConflictError, NotFoundError
from afield.ledger.cursor import decode_cursor, encode_cursor
from afield.ledger.database import Database, Row
from afield.ledger.encode import encode_cleaned
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets.model import SourceKind, Ticket, TicketIn, TicketStatus, Webhook
from afield.security.secrets import Keyring

_TICKET = (
    "id, tenant_id, source, external_id, title, description, status, severity, ci_name, fields, received_at, updated_at"
)
_TAKE = f"""
    insert into afield.ticket as t ({_TICKET})
    select i.id, %(tenant)s, %(source)s, i.external_id, i.title, i.description, i.status, i.severity, i.ci_name,
           i.fields, %(at)s, %(at)s
    from jsonb_to_recordset(%(items)s::jsonb -> 'items') as i (
        id uuid, external_id text, title text, description text, status text, severity text, ci_name text, fields jsonb)
    on conflict (tenant_id, source, external_id) do update
    set title = excluded.title, description = excluded.description, status = excluded.status,
        severity = excluded.severity, ci_name = coalesce(excluded.ci_name, t.ci_name), fields = excluded.fields,
        updated_at = excluded.updated_at
    returning {_TICKET}
    """
_PAGE = f"""
    select {_TICKET} from afield.ticket
    where tenant_id = %(tenant)s and (%(status)s::text is null or status = %(status)s)
      and (%(before)s::timestamptz is null or (received_at, id) < (%(before)s, %(before_id)s::uuid))
    order by received_at desc, id desc limit %(limit)s
    """
_WEBHOOK = "id, tenant_id, name, kind, mapping, write_back_url, created_at"


class TicketStore:
    """Tickets. What comes in again under the same id is the same ticket, changed."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def take(self, tenant_id: UUID, source: str, tickets: Sequence[TicketIn], at: datetime) -> list[Ticket]:
        """Keep what came in; all of it or nothing. Of two with one id the later counts."""
        items: list[JsonValue] = [
            {
                "id": str(uuid7()),
                "external_id": one.external_id,
                "title": one.title,
                "description": one.description,
                "status": one.status.value,
                "severity": one.severity,
                "ci_name": one.ci_name,
                "fields": one.fields,
            }
            for one in {one.external_id: one for one in tickets}.values()
        ]
        values = {"tenant": tenant_id, "source": source, "at": at, "items": encode_cleaned({"items": items})}
        return [_ticket(row) for row in await self._db.all(_TAKE, values)] if items else []

    async def find(self, tenant_id: UUID, text: str) -> Ticket:
        """By id, or by the id at its sender if only one sender uses it. Raises NotFoundError, ConflictError."""
        sql = (
            f"select {_TICKET} from afield.ticket where tenant_id = %s and (id::text = %s or external_id = %s) limit 2"
        )
        found = [_ticket(row) for row in await self._db.all(sql, (tenant_id, text.lower(), text))]
        if not found:
            raise NotFoundError(f"There is no ticket {text!r}.", hint="`afield tickets list` shows those there are.")
        if len(found) > 1:
            raise ConflictError(f"Several tickets are called {text!r}.", hint="Give the ticket's own id.")
        return found[0]

    async def page(
        self, tenant_id: UUID, *, status: TicketStatus | None, limit: int, cursor: str | None
    ) -> tuple[list[Ticket], str | None]:
        """One page, newest first, and the cursor of the next. Raises InvalidInputError for a bad cursor."""
        before, before_id = decode_cursor(cursor) if cursor else (None, None)
        values = {
            "tenant": tenant_id,
            "status": status,
            "before": before,
            "before_id": before_id,
            "limit": limit + 1,
        }
        found = [_ticket(row) for row in await self._db.all(_PAGE, values)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return items, encode_cursor(last.received_at, last.id) if last else None

    async def set_status(self, ticket_id: UUID, status: TicketStatus, at: datetime) -> None:
        """Note what became of it here."""
        sql = "update afield.ticket set status = %s, updated_at = %s where id = %s returning id"
        await self._db.one(sql, (status, at, ticket_id))


class WebhookStore:
    """Where tickets come in. Secrets go in and come out only to verify and to sign."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._db = database
        self._keyring = keyring

    async def add(
        self,
        tenant_id: UUID,
        name: str,
        kind: SourceKind,
        secrets: Mapping[str, str],
        *,
        mapping: JsonObject,
        write_back_url: str | None,
    ) -> Webhook:
        """Record one. Raises ConflictError when the tenant has one of this name."""
        identity = uuid7()
        sealed = self._keyring.seal(orjson.dumps(dict(secrets)), identity.bytes)
        row = await self._db.one(
            f"""with added as (
                insert into afield.webhook (id, tenant_id, name, kind, mapping, write_back_url, sealed)
                values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning {_WEBHOOK}
            ) select {_WEBHOOK} from added union all select {_WEBHOOK} from afield.webhook where id = %s""",
            (identity, tenant_id, name, kind, Jsonb(mapping), write_back_url, sealed, identity),
        )
        if row is None:
            raise ConflictError(f"There is a webhook {name!r} already.", hint="Choose another name, or remove it.")
        return _webhook(row)

    async def find(self, tenant_id: UUID, name: str) -> Webhook:
        """Raises NotFoundError."""
        sql = f"select {_WEBHOOK} from afield.webhook where tenant_id = %s and name = %s"
        row = await self._db.one(sql, (tenant_id, name))
        if row is None:
            raise NotFoundError(f"There is no webhook {name!r}.")
        return _webhook(row)

    async def list(self, tenant_id: UUID) -> list[Webhook]:
        """All of them, by name."""
        sql = f"select {_WEBHOOK} from afield.webhook where tenant_id = %s order by name"
        return [_webhook(row) for row in await self._db.all(sql, (tenant_id,))]

    async def remove(self, tenant_id: UUID, name: str) -> None:
        """Its tickets stay. Raises NotFoundError."""
        sql = "delete from afield.webhook where tenant_id = %s and name = %s returning id"
        if await self._db.one(sql, (tenant_id, name)) is None:
            raise NotFoundError(f"There is no webhook {name!r}.")

    async def secrets(self, webhook: Webhook) -> dict[str, str]:
        """In clear; never to be logged. Raises SealError."""
        row = await self._db.one("select sealed from afield.webhook where id = %s", (webhook.id,))
        if row is None:
            raise NotFoundError(f"There is no webhook {webhook.name!r}.")
        found: dict[str, str] = orjson.loads(self._keyring.open(bytes(row[0]), webhook.id.bytes))
        return found


def _ticket(row: Row) -> Ticket:
    identity, tenant, source, external, title, description, status, severity, ci_name, fields, received, updated = row
    return Ticket(
        id=identity,
        tenant_id=tenant,
        source=source,
        external_id=external,
        title=title,
        description=description,
        status=TicketStatus(status),
        severity=severity,
        ci_name=ci_name,
        fields=fields,
        received_at=received,
        updated_at=updated,
    )


def _webhook(row: Row) -> Webhook:
    identity, tenant_id, name, kind, mapping, url, created_at = row
    return Webhook(
        id=identity,
        tenant_id=tenant_id,
        name=name,
        kind=SourceKind(kind),
        mapping=mapping,
        write_back_url=url,
        created_at=created_at,
    )
