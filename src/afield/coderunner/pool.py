"""One pool of sessions, as one process uses it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, runtime_checkable
from uuid import UUID

import structlog

from afield.coderunner.fair_queue import Bounds
from afield.coderunner.identifiers import SHARED, kept_home, own_home
from afield.coderunner.leases import LeaseDesk
from afield.coderunner.pool_errors import SessionNotStoppedError
from afield.coderunner.requests import RunRequest
from afield.coderunner.runtimes import Runtime
from afield.coderunner.slots import Slots
from afield.connectors.registry import AnyConnector
from afield.errors import AfieldError, InvalidInputError
from afield.kernel import Kernel
from afield.ledger.pool_slots import Home
from afield.model.target import Target

log = structlog.get_logger(__name__)

RUNTIMES_KEPT_S = 60.0
_SESSIONS = 10
_NOBODY = ""
_MOST_SESSIONS = 600


class RuntimeShape(Protocol):
    """A language as a connector tells it."""

    @property
    def language(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


@runtime_checkable
class CodePool(Protocol):
    """What a connector offers beside the contract when it runs code."""

    async def runtimes(self, identifier: str | None = None) -> Sequence[RuntimeShape]:
        """The languages it runs, asked in this session. Raises AfieldError when it cannot be asked."""
        ...


@runtime_checkable
class StopsSessions(Protocol):
    """A connector whose pool has sessions; without it, there is nothing between runs that could be stopped."""

    async def stop_session(self, identifier: str) -> bool:
        """Stop a session and all that runs in it. True when it is certainly gone. Raises AfieldError."""
        ...


class SizeShape(Protocol):
    """How large a pool is, as a connector tells it."""

    @property
    def sessions(self) -> int | None: ...

    @property
    def cooldown_s(self) -> float | None: ...

    @property
    def keeps_state(self) -> bool: ...


@runtime_checkable
class TellsSize(Protocol):
    """A connector that knows its pool's size."""

    async def pool_size(self) -> SizeShape:
        """Raises AfieldError when it cannot be asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """How many sessions there may be, and what happens with one that is not used."""

    sessions: int
    cooldown_s: float | None = None  # a session ends so long after its last request; None: not known
    keeps_state: bool = False  # runs of one session see what earlier ones left behind

    @property
    def sustained_per_minute(self) -> float | None:
        """Runs a minute that the pool bears for long if each had a new identifier: the most sessions by cooldown."""
        return self.sessions / self.cooldown_s * 60 if self.cooldown_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A session in use."""

    slot: int
    user: str
    kept: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """How a pool stands. Leases, waiting runs and runs a minute are of this process, places and sessions of all."""

    pool: str
    target_id: UUID
    size: PoolSize
    leases: tuple[LeaseView, ...]
    waiting: dict[str, int]  # by user, in the order of turns
    bounds: Bounds
    places_held: int
    processes: int
    sessions: int
    kept_sessions: int
    runs_per_minute: float | None  # over the last of them; None: too few
    sustained_per_minute: float | None  # with a new identifier for each run; see PoolSize


