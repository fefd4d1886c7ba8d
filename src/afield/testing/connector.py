"""The connector of the in-process remote. It does all that the contract asks for, in about 150 lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Self, cast

from pydantic import Field

from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    CollectError,
    Connector,
    Entry,
    Intent,
    LookQuery,
    Match,
    NotSent,
    Output,
    Refused,
    RemoteState,
    Sink,
    Snapshot,
    StrictModel,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.registry import AnyConnector, register
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason
from afield.testing.remote import (
    DeniedError,
    MemoryRemote,
    NameTakenError,
    NoAnswerError,
    RejectedError,
    Shown,
    ThrottledError,
    remote_named,
)

_STATES: Mapping[str, RemoteState] = {
    "WAITING": RemoteState.WAITING,
    "BUSY": RemoteState.RUNNING,
    "DONE": RemoteState.SUCCEEDED,
    "BROKEN": RemoteState.FAILED,
    "STOPPED": RemoteState.CANCELLED,
}


class MemoryAddress(StrictModel):
    """Where: the name of a `MemoryRemote` of this process."""

    remote: str


class MemorySpec(StrictModel):
    """What: a program that runs for so many seconds, prints something, and ends well or not."""

    seconds: float = Field(default=60, ge=0)
    prints: str = ""
    fails: bool = False


class MemoryConnector(Connector[MemoryAddress, MemorySpec]):
    """Speaks to a `MemoryRemote`. An attempt's key is the name of its execution there."""

    name: ClassVar[str] = "memory"
    abilities: ClassVar[Abilities] = Abilities(batch_look=True, cancel=True, caller_chosen_name=True)
    Address = MemoryAddress
    Spec = MemorySpec

    def __init__(self, remote: MemoryRemote) -> None:
        self.remote = remote

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(remote_named(MemoryAddress.model_validate(context.address).remote))

    async def submit(self, intent: Intent) -> Submission:
        try:
            with _credential():
                handle = await self.remote.submit(intent.key, intent.spec, unique=self.abilities.caller_chosen_name)
        except ThrottledError as error:
            return NotSent(Reason("throttled", str(error)), error.retry_after)
        except RejectedError as error:
            return Refused(Reason("rejected", str(error)))
        except NameTakenError:
            return Unknown(Reason("name_taken", "There is an execution of this name already."))
        except NoAnswerError as error:
            return Unknown(Reason("no_answer", str(error)))
        reach(FaultPoint.AFTER_SEND)
        return Accepted(handle)

    async def look(self, query: LookQuery) -> Snapshot:
        now = self.remote.clock.now()
        if query.empty:
            return Snapshot(taken_at=now, complete=True)
        since = _oldest(query) - self.abilities.limits.clock_skew
        snapshot = Snapshot(taken_at=now, complete=False)
        first: int | None = 0
        try:
            while first is not None:
                with _credential():
                    shown, first = await self.remote.page(first, since)
                reach(FaultPoint.DURING_LOOK)
                entries = snapshot.entries + tuple(self._entry(one) for one in shown)
                snapshot = replace(snapshot, entries=entries, calls=snapshot.calls + 1)
        except NoAnswerError as error:
            return replace(snapshot, calls=snapshot.calls + 1, error=Reason("no_answer", str(error)))
        return replace(snapshot, complete=True)

    def _entry(self, shown: Shown) -> Entry:
        state = _STATES.get(shown.word, RemoteState.UNKNOWN)
        return Entry(
            handle=shown.handle, status=shown.word, state=state, created_at=shown.created_at, name=shown.name
        )  # fmt: skip

    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.name == intent.key else Match.NO

    async def cancel(self, handle: str) -> Cancellation:
        try:
            with _credential():
                stopped = await self.remote.cancel(handle)
        except NoAnswerError:
            return Cancellation.UNKNOWN
        return Cancellation.ASKED if stopped else Cancellation.TOO_LATE

    async def collect(self, handle: str, sink: Sink) -> Output:
        try:
            with _credential():
                data = await self.remote.output(handle)
        except NoAnswerError as error:
            raise CollectError(Reason("no_answer", str(error)), retry_after=timedelta(seconds=5)) from error
        await sink.write(data[:1])
        reach(FaultPoint.DURING_COLLECT)
        await sink.write(data[1:])
        return Output(artifact=await sink.commit("text/plain"), size=len(data), media_type="text/plain")

    async def retire(self, intent: Intent) -> bool:
        with _credential():
            await self.remote.retire(intent.key)
        return True


class NamelessConnector(MemoryConnector):
    """The same remote, if it let nobody choose names: what it repeats of a request has to do for a match."""

    name: ClassVar[str] = "nameless"
    abilities: ClassVar[Abilities] = Abilities(batch_look=True, cancel=True, caller_chosen_name=False)

    def _entry(self, shown: Shown) -> Entry:
        return replace(super()._entry(shown), name=None, echo=shown.body)

    def match(self, intent: Intent, entry: Entry) -> Match:
        skew = self.abilities.limits.clock_skew
        if entry.echo != intent.spec or entry.created_at is None:
            return Match.NO
        too_late = intent.sent_before is not None and entry.created_at > intent.sent_before + skew
        return Match.NO if too_late or entry.created_at < intent.sent_after - skew else Match.POSSIBLE

    async def retire(self, intent: Intent) -> bool:
        return False


@contextmanager
def _credential() -> Iterator[None]:
    try:
        yield
    except DeniedError as error:
        raise CredentialError("The remote refuses the credential.", hint="Enter another one.") from error


def _oldest(query: LookQuery) -> datetime:
    """The earliest time at which something that is asked about can have been created."""
    times = [known.submitted_at for known in query.known] + [doubt.sent_after for doubt in query.doubts]
    return min([*times, query.since] if query.since is not None else times)


def register_memory() -> None:
    """Make both connectors known in this process, as if they were installed."""
    register(cast("type[AnyConnector]", MemoryConnector))
    register(cast("type[AnyConnector]", NamelessConnector))
