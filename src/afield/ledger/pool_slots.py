"""The places of session pools, shared by all processes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from afield.ledger.database import Database

_FREE = "(p.holder is null or p.held_until <= now() or (p.holder = %(holder)s and p.slot <> all (%(mine)s::integer[])))"
_UNWANTED = "(p.wanted_by is null or p.wanted_by = %(holder)s or p.wanted_until <= now())"
_ENSURE = """
insert into afield.pool_slot (target_id, slot)
select %(target)s, n from generate_series(0, %(places)s - 1) n
on conflict do nothing
returning slot
"""
_CLAIM = f"""
with own as (
    select p.slot from afield.pool_slot p
    where p.target_id = %(target)s and p.slot < %(places)s and p.sole and %(sole)s and p.session = %(session)s
), found as (
    select p.slot, p.holder is not null as abandoned from afield.pool_slot p
    where p.target_id = %(target)s and p.slot < %(places)s and {_FREE} and {_UNWANTED}
      and (p.slot in (select own.slot from own) or not exists (select from own))
    order by
        p.identifier is not null and p.session = %(session)s and p.sole = %(sole)s desc,
        p.wanted_by is not distinct from %(holder)s desc,
        p.identifier is null desc,
        p.sole,
        case when p.session = %(session)s and p.sole = %(sole)s then now() - p.used_at else p.used_at - now() end
    limit 1 for update skip locked
), taken as (
    update afield.pool_slot p
    set holder = %(holder)s, held_until = now() + make_interval(secs => %(hold_s)s), wanted_by = null,
        wanted_until = null
    from found where p.target_id = %(target)s and p.slot = found.slot
    returning p.slot, p.session, p.sole, p.identifier, p.generation, found.abandoned
)
select exists (select from own), t.slot, t.session, t.sole, t.identifier, t.generation, t.abandoned
from (values (1)) one left join taken t on true
"""  # noqa: S608 - conditions are text of this module
_RENEW = """
update afield.pool_slot p
set held_until = now() + make_interval(secs => %(hold_s)s),
    used_at = case when p.slot = any (%(used)s::integer[]) then now() else p.used_at end
where p.target_id = %(target)s and p.holder = %(holder)s and p.slot = any (%(mine)s::integer[])
returning p.slot, coalesce(p.wanted_by <> %(holder)s and p.wanted_until > now(), false)
"""
_WANT = """
with held as (
    select p.slot, p.sole, p.session, p.wanted_by, p.wanted_until, p.holder,
        count(*) over (partition by p.holder) as places
    from afield.pool_slot p
    where p.target_id = %(target)s and p.slot < %(places)s and p.held_until > now()
), mine as (select count(*) as places from held where held.holder = %(holder)s
), chosen as (
    select held.slot from held, mine
    where held.holder <> %(holder)s
      and (held.wanted_by is null or held.wanted_by = %(holder)s or held.wanted_until <= now())
      and ((%(sole)s and held.sole and held.session = %(session)s)
           or (not (%(sole)s and exists (select from held h where h.sole and h.session = %(session)s))
               and (held.places > mine.places + 1 or mine.places = 0)))
    order by held.wanted_by is not distinct from %(holder)s desc, held.places desc, held.sole, held.slot
    limit 1
)
update afield.pool_slot p set wanted_by = %(holder)s, wanted_until = now() + make_interval(secs => %(want_s)s)
from chosen where p.target_id = %(target)s and p.slot = chosen.slot
returning p.slot
"""
_CHANGE = """
update afield.pool_slot p
set session = %(session)s, sole = %(sole)s, identifier = %(identifier)s, generation = %(generation)s, used_at = now()
where p.target_id = %(target)s and p.slot = %(slot)s and p.holder = %(holder)s
returning p.slot
"""
_FREE_THESE = """
update afield.pool_slot p set holder = null, held_until = null
where p.target_id = %(target)s and p.holder = %(holder)s and p.slot = any (%(mine)s::integer[])
returning p.slot
"""
_COUNT = """
select count(*) filter (where held_until > now()), count(*) filter (where identifier is not null),
    count(*) filter (where sole), count(distinct holder) filter (where held_until > now())
