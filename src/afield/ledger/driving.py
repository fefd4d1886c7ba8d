"""What a driver works with, in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID

from afield.connectors.base import Intent
from afield.errors import NotFoundError
from afield.ledger import rows
from afield.ledger.base import Seen
from afield.ledger.encode import clean_text, encode_look, encode_move
from afield.ledger.store import Part
from afield.model.execution import Applied, Attempt, Move, Tracked
from afield.model.target import LookRecord, Target

_HELD = "(state = 'submitting' and coalesce(inline_until > now(), false))"

_OUTSTANDING = f"""
    select * from (
        select {rows.TRACKED} from afield.execution
        where target_id = %(target)s and open and not waiting and not {_HELD}
        union all
        (
            select {rows.TRACKED} from (
                (select * from afield.execution
                 where target_id = %(target)s and open and waiting and cancel_requested_at is not null
                 order by created_at, id limit %(queued)s)
                union all
                (select * from afield.execution
                 where target_id = %(target)s and open and waiting and cancel_requested_at is null
                 order by created_at, id limit %(queued)s)
            ) waiting order by cancel_requested_at is null, created_at, id limit %(queued)s
        )
    ) found order by created_at, id
    """

_INTENTS = """
    select x.id, n.number, 'afield-' || replace(x.id::text, '-', '') || '-' || n.number, x.spec,
           coalesce(a.intent_at, x.state_at), a.settled_at
    from afield.execution x
    cross join lateral (select x.attempt + x.waiting::integer as number) n
    left join afield.attempt a on a.execution_id = x.id and a.number = n.number
    where x.id = any (%s)
    """


class Driving(Part):
    """The part of `ledger.base.Ledger` that a driver works with."""

    async def take(self, target_id: UUID, driver: str, at: datetime) -> Target:
        sql = f"select {rows.TARGET} from afield.take_v1(%s, %s, %s)"
        row = await self._db.one(sql, (target_id, driver, at))
        if row is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return rows.target(row)

    async def release(self, target_id: UUID, epoch: int) -> None:
        sql = "driver = null, driver_since = null"
        await self._update_if_driver(target_id, epoch, sql)

    async def throttled(self, target_id: UUID, epoch: int, until: datetime) -> bool:
        return await self._update_if_driver(target_id, epoch, "throttled_until = %s", until)

    async def _update_if_driver(self, target_id: UUID, epoch: int, change: str, *values: object) -> bool:
        sql = f"""
            with changed as (update afield.target set {change} where id = %s and epoch = %s returning id)
            select exists (select from changed) from afield.target where id = %s"""
        row = await self._db.one(sql, (*values, target_id, epoch, target_id))
        if row is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return bool(row[0])

    async def looked(self, target_id: UUID, epoch: int, look: LookRecord, seen: Sequence[Seen]) -> bool:
        columns = (
            [s.execution_id for s in seen],
            [clean_text(s.remote_status) for s in seen],
            [s.seen_at for s in seen],
            [s.next_at for s in seen],
        )
        sql = "select afield.looked_v1(%s, %s, %s::jsonb, %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
        row = await self._db.one(sql, (target_id, epoch, encode_look(look), *columns))
        if row is None or row[0] is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return bool(row[0])

    async def outstanding(self, target_id: UUID, queued: int) -> list[Tracked]:
        return rows.each(rows.tracked, await self._db.all(_OUTSTANDING, {"target": target_id, "queued": queued}))

    async def undriven(self) -> list[UUID]:
        sql = f"""select t.id from afield.target t
            where exists (select from afield.execution x where x.target_id = t.id and x.open and not {_HELD})
            order by t.id"""
        return [row[0] for row in await self._db.all(sql)]

    async def late_attempts(self, target_id: UUID, since: datetime) -> list[Attempt]:
        sql = f"""select {rows.ATTEMPT} from afield.attempt
            where target_id = %s and absent and intent_at > %s order by intent_at, execution_id, number"""
        return rows.each(rows.attempt, await self._db.all(sql, (target_id, since)))

    async def intents(self, execution_ids: Iterable[UUID]) -> dict[UUID, Intent]:
        found = await self._db.all(_INTENTS, (list(execution_ids),))
        return {row[0]: rows.intent(row) for row in found}

    async def owners(self, target_id: UUID, handles: Iterable[str]) -> dict[str, UUID]:
        wanted = [handle for handle in handles if "\0" not in handle]
        sql = "select handle, execution_id from afield.handle where target_id = %s and handle = any (%s)"
        return {row[0]: row[1] for row in await self._db.all(sql, (target_id, wanted))}

    async def complete(self, target_id: UUID, execution_ids: Iterable[UUID]) -> frozenset[UUID]:
        sql = "select id from afield.execution where target_id = %s and id = any (%s) and not open and state <> 'lost'"
        return frozenset(row[0] for row in await self._db.all(sql, (target_id, list(execution_ids))))

    async def apply(self, move: Move) -> Applied:
        return (await self._store.moves.write([encode_move(move)]))[0]

    async def apply_all(self, moves: Sequence[Move]) -> list[Applied]:
        return await self._store.moves.write([encode_move(move) for move in moves])

    def waking(self, target_id: UUID, wake: asyncio.Event) -> AbstractContextManager[None]:
        return self._store.listener.waking(target_id, wake)
