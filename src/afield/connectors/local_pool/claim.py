"""Which local pool a target belongs to: what was sent to one machine can not be looked for on another.

The claim is a note of the target's, so that all machines that share a database see it. It is renewed while it is
used, and passes to another pool when it was not used for a while: a container that comes back with an empty disk.
"""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime, timedelta

from afield.connectors.base import Notes, StrictModel
from afield.connectors.local_pool.home import PoolHome

_NOTE = "local-pool"
_RENEWED = timedelta(minutes=1)
_LAPSES = timedelta(minutes=10)


class Claim(StrictModel):
    """The pool that serves a target, since when, and when it was last used. `since` is None for the first."""

    pool: str
    host: str
    used_at: datetime
    since: datetime | None = None


class Claims:
    """The claim of one pool on one target."""

    def __init__(self, notes: Notes, home: PoolHome) -> None:
        self._notes = notes
        self._home = home
        self._held: Claim | None = None

    async def hold(self, now: datetime) -> Claim:
        """The claim in force, ours if it can be: a note is written once a minute at most."""
        held = self._held
        if held is not None and now - held.used_at < _RENEWED:
            return held
        pool = await asyncio.to_thread(self._home.name)
        text = await self._notes.get(_NOTE)
        claim = _next(None if text is None else Claim.model_validate_json(text), pool, now)
        if claim.pool != pool:
            return claim
        await self._notes.put(_NOTE, claim.model_dump_json())
        self._held = claim
        return claim

    def is_ours(self, claim: Claim) -> bool:
        return self._held is not None and claim.pool == self._held.pool


def _next(claim: Claim | None, pool: str, now: datetime) -> Claim:
    """The claim after this pool wants it."""
    host = socket.gethostname()
    if claim is None:
        return Claim(pool=pool, host=host, used_at=now)
    if claim.pool == pool:
        return claim.model_copy(update={"used_at": now, "host": host})
    if now - claim.used_at < _LAPSES:
        return claim
    return Claim(pool=pool, host=host, used_at=now, since=now)
