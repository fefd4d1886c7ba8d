"""Leases of a pool's sessions: taken in fair order, given back only when nothing goes on in the session any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

import structlog

from afield.coderunner.fair_queue import Bound, Bounds, FairQueue, Grant, QueueBoundError, Ticket
from afield.coderunner.pool_errors import PoolClosedError, QueueFullError, SessionNotStoppedError, UserQueueFullError
from afield.coderunner.rate import ServiceRate
from afield.coderunner.slots import HomeTakenError, PlaceLostError, Slots
from afield.errors import AfieldError
from afield.ledger.pool_slots import Home

log = structlog.get_logger(__name__)

Stop = Callable[[str], Awaitable[None]]
"""Stops the session of this identifier; one that is not there is as good. Raises AfieldError when it may go on."""

Ending = Callable[[], Awaitable[bool]]
"""Comes back when a run has ended; with False if that cannot be known, and the session has to be stopped."""

_SHORT_PAUSE, _LONG_PAUSE = 0.05, 1.0
_MEND_PAUSE, _LONGEST_MEND_PAUSE = 0.5, 30.0
_MOST_TRIES = 20


@dataclass(slots=True)
class Lease:
    """A session for oneself. Unless it is said that the run has ended, the session is stopped afterwards."""

    slot: int
    identifier: str
    user: str
    since: float  # monotonic
    home: Home = field(default_factory=Home)
    is_over: bool = False
    ending: Ending | None = None

    def ended(self) -> None:
        """Nothing of ours runs there any more."""
        self.is_over = True

    def goes_on(self, ending: Ending) -> None:
        """The run goes on without us."""
        self.ending = ending


class LeaseDesk:
    """Gives out the sessions of one pool, in one process."""

    def __init__(self, slots: Slots, stop: Stop, bounds: Bounds | None = None) -> None:
        self._slots = slots
        self._stop = stop
        self._queue = FairQueue(bounds or Bounds())
        self.rate = ServiceRate()
        self._granted: dict[Ticket, asyncio.Future[Grant]] = {}
        self._leases: dict[int, Lease] = {}
        self._used: set[int] = set()  # since the last renewal
        self._idle_since: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._searching: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._closed = False

    # ------------------------------------------------------------------ for users

    @asynccontextmanager
    async def lease(self, user: str, home: Home) -> AsyncIterator[Lease]:
        """A session, once it is this user's turn. Raises QueueFullError, PoolClosedError; SessionNotStoppedError when
        the place's earlier session could not be stopped."""
        lease = await self._take(user, home)
        self._leases[lease.slot] = lease
        try:
            yield lease
        finally:
            self._take_back(lease)

    def leases(self) -> tuple[Lease, ...]:
        """Those in use."""
        return tuple(self._leases.values())

    def waiting(self) -> dict[str, int]:
        """How many runs of each user wait."""
        return self._queue.users_waiting()

    async def close(self) -> None:
        """Take no more, and give back the places that are at rest. The others are left to expire, and whoever takes
        them over stops their sessions first."""
        self._closed = True
        for future in self._granted.values():
            if not future.done():
                future.set_exception(PoolClosedError("The pool is being closed.", hint="Ask another process."))
        running = [task for task in (*self._tasks, self._searching, self._beating) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        idle = [place.slot for place in self._queue.places() if self._queue.leave(place.slot)]
        if idle:
            with suppress(AfieldError):  # they expire by themselves
                await self._slots.free(idle)

    # ------------------------------------------------------------------ taking

    async def _take(self, user: str, home: Home) -> Lease:
        ticket = self._ask(user, home)
        for _ in range(_MOST_TRIES):
            grant = await self._turn(ticket)
            try:
                return Lease(grant.slot, await self._prepared(grant), user, monotonic(), home)
            except PlaceLostError:
                self._forget(grant.slot)
            except HomeTakenError:
                self._queue.settled(grant.slot, None)
                self._back(grant.slot)
            except BaseException:
                self._start(self._mend(grant.slot))
                raise
            self._queue.again(ticket, may_move=self._slots.all_held)
        self._queue.withdraw(ticket)
        raise SessionNotStoppedError("No place could be kept long enough to use it.", hint="Try again.")

    def _ask(self, user: str, home: Home) -> Ticket:
        if self._closed:
            raise PoolClosedError("The pool is being closed.", hint="Ask another process.")
        try:
            return self._queue.ask(user, home, may_move=self._slots.all_held)
        except QueueBoundError as full:
            raise self._full(full) from None

    def _full(self, full: QueueBoundError) -> QueueFullError:
        users = len(self._queue.users_waiting())
        if full.bound is Bound.USER:
            pause = self.rate.retry_after(full.waiting, users, monotonic())
            return UserQueueFullError(f"You have {full.waiting} runs waiting already.", retry_after=pause)
        pause = self.rate.retry_after(full.waiting, 1, monotonic())
        return QueueFullError(f"{full.waiting} runs wait for the pool already.", retry_after=pause)

    async def _turn(self, ticket: Ticket) -> Grant:
        future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._granted[ticket] = future
        try:
            self._pump()
            return await future
        except BaseException:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._back(future.result().slot)
            self._queue.withdraw(ticket)
            raise
        finally:
            del self._granted[ticket]

    async def _prepared(self, grant: Grant) -> str:
        """The identifier of the session to use; what was there before is stopped if it has to be."""
        place = self._slots.place(grant.slot)
        if not grant.clear and place.identifier is not None:
            return place.identifier
        if place.identifier is not None:
            await self._stop(place.identifier)
        name = await self._slots.begin(grant.slot, grant.ticket.home)
        self._queue.settled(grant.slot, grant.ticket.home)
        return name

    def _pump(self) -> None:
        """Hand out what can be handed out; look for places if somebody still waits."""
        while (grant := self._queue.next()) is not None:
            future = self._granted.get(grant.ticket)
            if future is None or future.done():  # it stopped waiting at this moment
                self._queue.give_back(grant.slot)
                continue
            self._used.add(grant.slot)
            self._idle_since.pop(grant.slot, None)
            future.set_result(grant)
        if self._lacks_places:
            self._changed.set()
            if self._searching is None or self._searching.done():
                self._searching = asyncio.create_task(self._search())

    @property
    def _lacks_places(self) -> bool:
        """Whether somebody waits, and there may be places elsewhere."""
        return bool(self._queue.waiting) and not self._slots.all_held and not self._closed

    # ------------------------------------------------------------------ giving back

    def _take_back(self, lease: Lease) -> None:
        self._leases.pop(lease.slot, None)
        self.rate.served(monotonic())
        if lease.is_over:
            self._back(lease.slot)
        else:
            self._start(self._mend(lease.slot, lease.ending))

    def _back(self, slot: int) -> None:
        if self._queue.give_back(slot):
            self._start(self._free(slot))
        else:
            self._idle_since[slot] = monotonic()
        self._pump()

    def _forget(self, slot: int) -> None:
        self._slots.drop(slot)
        self._queue.remove(slot)
        self._idle_since.pop(slot, None)

    async def _free(self, *slots: int) -> None:
        with suppress(AfieldError):  # they expire by themselves
            await self._slots.free(slots)

    async def _mend(self, slot: int, ending: Ending | None = None) -> None:
        """Give a place back whose run has not ended: when it has, or when its session was stopped."""
        pause = _MEND_PAUSE
        while True:
            try:
                if ending is None or not await ending():
                    await self._stop_and_clear(slot)
                self._back(slot)
                return
            except PlaceLostError:
                self._forget(slot)
                return
            except AfieldError as error:
                log.warning("pool.session_not_stopped", slot=slot, error=error.code)
            ending = None
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_MEND_PAUSE)

    async def _stop_and_clear(self, slot: int) -> None:
        name = self._slots.place(slot).identifier
        if name is not None:
            await self._stop(name)
            await self._slots.clear(slot)
        self._queue.settled(slot, None)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        if self._closed:
            work.close()  # the claim expires, and whoever takes it over stops the session first
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------ places, from the ledger

    async def _search(self) -> None:
        """Ask the ledger for places for as long as somebody waits who can have none here, and others may have some."""
        pause = _SHORT_PAUSE
        while self._lacks_places:
            self._changed.clear()
            try:
                found = await self._look_for_places()
            except AfieldError as error:
                log.warning("pool.no_places", error=error.code)
                found = False
            if found:
                pause = _SHORT_PAUSE
                continue
            self._pump_if_movable()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            pause = min(pause * 1.5, _LONG_PAUSE)
        if self._slots.all_held:
            for ticket in self._queue:
                ticket.may_move = True
            self._pump()

    def _pump_if_movable(self) -> None:
        changed = self._changed.is_set()
        self._pump()
        if not changed:
            self._changed.clear()

    async def _look_for_places(self) -> bool:
        """Whether a place was found for one that waits; if not, they learn that they may clear one of ours."""
        none_free = False
        for ticket in self._queue.stuck():
            if none_free and not ticket.home.sole:
                ticket.may_move = True
                continue
            claim = await self._slots.claim(ticket.home)
            ticket.may_move = not claim.elsewhere
            if claim.place is not None:
                self._add(claim.place.slot)
                return True
            if not none_free or claim.elsewhere:
                await self._slots.want(ticket.home)
            none_free = none_free or not claim.elsewhere
        return False

    def _add(self, slot: int) -> None:
        place = self._slots.place(slot)
        self._queue.add(slot, place.home if place.identifier else None, unclean=place.abandoned)
        self._idle_since[slot] = monotonic()
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat())
        self._pump()

    async def _beat(self) -> None:
        """Renew the claims, as long as there are any, and give up the places that are not needed."""
        while self._queue.places() and not self._closed:
            await asyncio.sleep(self._slots.times.beat)
            try:
                await self._renew()
            except AfieldError as error:
                log.warning("pool.claims_not_renewed", error=error.code)

    async def _renew(self) -> None:
        used, self._used = self._used, set()
        used |= set(self._leases)
        ours = await self._slots.renew(used)
        for place in self._queue.places():
            if place.slot not in ours:
                self._forget(place.slot)
        long_ago = monotonic() - self._slots.times.idle
        unused = {slot for slot, since in self._idle_since.items() if since < long_ago}
        leaving = [slot for slot, wanted in ours.items() if wanted or slot in unused]
        idle = [slot for slot in leaving if self._queue.leave(slot)]
        for slot in idle:
            self._idle_since.pop(slot, None)
        if idle:
            await self._slots.free(idle)
        self._pump()
