"""The contract between the engine and the code that speaks one remote system's language.

A connector states facts and makes calls; it decides nothing about an execution's life. It is written once per remote
system, found by the entry point group `afield.connectors`, and held to the conformance suite in `afield.testing`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Generic, Protocol, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from afield.clock import Clock
from afield.connectors.talk import Talk
from afield.connectors.tokens import TokenSource
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

# --------------------------------------------------------------------------------------- what it can do


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be asked of one target, and how patient to be. A target's settings can override each field.

    In settings, times are numbers of seconds.
    """

    max_live: int = 10  # executions at the remote at once; the rest waits here
    max_calls: int = 8  # calls in flight at once
    calls_per_minute: int = 600
    submit_batch: int = 500  # intents committed together
    min_interval: timedelta = timedelta(seconds=10)  # between two looks
    max_interval: timedelta = timedelta(minutes=5)
    visibility_delay: timedelta = timedelta(seconds=45)  # usual time until a new execution is shown
    max_visibility_delay: timedelta = timedelta(minutes=10)  # after this, absence means absence
    request_timeout: timedelta = timedelta(seconds=30)  # of one call
    clock_skew: timedelta = timedelta(minutes=5)  # how far the remote's clock may be off
    late_window: timedelta = timedelta(hours=24)  # how long an absent attempt is still watched for

    def overridden(self, settings: JsonObject) -> Limits:
        """These limits with a target's settings on top. Raises ValueError naming a bad setting; others are ignored."""
        changes: dict[str, int | timedelta] = {}
        for name in (f.name for f in fields(self) if f.name in settings):
            value = settings[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"setting {name!r} must be a number of at least 0, not {value!r}")
            is_time = isinstance(getattr(self, name), timedelta)
            changes[name] = timedelta(seconds=value) if is_time else int(value)
        return replace(self, **changes) if changes else self  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a connector's remote can do, readable without an instance."""

    batch_look: bool  # one listing covers many executions
    cancel: bool  # without it, a time-out or a cancel is said to be impossible there, and the execution is followed on
    caller_chosen_name: bool  # an attempt's key names it there, so a match is exact
    output: bool = True  # there is something to collect after success
    output_on_failure: bool = False  # ... and after a failure, a cancel or a time-out
    cancel_removes: bool = False  # what was cancelled is not shown any more: after a cancel, absence is its end
    leaves_behind: bool = False  # finished executions stay there, and take up room, until they are released
    page_size: int = 100  # entries a call of a batched look brings
    submit_calls: int = 1  # calls one submission costs
    collect_calls: int = 1  # calls one collection costs
    limits: Limits = field(default_factory=Limits)


# --------------------------------------------------------------------------------------- what is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One attempt, as it was written down before the request left."""

    execution_id: UUID
    attempt: int
    key: str
    spec: JsonObject
    sent_after: datetime  # the request left at or after this time ...
    sent_before: datetime | None = None  # ... and at or before this one; None: not known yet


class RemoteState(StrEnum):
    """A remote's word, as far as we understand it."""

    WAITING = "waiting"  # accepted, not running
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # a word we do not know: live, and nobody's guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One execution as the remote shows it."""

    handle: str
    status: str  # verbatim
    state: RemoteState
    created_at: datetime | None = None  # by the remote's clock
    started_at: datetime | None = None
    finished_at: datetime | None = None
    name: str | None = None  # what the caller may have chosen
    reason: Reason | None = None
    echo: JsonObject = field(default_factory=dict)  # what the remote repeats of the request, for `match`