class Pool:
    """A target that runs code, with its leases and languages."""

    def __init__(self, kernel: Kernel, target: Target, connect: Callable[[], Awaitable[AnyConnector]]) -> None:
        self.target = target
        self._kernel = kernel
        self._connect = connect
        self._opening = asyncio.Lock()
        self._desk: LeaseDesk | None = None
        self._slots: Slots | None = None
        self._size: PoolSize | None = None
        self._bounds = Bounds()
        self._asking = asyncio.Lock()
        self._runtimes: tuple[Runtime, ...] | None = None
        self._runtimes_at = 0.0
        self._refresh: asyncio.Task[None] | None = None

    async def desk(self) -> LeaseDesk:
        """Where its sessions are leased. Raises AfieldError when the pool cannot be used."""
        if self._desk is None:
            async with self._opening:
                if self._desk is None:
                    self._desk = await self._opened()
        return self._desk

    async def _opened(self) -> LeaseDesk:
        self._bounds = _bounds(self.target)
        self._size = size = _told(self.target, await self._asked_size())
        kernel = self._kernel
        self._slots = await Slots.open(kernel.ledger.database, kernel.keyring, self.target.id, size.sessions)
        return LeaseDesk(self._slots, self.stop, self._bounds)

    async def _asked_size(self) -> SizeShape | None:
        connector = await self._connect()
        return await connector.pool_size() if isinstance(connector, TellsSize) else None

    async def connector(self) -> CodePool:
        """Raises InvalidInputError when the target runs no code."""
        connector = await self._connect()
        if not isinstance(connector, CodePool):
            raise InvalidInputError(
                f"The target {self.target.name!r} runs no code: its connector is {self.target.connector}.",
                hint="Name a session pool, or none for the pool of this installation.",
            )
        return connector

    async def stops_sessions(self) -> bool:
        """Whether its sessions can be stopped."""
        return isinstance(await self._connect(), StopsSessions)

    async def stop(self, identifier: str) -> None:
        """Stop a session. Raises AfieldError when it may still go on."""
        connector = await self._connect()
        if isinstance(connector, StopsSessions) and not await connector.stop_session(identifier):
            raise SessionNotStoppedError(
                f"A session of {self.target.name!r} could not be stopped.", hint="It is tried again by itself."
            )

    async def cancel(self, handle: str) -> None:
        """Ask for a run to be stopped."""
        await (await self._connect()).cancel(handle)

    async def runtimes(self) -> tuple[Runtime, ...]:
        """Its languages, as they were about a minute ago at most, or longer while it is busy. Raises AfieldError when
        they are not known yet and it cannot be asked."""
        if self._runtimes is None:
            async with self._asking:
                if self._runtimes is None:
                    await self._ask_runtimes()
        elif self._runtimes_at + RUNTIMES_KEPT_S < monotonic() and (self._refresh is None or self._refresh.done()):
            self._refresh = asyncio.create_task(self._refreshed())
        assert self._runtimes is not None, "they were asked for"
        return self._runtimes

    async def _refreshed(self) -> None:
        try:
            await self._ask_runtimes()
        except AfieldError as error:
            log.warning("pool.runtimes_not_told", target=self.target.name, error=error.code)

    async def _ask_runtimes(self) -> None:
        """In a session that was leased for it: one more of them could be more than the pool has."""
        connector = await self.connector()
        home = await self._unkept(self.target.tenant_id, _NOBODY)
        async with (await self.desk()).lease(_NOBODY, home) as lease:
            found = await connector.runtimes(lease.identifier)
            lease.ended()
        self._runtimes = tuple(Runtime(one.language, one.version, tuple(one.aliases)) for one in found)
        self._runtimes_at = monotonic()

    async def home(self, request: RunRequest, tenant_id: UUID, user: str) -> Home:
        """Whose session a request needs."""
        if request.keep:
            return kept_home(tenant_id, user, request.lease)
        return await self._unkept(tenant_id, user)

    async def _unkept(self, tenant_id: UUID, user: str) -> Home:
        await self.desk()
        return own_home(tenant_id, user) if self._size is not None and self._size.keeps_state else SHARED

    async def view(self) -> PoolView:
        """How it stands."""
        desk = await self.desk()
        assert self._slots is not None and self._size is not None, "the desk is open"
        use, now = await self._slots.use(), monotonic()
        rate = desk.rate.per_second(now)
        return PoolView(
            pool=self.target.name,
            target_id=self.target.id,
            size=self._size,
            leases=tuple(
                LeaseView(slot=one.slot, user=one.user, kept=one.home.sole, seconds=now - one.since)
                for one in sorted(desk.leases(), key=lambda one: one.slot)
            ),
            waiting=desk.waiting(),
            bounds=self._bounds,
            places_held=use.held,
            processes=use.processes,
            sessions=use.sessions,
            kept_sessions=use.kept,
            runs_per_minute=None if rate is None else rate * 60,
            sustained_per_minute=self._size.sustained_per_minute,
        )

    async def close(self) -> None:
        """Give back what is at rest."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait({self._refresh})
        if self._desk is not None:
            await self._desk.close()


def _told(target: Target, asked: SizeShape | None) -> PoolSize:
    """The size as the target's settings say, else as the connector says, else a cautious guess."""
    sessions = _number(target, "sessions", asked.sessions if asked else None)
    guess = 4 * (os.cpu_count() or 1) if target.connector == "local_pool" else _SESSIONS
    return PoolSize(
        sessions=min(max(int(guess if sessions is None else sessions), 1), _MOST_SESSIONS),
        cooldown_s=_number(target, "cooldown_s", asked.cooldown_s if asked else None),
        keeps_state=asked.keeps_state if asked else target.address.get("kind") == "interpreter",
    )


def _bounds(target: Target) -> Bounds:
    usual = Bounds()
    total = _number(target, "most_waiting", usual.most_waiting)
    each = _number(target, "most_waiting_per_user", usual.most_waiting_per_user)
    assert total is not None and each is not None, "there is a usual value"
    return Bounds(max(int(total), 1), max(int(each), 1))


def _number(target: Target, name: str, usual: float | None) -> float | None:
    """A setting of the target. Raises InvalidInputError when it is no positive number."""
    value = target.settings.get(name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise InvalidInputError(f"The setting {name!r} of target {target.name!r} must be a number above 0.")
    return value
