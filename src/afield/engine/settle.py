"""What a look proves. Pure: the rows that were asked about and what came back in, moves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from afield.connectors.base import Abilities, Entry, Intent, Limits, Match, RemoteState, Snapshot
from afield.engine.answer import ENDS
from afield.engine.plan import decisive_at
from afield.ledger.base import Seen
from afield.model.execution import Attempt, Move, Reason, Resubmit, Tracked
from afield.model.states import LIVE, ExecutionState, OutputState

Matcher = Callable[[Intent, Entry], Match]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A look, and what is needed to read it."""

    snapshot: Snapshot
    asked: frozenset[UUID]  # the executions the look had to answer for
    intents: Mapping[UUID, Intent]  # of the rows in doubt
    retired: Mapping[str, datetime] = field(default_factory=dict)  # see `plan.decisive_at`
    late: Sequence[Attempt] = ()  # attempts shown absent before, watched for a late arrival
    owners: Mapping[str, UUID] = field(default_factory=dict)  # which execution holds which handle
    match: Matcher


@dataclass(slots=True)
class Settled:
    """The moves a look justifies, and which rows it showed."""

    moves: list[Move] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


def settle(
    rows: Iterable[Tracked], evidence: Evidence, now: datetime, limits: Limits, abilities: Abilities, *, epoch: int
) -> Settled:
    """Read a look. What it does not prove, it leaves alone: an absent row stays as it is unless the look was
    complete and late enough, and one match must be exact and the only one to be adopted."""
    reading = _Reading(evidence, now, limits, abilities, epoch)
    for row in rows:
        if row.state in LIVE:
            reading.live(row)
        elif row.state is ExecutionState.UNCONFIRMED:
            reading.doubtful(row)
        elif row.state in {ExecutionState.QUEUED, ExecutionState.LOST}:
            reading.late(row)
    return reading.settled


