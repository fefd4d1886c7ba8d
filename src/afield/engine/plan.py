"""What to do next for one target. Pure: rows, the time, limits and what is remembered of the target in; actions out.

Every row that comes in leaves with an action, or with the time at which it is to be thought about again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from afield.connectors.base import NO_ROOM, Abilities, Limits
from afield.model.execution import Reason, Tracked
from afield.model.states import LIVE, OCCUPYING, ExecutionState, OutputState
from afield.model.target import LookRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the driver knows of its target beside the rows."""

    look: LookRecord | None = None  # the last look, however it ended
    throttled_until: datetime | None = None
    calls_left: int = 1_000_000  # of the budget, now
    busy: frozenset[UUID] = frozenset()  # rows an action is under way for
    looking: bool = False  # a look is under way
    retired: Mapping[str, datetime] = field(default_factory=dict)  # attempt key -> since when it cannot start any more


@dataclass(frozen=True, slots=True)
class Submit:
    """Commit the next attempt's intent, then send it."""

    row: Tracked


@dataclass(frozen=True, slots=True)
class Doubt:
    """An attempt nobody is waiting for any more: its outcome is unknown."""

    row: Tracked


@dataclass(frozen=True, slots=True)
class Drop:
    """End a row that was never sent."""

    row: Tracked
    to: ExecutionState
    reason: Reason


@dataclass(frozen=True, slots=True)
class Admit:
    """Write down what cannot be done about a row; its state stays, and it is followed on."""

    row: Tracked
    reason: Reason


