"""The local pool's connector: code that nobody trusts, in jails of this machine. Only used for targets that name it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from afield.config import Settings
from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import AdapterConnector, handle_of
from afield.connectors.adapter.reply import Reply
from afield.connectors.adapter.sight import Blind, Sight, see, see_all
from afield.connectors.base import (
    Abilities,
    Check,
    Intent,
    Limits,
    LookQuery,
    NotSent,
    Refused,
    Snapshot,
    StrictModel,
    TargetContext,
)
from afield.connectors.coding import CodeSpec
from afield.connectors.local_pool import ladder
from afield.connectors.local_pool.claim import Claims
from afield.connectors.local_pool.doors import LocalDoors
from afield.connectors.local_pool.home import PoolHome
from afield.connectors.local_pool.process import Options
from afield.connectors.local_pool.sight import SESSION, PoolSight
from afield.model.execution import Reason

LIMITS = Limits(
    max_live=100,
    max_calls=32,
    calls_per_minute=60_000,  # nobody else pays for them
    min_interval=timedelta(seconds=1),
    max_interval=timedelta(seconds=30),
    visibility_delay=timedelta(),  # a run is known before it is told
    max_visibility_delay=timedelta(minutes=1),
)


class PoolSettings(StrictModel):
    """The target's settings that are about the process. The first who starts it decides."""

    linger: float = Field(default=300.0, ge=0, description="Seconds without work after which it ends; 0: never.")
    minimum: Literal["", "none", "namespaces", "full"] = Field(
        default="", description="Weakest jail that may run code."
    )
    lanes: int = Field(default=0, ge=0, le=1024, description="Runs at once; 0: by the number of processors.")
    languages: tuple[str, ...] = Field(default=(), description="Only these; all that are found when none is named.")

    model_config = StrictModel.model_config | {"extra": "ignore"}

    def options(self) -> Options:
        return Options(linger_s=self.linger, minimum=self.minimum, lanes=self.lanes, languages=self.languages)


class LocalPoolAddress(StrictModel):
    """This machine."""

    home: str | None = Field(
        default=None, min_length=1, description="Folder of the pool's files; AFIELD_HOME when none is given."
    )

    @property
    def folder(self) -> Path:
        return Settings().home_folder if self.home is None else Path(self.home).expanduser().absolute()


class LocalPoolConnector(AdapterConnector[LocalPoolAddress]):
    """The pool of one machine."""

    name: ClassVar[str] = "local_pool"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True, cancel=True, caller_chosen_name=True, output_on_failure=True, page_size=10_000, limits=LIMITS
    )
    Address = LocalPoolAddress

    def __init__(self, context: TargetContext, home: PoolHome) -> None:
        options = PoolSettings.model_validate(context.settings).options()
        limits = LIMITS.overridden(context.settings)
        self._home = home
        self._doors = LocalDoors(home, options)
        super().__init__(context, AdapterClient(self._doors, limits.request_timeout.total_seconds()), limits)
        self._claims = Claims(context.notes, home)
        self._linger_s = options.linger_s
        self._last_answer = 0.0

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        address = LocalPoolAddress.model_validate(context.address)
        return cls(context, PoolHome(await asyncio.to_thread(lambda: address.folder)))

    # ------------------------------------------------------------------ submitting

    def _session(self, intent: Intent, spec: CodeSpec) -> str:
        return SESSION

    async def _prepare(self, intent: Intent, identifier: str) -> NotSent | Refused | None:
        claim = await self._claims.hold(self._context.clock.now())
        if not self._claims.is_ours(claim):
            return Refused(_other_machine(claim.host))
        if self._linger_s and time.monotonic() - self._last_answer > self._linger_s / 2:
            await self._client.call("GET", "/health", identifier)  # it may be about to end: no run shall meet that
        return None

    async def _answered(self, identifier: str, reply: Reply) -> None:
        self._last_answer = time.monotonic()

    def _foreign(self, reply: Reply) -> NotSent | Refused | None:
        text = f"Another program has the port of the local pool's process, and answers {reply.status}."
        return NotSent(Reason("not_the_adapter", text))

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask the process that is alive, if one is; those that are dead ran nothing since."""
        taken_at = self._context.clock.now()
        if query.empty:
            return Snapshot(taken_at=taken_at, complete=True)
        claim = await self._claims.hold(taken_at)
        if not self._claims.is_ours(claim):
            return Snapshot(taken_at=taken_at, complete=False, calls=1, error=_other_machine(claim.host))
        seen = await self._see(query, claim.since)
        if isinstance(seen, Blind):
            return Snapshot(taken_at=taken_at, complete=False, calls=seen.calls, error=seen.reason)
        calls = 1 if seen.sight is None else seen.sight.calls
        return Snapshot(taken_at=taken_at, complete=True, entries=seen.entries(query), calls=calls)

    async def _see(self, query: LookQuery, claimed_at: datetime | None) -> PoolSight | Blind:
        running = await asyncio.to_thread(self._home.running)
        sight: Sight | None = None
        if running is not None:
            seen = await self._ask_process(query)
            if isinstance(seen, Blind):
                return seen
            if seen.boot != running.boot:
                return Blind(reason=Reason("changed", "Not looked: the process was replaced meanwhile."), calls=1)
            sight = seen
        served = await asyncio.to_thread(self._home.served)
        return PoolSight(served=served, running=running, sight=sight, claimed_at=claimed_at)

    async def _ask_process(self, query: LookQuery) -> Sight | Blind:
        now = self._context.clock.now()
        if query.since is not None:
            return await see_all(self._client, SESSION, now)
        run_ids = [known.handle.rpartition("/")[2] for known in query.known] + [doubt.key for doubt in query.doubts]
        sight = await see(self._client, SESSION, run_ids, now)
        if isinstance(sight, Sight):
            for run_id, run in sight.runs.items():
                self._remembered.learn(handle_of(SESSION, run_id), run)
        return sight

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.checks(self._client, self._home)


def _other_machine(host: str) -> Reason:
    text = f"This target is the local pool of {host or 'another machine'}: make a target of its own for this machine."
    return Reason("other_machine", text)
