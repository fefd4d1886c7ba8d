"""The event feed in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from uuid import UUID

from afield.errors import NotFoundError
from afield.ledger import rows
from afield.ledger.base import EventFilter
from afield.ledger.encode import clean_text, encode_json
from afield.ledger.reread import news
from afield.ledger.store import Part
from afield.model.execution import Event, EventKind, Reason
from afield.model.jsontypes import JsonObject

_BATCH = 500

_NOTE = """
    select afield.write_event_v1(
        %s, %s, t.tenant_id, t.id, %s, null, null, %s, %s, %s, %s::jsonb, %s::bigint)
    from afield.target t where t.id = %s
    """


class Events(Part):
    """The part of `ledger.base.Ledger` about history."""

    async def events(self, wanted: EventFilter, *, after: int = 0, limit: int = 500) -> list[Event]:
        conditions, values = zip(("e.seq > %s", after), *_conditions(wanted), strict=True)
        sql = f"""select {rows.EVENT} from afield.event e where {" and ".join(conditions)}
            order by e.seq limit %s"""
        return rows.each(rows.event, await self._db.all(sql, [*values, limit]))

    async def follow(self, wanted: EventFilter, *, after: int) -> AsyncIterator[Event]:
        wake = asyncio.Event()
        with self._store.listener.following(wake):
            while True:
                wake.clear()
                newest = await self.last_seq()
                while newest > after and (batch := await self.events(wanted, after=after, limit=_BATCH)):
                    for event in batch:
                        yield event
                    after = batch[-1].seq
                after = max(after, newest)
                await news(wake)

    async def last_seq(self) -> int:
        row = await self._db.one("select last_seq from afield.feed")
        return int(row[0]) if row else 0

    async def note_event(
        self,
        kind: EventKind,
        *,
        target_id: UUID,
        at: datetime,
        actor: str,
        execution_id: UUID | None = None,
        reason: Reason | None = None,
        data: JsonObject | None = None,
    ) -> int:
        code, text = (reason.code, clean_text(reason.text)) if reason else (None, None)
        body = encode_json(data or {}, "event")
        token = random.getrandbits(63)
        row = await self._db.one(_NOTE, (at, kind, execution_id, actor, code, text, body, token, target_id))
        if row is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return int(row[0])


def _conditions(wanted: EventFilter) -> Iterator[tuple[str, object]]:
    yield "e.tenant_id = %s", wanted.tenant_id
    if wanted.target_id is not None:
        yield "e.target_id = %s", wanted.target_id
    if wanted.execution_id is not None:
        yield "e.execution_id = %s", wanted.execution_id
    if wanted.session_id is not None:
        yield "e.session_id = %s", wanted.session_id
    if wanted.kinds:
        yield "e.kind = any (%s)", sorted(wanted.kinds)