@dataclass(frozen=True, slots=True)
class Accepted:
    """The remote has it, under this handle."""

    handle: str
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The remote said no; nothing runs, and the same request would be refused again."""

    reason: Reason


NO_ROOM = "no_room"
"""Reason code: the remote has no place left. Where ended executions hold places, the engine looks for such."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly started nothing (connection refused, throttled before acceptance): try again."""

    reason: Reason  # with code NO_ROOM: there is no place left, though executions that ended may still hold some
    retry_after: timedelta | None = None
    only_this: bool = False  # the pause is about this execution; the rest of the target may go on


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether it started. Only looking resolves this."""

    reason: Reason
    retry_after: timedelta | None = None  # if the remote also asked for patience


Submission = Accepted | Refused | NotSent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An execution the remote gave an id for."""

    handle: str
    submitted_at: datetime
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookQuery:
    """What a look must be able to answer for. It may bring back more."""

    known: tuple[Known, ...] = ()
    doubts: tuple[Intent, ...] = ()  # attempts that may or may not be there
    since: datetime | None = None  # if given: everything created since then, whoever started it

    @property
    def empty(self) -> bool:
        return not self.known and not self.doubts and self.since is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the remote said. Only a complete snapshot can show that something is absent."""

    taken_at: datetime  # when the look began: what was created later is not covered
    complete: bool  # everything the query asked about was answered, all pages read
    entries: tuple[Entry, ...] = ()
    calls: int = 0
    error: Reason | None = None  # why it is not complete
    retry_after: timedelta | None = None


class Match(StrEnum):
    """Whether an entry is what became of an intent."""

    EXACT = "exact"
    POSSIBLE = "possible"
    NO = "no"


class Cancellation(StrEnum):
    """The answer to asking for a cancel. None of them proves anything; the next look does."""

    ASKED = "asked"
    TOO_LATE = "too_late"  # it had ended
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A collected output: where it is, and what it looks like."""

    artifact: str | None  # key in the artifact store; None when there was nothing to store
    size: int = 0  # bytes
    media_type: str = "application/octet-stream"
    rows: int | None = None
    columns: tuple[str, ...] = ()
    detail: JsonObject = field(default_factory=dict)  # what else the connector wants kept: exit code, ...

    def to_json(self) -> JsonObject:
        return {
            "artifact": self.artifact,
            "size": self.size,
            "media_type": self.media_type,
            "rows": self.rows,
            "columns": list(self.columns),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Peek:
    """The end of what a running execution has printed, and when the remote was asked."""

    stdout: str
    stderr: str
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that was started and has ended, in one call. `entry` is final; the output is stored already."""

    handle: str
    entry: Entry
    output: Output


class CollectError(Exception):
    """The output could not be had. `final` says that asking again is useless."""

    def __init__(self, reason: Reason, *, final: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(reason.text or reason.code)
        self.reason = reason
        self.final = final
        self.retry_after = retry_after


# --------------------------------------------------------------------------------------- what it is given


class Sink(Protocol):
    """Takes an output, piece by piece, into the artifact store. Nothing is kept unless `commit` is reached."""

    async def write(self, data: bytes) -> None: ...

    async def commit(self, media_type: str) -> str:
        """Finish; returns the artifact's key."""
        ...

    async def abort(self) -> None:
        """Forget what was written."""
        ...


class Notes(Protocol):
    """What a connector has to remember of its executions between calls, sealed: continuation tokens, signed URLs."""

    async def put(self, key: str, value: str) -> None:
        """Keep it, in place of what was there; answered after the commit."""
        ...

    async def get(self, key: str) -> str | None: ...

    async def drop(self, key: str) -> None:
        """Forget it; nothing happens when there is none."""
        ...


class Artifacts(Protocol):
    """The artifact store, as a connector sees it."""

    def sink(self, name: str) -> Sink:
        """A sink for the artifact `name` (a relative path); a commit replaces what was there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetContext:
    """All that a connector knows of the target it works for."""

    target_id: UUID
    name: str
    address: JsonObject
    settings: JsonObject
    secret: Mapping[str, str]  # the credential's values, in clear; never logged
    tokens: TokenSource
    artifacts: Artifacts
    notes: Notes
    clock: Clock


# --------------------------------------------------------------------------------------- diagnosis


class CheckVerdict(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"  # something it depends on failed
    COULD_NOT_LOOK = "could_not_look"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One rung of a ladder: what was asked, what came back (without secrets), and what to do next."""

    verdict: CheckVerdict
    asked: str
    answered: str
    next_step: str = ""
    cause: str = ""  # one plain sentence, when this rung explains the trouble


class Probe(Protocol):
    """Runs one check. It reads; it changes nothing."""

    def __call__(self) -> Awaitable[CheckResult]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rung: a name, the names of the rungs it stands on, and the probe."""

    name: str
    probe: Probe
    needs: tuple[str, ...] = ()
    intrusive: bool = False  # does more than read: runs only when asked for by name


# --------------------------------------------------------------------------------------- the contract


class StrictModel(BaseModel):
    """Base of addresses and specs: unknown fields are refused, so that a typing error is not silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AddressT = TypeVar("AddressT", bound=BaseModel)
SpecT = TypeVar("SpecT", bound=BaseModel)


class Connector(ABC, Generic[AddressT, SpecT]):
    """One remote system's language, bound to one target.

    Class attributes say what can be known without an instance. Instances are opened once per driver, shared by
    concurrent calls, and closed at the end. No method raises for what a remote may do; it says so in its answer.
    Only programming errors escape, and CredentialError from anything that needs a token.
    """

    name: ClassVar[str]
    abilities: ClassVar[Abilities]
    Address: type[AddressT]  # read from the class; instances never set it
    Spec: type[SpecT]

    @classmethod
    @abstractmethod
    async def open(cls, context: TargetContext) -> Self:
        """Bind to a target. Makes no remote call."""

    async def close(self) -> None:
        """Let go of connections."""

    @abstractmethod
    async def submit(self, intent: Intent) -> Submission:
        """Start the work. Called at most once per attempt, after the intent is committed."""

    async def run(self, intent: Intent, sink: Sink, talk: Talk | None = None) -> Ran | Submission:
        """Start the work and wait for its end in one call, where the remote answers so: for callers who wait.

        Called instead of `submit`, under the same rules. Accepted says that it goes on without us. A caller that is
        cancelled meanwhile leaves the attempt in doubt. The default starts it and does not wait.
        """
        return await self.submit(intent)

    @abstractmethod
    async def look(self, query: LookQuery) -> Snapshot:
        """Ask the remote, once, about all of the query. Reads only."""

    @abstractmethod
    def match(self, intent: Intent, entry: Entry) -> Match:
        """Whether `entry` is what became of `intent`. Pure."""

    @abstractmethod
    async def cancel(self, handle: str) -> Cancellation:
        """Ask the remote to stop it."""

    @abstractmethod
    async def collect(self, handle: str, sink: Sink) -> Output:
        """Bring the output of a finished execution into the sink. Raises CollectError."""

    async def peek(self, handle: str) -> Peek | None:
        """What a running execution has printed so far; None where the remote does not show it, or not now. Reads only,
        and costs a call: for people who watch, never for deciding."""
        return None

    async def retire(self, intent: Intent) -> bool:
        """Make sure that the attempt can no longer start, if the remote has a way; called before a resubmission.

        True: a request of this attempt that is still on its way will be refused. The default cannot promise that.
        """
        return False

    async def release(self, intent: Intent) -> None:
        """Remove what an attempt left behind at the remote; called once all of it is collected. Best effort."""

    def ladder(self) -> Sequence[Check]:
        """The checks that find out why a target does not work, in order."""
        return ()
