"""Which places of a pool this process may use. All processes that serve the pool claim theirs in the ledger."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Self
from uuid import UUID, uuid4

import structlog

from afield.coderunner.identifiers import KEY_BYTES, identifier
from afield.ledger.database import Database
from afield.ledger.pool_slots import Claim, Home, PoolSlot, PoolSlots, PoolUse
from afield.security.secrets import Keyring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTimes:
    """Seconds."""

    hold: float = 20.0  # a claim lasts as long without a renewal
    beat: float = 1.0  # between two renewals
    margin: float = 4.0  # a claim is not trusted any more so long before its end
    want: float = 6.0  # a wish for another process's place lasts
    idle: float = 2.0  # after this, an unused place is given back


class PlaceLostError(Exception):
    """The place belongs to another process by now."""


class HomeTakenError(Exception):
    """Another process has begun the session of this name at the same time."""


class Slots:
    """The places of one pool that this process holds, and what is there."""

    def __init__(
        self, database: Database, target_id: UUID, places: int, key: bytes, times: ClaimTimes | None = None
    ) -> None:
        """`key`: 32 secret bytes, the same in all processes; identifiers are derived from it."""
        self.places = places
        self.times = times or ClaimTimes()
        self._key = key
        self._target_id = target_id
        self._store = PoolSlots(database, target_id, uuid4(), places)
        self._held: dict[int, PoolSlot] = {}
        self._good_until = 0.0
        self._one_at_a_time = asyncio.Lock()  # what is asked of the ledger depends on what is held

    @classmethod
    async def open(
        cls, database: Database, keyring: Keyring, target_id: UUID, places: int, times: ClaimTimes | None = None
    ) -> Self:
        """With the pool's own secret, which is made at first use and kept sealed."""
        store = PoolSlots(database, target_id, uuid4(), places)
        sealed = await store.secret(keyring.seal(os.urandom(KEY_BYTES), target_id.bytes))
        await store.ensure()
        return cls(database, target_id, places, keyring.open(sealed, target_id.bytes), times)

    @property
    def all_held(self) -> bool:
        """Whether there is no place that another process could have."""
        return len(self._held) >= self.places

    def place(self, slot: int) -> PoolSlot:
        """What is there. Raises PlaceLostError when the claim may be over."""
        held = self._held.get(slot)
        if held is None or monotonic() >= self._good_until:
            raise PlaceLostError(slot)
        return held

    async def claim(self, home: Home) -> Claim:
        """A free place for such a session, if there is one."""
        async with self._one_at_a_time:
            began = monotonic()
            claim = await self._store.claim(home, self._held, self.times.hold)
            if claim.place is not None:
                if not self._held:
                    self._good_until = began + self.times.hold - self.times.margin
                self._held[claim.place.slot] = claim.place
            return claim

    async def want(self, home: Home) -> None:
        """Let another process know that this one waits."""
        await self._store.want(home, self.times.want)

    async def begin(self, slot: int, home: Home) -> str:
        """The identifier of a new session in the place, written down before it is used. What was there was stopped.

        Raises PlaceLostError, HomeTakenError.
        """
        held = self.place(slot)
        generation = held.generation + 1
        name = identifier(self._key, self._target_id, slot, home, generation)
        await self._change(replace(held, home=home, identifier=name, generation=generation, abandoned=False))
        return name

    async def clear(self, slot: int) -> None:
        """Write down that the session was stopped. Raises PlaceLostError."""
        held = self.place(slot)
        if held.identifier is not None:
            await self._change(replace(held, home=Home(), identifier=None, abandoned=False))

    async def _change(self, place: PoolSlot) -> None:
        match await self._store.change(place):
            case True:
                self._held[place.slot] = place
            case False:
                raise HomeTakenError(place.slot)
            case None:
                self._held.pop(place.slot, None)
                raise PlaceLostError(place.slot)

    def drop(self, slot: int) -> None:
        """Use it no more, and do not give it back either: whoever takes it over stops the session first."""
        self._held.pop(slot, None)

    async def renew(self, used: Collection[int]) -> Mapping[int, bool]:
        """Hold the places for longer. Those that are ours, and whether another process waits for it; the others are
        lost."""
        async with self._one_at_a_time:
            began = monotonic()
            asked = set(self._held)
            ours = await self._store.renew(asked, used, self.times.hold)
            for slot in asked - set(ours):
                self._held.pop(slot, None)
                log.warning("pool.place_lost", target_id=str(self._target_id), slot=slot)
            self._good_until = began + self.times.hold - self.times.margin
            return ours

    async def free(self, slots: Collection[int]) -> None:
        """Give places back. Nothing may be going on there."""
        async with self._one_at_a_time:
            ours = [slot for slot in slots if self._held.pop(slot, None) is not None]
            await self._store.free(ours)

    async def use(self) -> PoolUse:
        """How the pool is used, by all processes."""
        return await self._store.use()