@dataclass(frozen=True, slots=True)
class Look:
    """One look for all of these; for none: at everything of late."""

    rows: tuple[Tracked, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the remote to stop it."""

    row: Tracked


@dataclass(frozen=True, slots=True)
class Collect:
    """Bring its output home."""

    row: Tracked


_QUEUED = ExecutionState.QUEUED

Action = Submit | Doubt | Drop | Admit | Look | Cancel | Collect


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions to start now, and for each other row the time it waits for."""

    actions: tuple[Action, ...] = ()
    waits: dict[UUID, datetime] = field(default_factory=dict)

    @property
    def wake_at(self) -> datetime | None:
        """The earliest time a row waits for."""
        return min(self.waits.values(), default=None)


CANNOT_STOP = "cannot_stop"
"""Reason code of an execution that should end, at a remote that stops nothing: it may still be running."""


def _cannot_stop(row: Tracked) -> Reason:
    why = "A cancel was asked for" if row.cancel_requested_at is not None else "Its time is over"
    return Reason(CANNOT_STOP, f"{why}, but this remote cannot stop what it runs; it may still be running there.")


def look_interval(age: timedelta, limits: Limits) -> timedelta:
    """How long to leave an execution of this age alone between two looks: an eighth of its age, within limits."""
    return min(max(limits.min_interval, age / 8), limits.max_interval)


def backoff(failures: int, limits: Limits) -> timedelta:
    """How long to wait after so many failures in a row: doubling from a second up to the longest interval."""
    return min(timedelta(seconds=2 ** min(failures, 20)) / 2, limits.max_interval)


def send_window(limits: Limits) -> timedelta:
    """For how long after its intent an attempt may leave. Later it is not sent: another driver may count on that."""
    return min(limits.request_timeout, limits.max_visibility_delay / 2)


def decisive_at(row: Tracked, retired_at: datetime, limits: Limits) -> datetime:
    """From when on a complete look that does not show an attempt in doubt proves that it is not there: the longest
    visibility delay after the last moment at which it can have arrived.

    That moment is past once the doubt is written down (`state_at`), the attempt is retired, and a request that left
    at the end of the send window has had as long again to travel: whoever wrote the doubt need not be who sent it.
    """
    travelled = (row.intent_at or row.state_at) + 2 * send_window(limits)
    return max(row.state_at, retired_at, travelled) + limits.max_visibility_delay


def _cancel_wanted(row: Tracked, now: datetime) -> bool:
    over = row.deadline_at is not None and row.deadline_at <= now
    return over or row.cancel_requested_at is not None


def _cancel_again_at(row: Tracked, limits: Limits) -> datetime | None:
    """When to ask (again) for a cancel; None: at once."""
    return None if row.cancel_asked_at is None else row.cancel_asked_at + 3 * limits.min_interval


def look_due(row: Tracked, now: datetime, view: View, limits: Limits) -> datetime:
    """When the row wants to be looked for: after the visibility delay, then less and less often."""
    since = (row.submitted_at if row.state in LIVE else None) or row.state_at
    seen = view.look.completed_at if view.look else None
    if seen is None or seen < since + limits.visibility_delay:
        due = since + limits.visibility_delay
    else:
        due = seen + look_interval(seen - since, limits)
    retired_at = view.retired.get(row.key) if row.state is ExecutionState.UNCONFIRMED else None
    if retired_at is not None and (seen is None or seen < decisive_at(row, retired_at, limits)):
        due = min(due, decisive_at(row, retired_at, limits))
    if row.cancel_asked_at and (seen is None or seen < row.cancel_asked_at + limits.min_interval):
        due = min(due, row.cancel_asked_at + limits.min_interval)
    if row.deadline_at and row.state in LIVE and now < row.deadline_at:
        due = min(due, row.deadline_at)
    return due


def _look_allowed_at(now: datetime, view: View, limits: Limits) -> datetime:
    """The earliest time of another look: looks are spaced, and further apart the more of them failed."""
    if view.look is None:
        return now
    pause = limits.min_interval
    if view.look.failures:
        pause = max(pause, backoff(view.look.failures, limits))
    return view.look.taken_at + pause


@dataclass(slots=True)
class _Planner:
    """The working state of one call of `plan`."""

    now: datetime
    limits: Limits
    abilities: Abilities
    view: View
    room: int
    calls: int
    cramped: bool = False  # something waits for a place that an ended execution may still hold
    actions: list[Action] = field(default_factory=list)
    waits: dict[UUID, datetime] = field(default_factory=dict)
    to_look: list[tuple[datetime, Tracked]] = field(default_factory=list)

    @property
    def open_at(self) -> datetime:
        """From when on the remote may be called at all."""
        return max(self.now, self.view.throttled_until or self.now)

    def wait(self, row: Tracked, until: datetime) -> None:
        """Later than now, always: a wait for the past would be a busy loop."""
        until = max(until, self.now + timedelta(milliseconds=1))
        self.waits[row.id] = min(until, self.waits.get(row.id, until))

    def afford(self, row: Tracked, cost: int) -> bool:
        """Take `cost` calls out of the budget, or let the row wait."""
        if self.open_at > self.now:
            self.wait(row, self.open_at)
            return False
        if self.calls < cost:
            self.wait(row, self.affordable_at(cost))
            return False
        self.calls -= cost
        return True

    def affordable_at(self, cost: int) -> datetime:
        """When the budget will have grown to `cost`, if nothing else is called meanwhile."""
        return self.now + (cost - self.calls) * timedelta(minutes=1) / max(self.limits.calls_per_minute, 1)

    def held(self, row: Tracked) -> bool:
        """Whether the row was set aside until a later time."""
        if row.retry_at is None or row.retry_at <= self.now:
            return False
        self.wait(row, row.retry_at)
        return True

    def wait_for_deadline(self, row: Tracked) -> None:
        if row.deadline_at is not None and row.deadline_at > self.now:
            self.wait(row, row.deadline_at)

    def queued(self, row: Tracked) -> None:
        if row.cancel_requested_at is not None:
            reason = Reason("cancelled", "Cancelled before it was sent.")
            self.actions.append(Drop(row, ExecutionState.CANCELLED, reason))
        elif row.deadline_at is not None and row.deadline_at <= self.now:
            reason = Reason("time_over", "Its time was over before it could be sent.")
            self.actions.append(Drop(row, ExecutionState.TIMED_OUT, reason))
        elif self.held(row):
            self.wait_for_deadline(row)
        elif self.room <= 0:
            self.wait(row, self.now + self.limits.max_interval)  # a place that becomes free wakes the driver
            self.wait_for_deadline(row)
        elif self.afford(row, self.abilities.submit_calls):
            self.room -= 1
            self.actions.append(Submit(row))

    def live(self, row: Tracked) -> None:
        self.to_look.append((look_due(row, self.now, self.view, self.limits), row))
        if row.id in self.view.busy:
            return
        if not _cancel_wanted(row, self.now):
            self.wait_for_deadline(row)
        elif self.abilities.cancel:
            self.stop(row)
        elif row.reason is None or row.reason.code != CANNOT_STOP:
            self.actions.append(Admit(row, _cannot_stop(row)))

    def stop(self, row: Tracked) -> None:
        again = _cancel_again_at(row, self.limits)
        if again is not None and again > self.now:
            self.wait(row, again)
        elif not self.held(row) and self.afford(row, 1):
            self.actions.append(Cancel(row))

    def collectable(self, row: Tracked) -> None:
        if not self.held(row) and self.afford(row, self.abilities.collect_calls):
            self.actions.append(Collect(row))

    def look(self) -> None:
        """One look for everything, when the first of them is due."""
        if not self.to_look:
            self.look_for_room()
            return
        rows = tuple(row for _, row in self.to_look)
        due = max(min(at for at, _ in self.to_look), _look_allowed_at(self.now, self.view, self.limits), self.open_at)
        cost = self._look_cost(len(rows))
        if self.view.looking:
            due = max(due, self.now + self.limits.min_interval)  # its end wakes the driver
        elif due <= self.now and self.calls >= cost:
            self.actions.append(Look(rows))
            return
        elif due <= self.now:
            due = self.affordable_at(cost)
        for row in rows:
            self.wait(row, due)

    def look_for_room(self) -> None:
        """A look though nothing is followed: what ended executions left behind is found by looking."""
        due = max(self.open_at, _look_allowed_at(self.now, self.view, self.limits))
        if self.cramped and not self.view.looking and due <= self.now and self.calls > 0:
            self.actions.append(Look(()))

    def _look_cost(self, rows: int) -> int:
        """Never more than a minute's budget, or a full house could never be looked at."""
        pages = -(-rows // self.abilities.page_size) if self.abilities.batch_look else rows
        return min(pages, self.limits.calls_per_minute)


def plan(rows: Sequence[Tracked], now: datetime, limits: Limits, abilities: Abilities, view: View) -> Plan:
    """What to start now for these rows of one target, oldest first.

    Never a second submission while one is in flight or in doubt: only a queued row is submitted, and it leaves
    `queued` with the intent. Rows an action is under way for are left alone, except that a look covers them all.
    """
    occupied = sum(row.state in OCCUPYING or (row.state is _QUEUED and row.id in view.busy) for row in rows)
    cramped = abilities.leaves_behind and any(
        r.state is _QUEUED and r.reason and r.reason.code == NO_ROOM for r in rows
    )
    p = _Planner(now, limits, abilities, view, limits.max_live - occupied, view.calls_left, cramped)
    queued: list[Tracked] = []
    for row in rows:
        if row.state in LIVE:
            p.live(row)
        elif row.state is ExecutionState.UNCONFIRMED:
            p.to_look.append((look_due(row, now, view, limits), row))
        elif row.id in view.busy:
            p.wait(row, now + limits.request_timeout)
        elif row.state is _QUEUED:
            queued.append(row)
        elif row.state is ExecutionState.SUBMITTING:
            p.actions.append(Doubt(row))
        elif row.output_state is OutputState.PENDING:
            p.collectable(row)
    p.look()
    for row in queued:  # last, so that new work never starves the following of old work
        p.queued(row)
    return Plan(tuple(p.actions), p.waits)