from afield.pool_slot where target_id = %(target)s and slot < %(places)s
"""
_KEEP_SEALED = """
with added as (
    insert into afield.pool_secret (target_id, sealed) values (%s, %s) on conflict do nothing returning sealed
)
select sealed from added union all select sealed from afield.pool_secret where target_id = %s limit 1
"""


@dataclass(frozen=True, slots=True)
class Home:
    """Whose session a run needs. Without a name: one that all users share; `sole`: there is one of this name only."""

    session: str = ""
    sole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSlot:
    """A place, and the session that is there."""

    slot: int
    home: Home = Home()
    identifier: str | None = None  # None: there is no session
    generation: int = 0
    abandoned: bool = False  # its holder did not give it back: nobody knows what goes on in the session


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of asking for a place. `elsewhere`: there is such a session, and another process uses it."""

    place: PoolSlot | None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many places of a pool are held, by how many processes; how many sessions there are, how many of one user."""

    held: int
    sessions: int
    kept: int
    processes: int


class PoolSlots:
    """The places of one pool, as one process (`holder`) sees them. Times are the database's."""

    def __init__(self, database: Database, target_id: UUID, holder: UUID, places: int) -> None:
        self._db = database
        self._target_id = target_id
        self._holder = holder
        self._places = places

    async def ensure(self) -> None:
        """Make sure that there are as many rows as places."""
        await self._db.all(_ENSURE, self._values())

    async def claim(self, home: Home, mine: Collection[int], hold_s: float) -> Claim:
        """A free place, best one where such a session is. `mine`: the places this process knows to be its own."""
        values = self._values(session=home.session, sole=home.sole, mine=list(mine), hold_s=hold_s)
        row = await self._db.one(_CLAIM, values)
        assert row is not None, "the statement always answers"
        exists, *found = row
        place = _place(found) if found[0] is not None else None
        return Claim(place, elsewhere=bool(exists and place is None))

    async def renew(self, mine: Collection[int], used: Collection[int], hold_s: float) -> dict[int, bool]:
        """Hold these for longer. Tells which are still ours, and whether another process waits for it."""
        values = self._values(mine=list(mine), used=list(used), hold_s=hold_s)
        return dict(await self._db.all(_RENEW, values))

    async def want(self, home: Home, want_s: float) -> int | None:
        """Ask for a place that another process holds: that of the session, or one of who holds the most."""
        values = self._values(session=home.session, sole=home.sole, want_s=want_s)
        row = await self._db.one(_WANT, values)
        return int(row[0]) if row else None

    async def change(self, place: PoolSlot) -> bool | None:
        """Write down which session is there now. False: another process has begun one of that name; None: the place
        is not ours any more."""
        values = self._values(
            slot=place.slot,
            session=place.home.session,
            sole=place.home.sole,
            identifier=place.identifier,
            generation=place.generation,
        )
        try:
            return True if await self._db.one(_CHANGE, values) else None
        except UniqueViolation:
            return False

    async def free(self, mine: Collection[int]) -> None:
        """Give places back; the sessions there are known to be at rest."""
        await self._db.all(_FREE_THESE, self._values(mine=list(mine)))

    async def use(self) -> PoolUse:
        """How the pool is used, by all processes."""
        row = await self._db.one(_COUNT, self._values())
        return PoolUse(*map(int, row)) if row else PoolUse(0, 0, 0, 0)

    async def secret(self, offered: bytes) -> bytes:
        """The pool's sealed secret; the one offered, if there was none."""
        while True:
            row = await self._db.one(_KEEP_SEALED, (self._target_id, offered, self._target_id))
            if row is not None:  # else: another process adds one at this moment
                return bytes(row[0])

    def _values(self, **more: object) -> dict[str, object]:
        return {"target": self._target_id, "holder": self._holder, "places": self._places, **more}


def _place(row: Sequence[Any]) -> PoolSlot:
    slot, session, sole, identifier, generation, abandoned = row
    return PoolSlot(
        slot=slot, home=Home(session, sole), identifier=identifier, generation=generation, abandoned=abandoned
    )  # fmt: skip
