"""The two sides of a comparison, and the codes that say why a finding is what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from afield.connectors.base import Entry, Intent, Limits, LookQuery, Match, Snapshot
from afield.model.execution import Tracked
from afield.model.states import LIVE, ExecutionState

Matcher = Callable[[Intent, Entry], Match]


class Why(StrEnum):
    """What refines a finding's kind (`Finding.why`)."""

    AGREED = "agreed"
    BEHIND = "behind"  # live on both sides, further on there
    UNKNOWN_WORD = "unknown_word"  # the remote's word is not one we know
    OUT_OF_SCOPE = "out_of_scope"  # ours, but not among the rows compared
    NEWER_HERE = "newer_here"  # the row moved after the look began
    STALE_STATUS = "stale_status"  # ended there, live here
    CANCELLED_REMOTELY = "cancelled_remotely"
    REJECTED_REMOTELY = "rejected_remotely"
    LATE_ARRIVAL = "late_arrival"  # it turned up after it had been shown absent
    LIVE_THERE = "live_there"  # ended here, live there
    ENDS_DIFFER = "ends_differ"  # ended on both sides, differently
    QUEUED = "queued"  # not sent
    NOT_SENT = "not_sent"  # ended here before it was sent
    CREATE_FAILED = "create_failed"  # the remote refused it
    UNCONFIRMED = "unconfirmed"  # the outcome of the attempt is unknown
    TOO_EARLY = "too_early"  # within the remote's visibility delay, or on the wire
    ABSENT = "absent"  # a complete and late look shows no trace of it
    LEGACY = "legacy"  # an old row of which no attempt was ever written down
    NEVER_SHOWN = "never_shown"  # accepted, and never listed
    VANISHED = "vanished"  # listed before, not listed any more
    LOST = "lost"  # already known to be lost
    FORGOTTEN = "forgotten"  # ended long ago, no longer listed
    FOREIGN = "foreign"  # somebody else's
    ORPHAN = "orphan"  # carries one of our names, and no execution here knows it
    SURPLUS = "surplus"  # a second remote execution of an intent that already has one
    SEVERAL = "several"  # more than one could be it
    POSSIBLE = "possible"  # nothing proves that it is the one
    INCOMPLETE = "incomplete"  # the look was not complete
    NOT_ASKED = "not_asked"  # the look was complete, but not about this


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is known on both sides at one moment.

    `rows` are read after the look, so that what the look shows cannot be younger than they are; `query` is what the
    look was asked. `intents` are all attempts that may be at the remote: those of rows in doubt, and those shown
    absent before and still watched for. `owners` says who holds a handle, also of rows that are not in `rows`.
    """

    target_id: UUID
    rows: Sequence[Tracked]
    snapshot: Snapshot
    query: LookQuery
    match: Matcher
    limits: Limits
    now: datetime
    intents: Sequence[Intent] = ()
    owners: Mapping[str, UUID] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()  # fingerprints

    @cached_property
    def handles_asked(self) -> frozenset[str]:
        """The remote ids the look had to answer for."""
        return frozenset(known.handle for known in self.query.known)

    @cached_property
    def keys_asked(self) -> frozenset[str]:
        """The attempts the look had to answer for."""
        return frozenset(intent.key for intent in self.query.doubts)

    def in_scope(self, entry: Entry) -> bool:
        """Whether an entry nobody here owns is one that was asked about.

        The remote's clock may be off, so that an entry just before the time asked about still counts.
        """
        since, created = self.query.since, entry.created_at
        if since is None or created is None or entry.handle in self.handles_asked:
            return True
        return created >= since - self.limits.clock_skew


_WITHOUT_ID = frozenset({ExecutionState.QUEUED, ExecutionState.SUBMITTING, ExecutionState.UNCONFIRMED})


def current_handle(row: Tracked) -> str | None:
    """The remote id of the row's current attempt. A row that is to be sent again may still hold an older one."""
    return None if row.state in _WITHOUT_ID else row.handle


def on_the_wire(row: Tracked, now: datetime, limits: Limits) -> bool:
    """Whether somebody may still be waiting for the reply to the submission."""
    return row.state is ExecutionState.SUBMITTING and now < row.state_at + limits.request_timeout


def last_sign(row: Tracked) -> datetime:
    """The last time at which the execution is known to have been there, or may have been started."""
    if row.state in LIVE:
        return row.remote_seen_at or row.submitted_at or row.state_at
    return row.state_at
