"""A remote system in this very process: it starts, shows, cancels and ends work by a clock, and fails on demand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from afield.clock import Clock
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject
from afield.testing.faults import Fault, Faults

T = TypeVar("T")
Delays = Callable[[], timedelta]

_remotes: WeakValueDictionary[str, MemoryRemote] = WeakValueDictionary()


class RemoteError(Exception):
    """The remote's answer is an error."""


class ThrottledError(RemoteError):
    """Too many requests: nothing was done."""

    def __init__(self, retry_after: timedelta | None) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


class DeniedError(RemoteError):
    """The credential is not good."""


class RejectedError(RemoteError):
    """The request is understood and will not be carried out."""


class NameTakenError(RemoteError):
    """There is (or was, or must not be) an execution of this name."""


class NoAnswerError(RemoteError):
    """The connection broke before an answer came."""


@dataclass(slots=True)
class RemoteExecution:
    """One execution, as the remote itself knows it."""

    handle: str
    name: str
    body: JsonObject
    created_at: datetime
    shown_from: datetime
    starts_at: datetime
    ends_at: datetime
    last_word: str
    output: bytes
    cancelled_at: datetime | None = None

    def word(self, now: datetime) -> str:
        """Its status now, in the remote's words."""
        if self.cancelled_at is not None and self.cancelled_at <= now:
            return "STOPPED"
        if now < self.starts_at:
            return "WAITING"
        return "BUSY" if now < self.ends_at else self.last_word


@dataclass(frozen=True, slots=True)
class Shown:
    """One execution, as the remote shows it to a caller."""

    handle: str
    name: str
    word: str
    created_at: datetime
    body: JsonObject


@dataclass(slots=True, weakref_slot=True, eq=False)
class MemoryRemote:
    """The remote system. `executions` is the truth; every other door is what a caller gets to see.

    A request, once on its way, is carried out even if its caller is gone meanwhile. `latency` says how long each way
    takes, `show_after` how long a new execution stays invisible; both are asked anew each time.
    """

    name: str
    clock: Clock
    latency: Delays = timedelta
    show_after: Delays = timedelta
    waits: timedelta = timedelta(seconds=5)  # before it starts
    slow_show: timedelta = timedelta(minutes=9)
    patience: timedelta = timedelta(seconds=90)  # the Retry-After of a throttled request that has one
    page_size: int = 100
    faults: Faults = field(default_factory=Faults)
    executions: dict[str, RemoteExecution] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _names: set[str] = field(default_factory=set)
    _under_way: set[asyncio.Future[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        _remotes[self.name] = self

    # ------------------------------------------------------------------ the truth, for tests

    def count(self, execution_id: UUID) -> int:
        """How many executions this intent has led to, over all its attempts."""
        keys = (parse_attempt_key(execution.name) for execution in self.executions.values())
        return sum(key is not None and key[0] == execution_id for key in keys)

    # ------------------------------------------------------------------ the doors

    async def submit(self, name: str, body: JsonObject, *, unique: bool = True) -> str:
        """Start an execution; returns its handle. With `unique` a name works only once."""
        return await self._carry_out("submit", lambda: self._accept(name, body, unique))

    async def page(self, first: int = 0, since: datetime | None = None) -> tuple[list[Shown], int | None]:
        """One page of all executions created since then, oldest first, and where the next page begins."""
        return await self._carry_out("page", lambda: self._page(first, since))

    async def cancel(self, handle: str) -> bool:
        """Stop an execution; False when it had ended."""
        return await self._carry_out("cancel", lambda: self._cancel(handle))

    async def output(self, handle: str) -> bytes:
        """What an ended execution has left."""
        return await self._carry_out("output", lambda: self._output(handle))

    async def retire(self, name: str) -> None:
        """Use a name up, so that nothing can be started under it any more."""
        return await self._carry_out("retire", lambda: self._names.add(name))

    async def _carry_out(self, door: str, work: Callable[[], T]) -> T:
        """There and back. The work is done even when nobody waits for it any more."""
        self.calls[door] += 1
        asked = asyncio.ensure_future(self._there(work))
        self._under_way.add(asked)
        asked.add_done_callback(self._under_way.discard)
        answer = await asyncio.shield(asked)
        await self._pass(self.latency())
        if isinstance(answer, RemoteError):
            raise answer
        return answer

    async def _there(self, work: Callable[[], T]) -> T | RemoteError:
        await self._pass(self.latency())
        if self.faults.happens(Fault.DENIED):
            return DeniedError("the credential is not good")
        try:
            return work()
        except RemoteError as error:
            return error

    async def _pass(self, delay: timedelta) -> None:
        if delay:
            await self.clock.wait(asyncio.Event(), self.clock.now() + delay)

    # ------------------------------------------------------------------ behind the doors

    def _accept(self, name: str, body: JsonObject, unique: bool) -> str:
        if self.faults.happens(Fault.THROTTLED):
            raise ThrottledError(None)
        if self.faults.happens(Fault.THROTTLED_WITH_PATIENCE):
            raise ThrottledError(self.patience)
        if self.faults.happens(Fault.REQUEST_LOST):
            raise NoAnswerError("the connection was reset")
        if self.faults.happens(Fault.REJECTED):
            raise RejectedError("this program is not welcome")
        if unique and name in self._names:
            raise NameTakenError(name)
        handle = self._start(name, body)
        if self.faults.happens(Fault.REPLY_LOST):
            raise NoAnswerError("the connection was reset")
        return handle

    def _start(self, name: str, body: JsonObject) -> str:
        now = self.clock.now()
        handle = f"r-{len(self.executions) + 1}"
        seconds = body.get("seconds")
        starts_at = now + self.waits
        hidden = self.slow_show if self.faults.happens(Fault.SLOW_TO_SHOW) else self.show_after()
        self.executions[handle] = RemoteExecution(
            handle=handle,
            name=name,
            body=body,
            created_at=now,
            shown_from=now + hidden,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=seconds if isinstance(seconds, int | float) else 0),
            last_word="BROKEN" if body.get("fails") else "DONE",
            output=str(body.get("prints", "")).encode(),
        )
        self._names.add(name)
        return handle

    def _page(self, first: int, since: datetime | None) -> tuple[list[Shown], int | None]:
        if self.faults.happens(Fault.LISTING_CUT):
            raise NoAnswerError("the connection was reset")
        now = self.clock.now()
        strange = self.faults.happens(Fault.UNKNOWN_WORD)
        listed = [e for e in self.executions.values() if since is None or e.created_at >= since]
        shown = [
            Shown(e.handle, e.name, "PONDERING" if strange else e.word(now), e.created_at, e.body)
            for e in listed[first : first + self.page_size]
            if e.shown_from <= now
        ]
        more = first + self.page_size < len(listed)
        return shown, first + self.page_size if more else None

    def _cancel(self, handle: str) -> bool:
        now = self.clock.now()
        execution = self.executions[handle]
        if self.faults.happens(Fault.CANCEL_TOO_LATE) or execution.word(now) not in {"WAITING", "BUSY"}:
            return False
        execution.cancelled_at = now
        return True

    def _output(self, handle: str) -> bytes:
        if self.faults.happens(Fault.OUTPUT_AWAY):
            raise NoAnswerError("the connection was reset")
        return self.executions[handle].output


def remote_named(name: str) -> MemoryRemote:
    """The remote of that name in this process. Raises KeyError."""
    return _remotes[name]