class _Reading:
    """One reading of one look."""

    def __init__(self, evidence: Evidence, now: datetime, limits: Limits, abilities: Abilities, epoch: int) -> None:
        self.evidence = evidence
        self.now = now
        self.limits = limits
        self.abilities = abilities
        self.epoch = epoch
        self.entries = {entry.handle: entry for entry in evidence.snapshot.entries}
        self.by_name: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            if entry.name:
                self.by_name.setdefault(entry.name, []).append(entry)
        self.late_by_execution: dict[UUID, list[Attempt]] = {}
        for attempt in evidence.late:
            self.late_by_execution.setdefault(attempt.execution_id, []).append(attempt)
        self.taken: dict[str, UUID] = dict(evidence.owners)
        self.settled = Settled()

    def move(
        self,
        row: Tracked,
        to: ExecutionState,
        *,
        expect: ExecutionState | None = None,
        reason: Reason | None = None,
        handle: str | None = None,
        entry: Entry | None = None,
        output_state: OutputState | None = None,
        adopted_attempt: int | None = None,
    ) -> None:
        self.settled.moves.append(
            Move(
                execution_id=row.id,
                expect=expect or row.state,
                to=to,
                attempt=row.attempt,
                at=self.now,
                epoch=self.epoch,
                reason=reason,
                handle=handle,
                remote_status=entry.status if entry else None,
                output_state=output_state,
                adopted_attempt=adopted_attempt,
            )
        )

    # ------------------------------------------------------------------ the remote gave an id

    def live(self, row: Tracked) -> None:
        entry = self.entries.get(row.handle or "")
        if entry is not None:
            self.follow(row, entry, row.state)
        elif self._gone_by_cancel(row):
            end, reason = self._who_cancelled(row, None)
            self.move(row, end, reason=reason)
        elif self._shown_absent(row, self._last_sign(row) + self.limits.max_visibility_delay):
            text = f"A complete look does not show {row.handle}, although it had been accepted."
            self.move(row, ExecutionState.LOST, reason=Reason("not_there", text))

    def _gone_by_cancel(self, row: Tracked) -> bool:
        """Where a cancel removes what it stops, absence after it is the end that was asked for."""
        if not self.abilities.cancel_removes or row.cancel_asked_at is None:
            return False
        return self._shown_absent(row, row.cancel_asked_at)

    def _last_sign(self, row: Tracked) -> datetime:
        return max(filter(None, (row.remote_seen_at, row.submitted_at)), default=row.state_at)

    def _shown_absent(self, row: Tracked, not_before: datetime) -> bool:
        snapshot = self.evidence.snapshot
        return snapshot.complete and snapshot.taken_at >= not_before and row.id in self.evidence.asked

    def follow(self, row: Tracked, entry: Entry, state: ExecutionState) -> None:
        """Take over what the remote says of an execution that is ours."""
        self.settled.seen.append(Seen(execution_id=row.id, remote_status=entry.status, seen_at=self.now))
        end = ENDS.get(entry.state)
        if end is not None:
            self._ended(row, entry, state, end)
        elif entry.state is RemoteState.RUNNING and state is ExecutionState.SUBMITTED:
            self.move(row, ExecutionState.RUNNING, expect=state, entry=entry)
        elif entry.status != row.remote_status:
            self.move(row, state, expect=state, entry=entry, reason=_strange(entry))

    def _ended(self, row: Tracked, entry: Entry, state: ExecutionState, end: ExecutionState) -> None:
        reason = entry.reason
        if end is ExecutionState.CANCELLED:
            end, reason = self._who_cancelled(row, reason)
        wanted = self.abilities.output and (end is ExecutionState.SUCCEEDED or self.abilities.output_on_failure)
        output_state = OutputState.PENDING if wanted else None
        self.move(row, end, expect=state, entry=entry, reason=reason, output_state=output_state)

    def _who_cancelled(self, row: Tracked, reason: Reason | None) -> tuple[ExecutionState, Reason | None]:
        if row.cancel_requested_at is not None:
            return ExecutionState.CANCELLED, reason or Reason("cancelled", "Cancelled on request.")
        if row.deadline_at is not None and row.deadline_at <= self.now and row.cancel_asked_at is not None:
            return ExecutionState.TIMED_OUT, Reason("time_over", "Stopped at the remote because its time was over.")
        return ExecutionState.CANCELLED, reason or Reason("cancelled_remotely", "Somebody cancelled it at the remote.")

    # ------------------------------------------------------------------ the outcome is unknown

    def doubtful(self, row: Tracked) -> None:
        intent = self.evidence.intents.get(row.id)
        if intent is None:
            return
        exact, possible = self._matches(row, intent)
        if len(exact) == 1:
            self._adopt(row, exact[0])
            return
        if exact or possible:
            self._stuck(row, exact or possible)
            return
        retired_at = self.evidence.retired.get(row.key)
        if retired_at is not None and self._shown_absent(row, decisive_at(row, retired_at, self.limits)):
            self._absent(row)

    def _matches(self, row: Tracked, intent: Intent) -> tuple[list[Entry], list[Entry]]:
        exact: list[Entry] = []
        possible: list[Entry] = []
        for entry in self._candidates(intent):
            if self.taken.get(entry.handle, row.id) != row.id:
                continue
            match self.evidence.match(intent, entry):
                case Match.EXACT:
                    exact.append(entry)
                case Match.POSSIBLE:
                    possible.append(entry)
                case Match.NO:
                    pass
        return exact, possible

    def _candidates(self, intent: Intent) -> Iterable[Entry]:
        """Entries that bear the attempt's name, where names are ours to choose; else all of them."""
        named = self.by_name.get(intent.key) if self.abilities.caller_chosen_name else None
        return named if named is not None else self.entries.values()

    def _adopt(self, row: Tracked, entry: Entry, attempt: int | None = None) -> None:
        self.taken[entry.handle] = row.id
        code, text = ("adopted", f"Found at the remote as {entry.handle}.")
        if attempt is not None:
            code, text = ("late_arrival", f"Attempt {attempt} turned up after all as {entry.handle}.")
        self.move(
            row,
            ExecutionState.SUBMITTED,
            reason=Reason(code, text),
            handle=entry.handle,
            entry=entry,
            adopted_attempt=attempt,
        )
        self.follow(row, entry, ExecutionState.SUBMITTED)

    def _stuck(self, row: Tracked, candidates: Sequence[Entry]) -> None:
        handles = ", ".join(sorted(entry.handle for entry in candidates))
        code = "ambiguous" if len(candidates) > 1 else "possible_match"
        if row.reason is None or row.reason.code != code:
            text = f"Could be {handles}; a person has to decide."
            self.move(row, row.state, reason=Reason(code, text))

    def _absent(self, row: Tracked) -> None:
        shown = f"A complete look at {self.evidence.snapshot.taken_at:%H:%M:%S} UTC does not show attempt {row.attempt}"
        if row.cancel_requested_at is not None:
            self.move(row, ExecutionState.CANCELLED, reason=Reason("cancelled", f"{shown}; it was to be cancelled."))
        elif row.deadline_at is not None and row.deadline_at <= self.now:
            self.move(row, ExecutionState.TIMED_OUT, reason=Reason("time_over", f"{shown}, and its time is over."))
        elif row.resubmit is Resubmit.NEVER:
            self.move(row, ExecutionState.LOST, reason=Reason("absent", f"{shown}; it is not to be sent again."))
        else:
            self.move(row, ExecutionState.QUEUED, reason=Reason("absent", f"{shown}; it is sent again."))

    # ------------------------------------------------------------------ shown absent before

    def late(self, row: Tracked) -> None:
        """Adopt an earlier attempt that turned up before (or instead of) another one was sent."""
        for attempt in self.late_by_execution.get(row.id, ()):
            found = [e for e in self.by_name.get(attempt.key, ()) if self.taken.get(e.handle, row.id) == row.id]
            if len(found) == 1:
                self._adopt(row, found[0], attempt.number)
                return


def _strange(entry: Entry) -> Reason | None:
    if entry.state is not RemoteState.UNKNOWN:
        return None
    return Reason("unknown_remote_status", f"The remote says {entry.status!r}, which is not a word we know.")
