"""What all processes know of comparisons: the last one of each target, who is to make the next, and what people were
told of."""

# ruff: noqa: S608 - columns are text of this package, values are parameters

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from afield.ledger import rows
from afield.ledger.database import Database
from afield.ledger.encode import encode_cleaned
from afield.model.finding import OpenFinding
from afield.model.jsontypes import JsonObject
from afield.model.target import Target

_KEEP = """
    insert into afield.scan as kept (target_id, tenant_id, taken_at, complete, result)
    values (%s, %s, %s, %s, %s::jsonb)
    on conflict (target_id) do update
    set taken_at = excluded.taken_at, complete = excluded.complete, result = excluded.result
    where kept.taken_at is null or kept.taken_at <= excluded.taken_at
    returning target_id
    """

_DUE = """
    select t.id, least(
        (select min(x.created_at) from afield.execution x where x.target_id = t.id and x.open),
        (select min(x.created_at) from afield.execution x
         where x.target_id = t.id and x.created_at >= %(back)s and x.state = 'lost'))
    from afield.target t left join afield.scan s on s.target_id = t.id
    where (s.patrolled_at is null or s.patrolled_at <= %(before)s)
      and (t.throttled_until is null or t.throttled_until <= %(now)s)
      and (exists (select from afield.execution x where x.target_id = t.id and x.open)
           or exists (select from afield.execution x where x.target_id = t.id and x.created_at >= %(back)s))
    order by s.patrolled_at nulls first, t.id
    """

# The comparison of two claims is made by the database; nothing is locked once it is answered.
_CLAIM = """
    insert into afield.scan as kept (target_id, tenant_id, patrolled_at)
    select t.id, t.tenant_id, %(at)s from afield.target t where t.id = %(target)s
    on conflict (target_id) do update set patrolled_at = excluded.patrolled_at
    where kept.patrolled_at is null or kept.patrolled_at <= %(before)s
    returning target_id
    """

# `alerted_at = at` finds again what a lost answer was about.
_ALERT = f"""
    update afield.finding f set alerted_at = %(at)s
    where f.target_id = %(target)s and f.resolved_at is null and not f.ignored and f.fingerprint <> all (%(settled)s)
      and (f.alerted_at is null or f.alerted_at < f.first_seen_at or f.alerted_at = %(at)s)
    returning {rows.FINDING}
    """


@dataclass(frozen=True, slots=True)
class Due:
    """A target that nobody has patrolled lately, and since when it has something unsettled, if it has."""

    target_id: UUID
    unsettled_since: datetime | None


class Scans:
    """Comparisons as JSON; `afield.reconcile.scan_json` says what they look like."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def keep(self, target: Target, taken_at: datetime, complete: bool, result: JsonObject) -> None:
        """Remember a comparison unless a newer one is known. One that is not complete says so, in `result` too."""
        values = (target.id, target.tenant_id, taken_at, complete, encode_cleaned(result))
        await self._db.one(_KEEP, values)

    async def last(self, target_id: UUID) -> JsonObject | None:
        """The newest comparison of a target by anybody, in any process."""
        row = await self._db.one("select result from afield.scan where target_id = %s", (target_id,))
        return row[0] if row else None

    async def due(self, now: datetime, *, before: datetime, back: datetime) -> list[Due]:
        """Targets with executions that are outstanding or were created after `back`, which nobody has patrolled since
        `before`, and whose remote does not ask for patience."""
        found = await self._db.all(_DUE, {"now": now, "before": before, "back": back})
        return [Due(target_id, since) for target_id, since in found]

    async def claim(self, target_id: UUID, *, before: datetime, at: datetime) -> bool:
        """Be the one who patrols a target now; False when somebody has claimed it since `before`.

        A claim whose answer is lost counts as somebody else's: one round is left out.
        """
        return await self._db.one(_CLAIM, {"target": target_id, "before": before, "at": at}) is not None

    async def alert(self, target_id: UUID, settled: list[str], at: datetime) -> list[OpenFinding]:
        """Open findings that nobody was told of since they were opened; they count as told from now on. Those
        `settled` just now, by fingerprint, are left out."""
        found = await self._db.all(_ALERT, {"target": target_id, "settled": settled, "at": at})
        return rows.each(rows.open_finding, found)
