"""The pace at which Azure lets one VM, and one caller, call: token buckets, shared by all of this process.

Source: Microsoft Learn, compute-throttling-limits (a VM) and request-limits-and-throttling (a caller in a
subscription): calls a minute, and the burst that is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from afield.connectors.azure.view import VmView
from afield.model.jsontypes import JsonObject

_MOST_VMS_REMEMBERED = 5000
FRESH = timedelta(minutes=5)
"""How long a pre-flight holds."""


class CallKind(StrEnum):
    """What counts together, for a VM or for a caller."""

    UPDATE = "update"  # run commands started, restart, start, extensions
    DELETE = "delete"  # run commands deleted: an update of the VM
    READ = "read"  # the VM, its instance view, run commands: one, or the list
    POLL = "poll"  # how far an operation is


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and how often at once."""

    per_minute: float
    burst: float

    def scaled(self, factor: float) -> Pace:
        return Pace(self.per_minute * factor, max(1.0, self.burst * factor))


PACES = {
    CallKind.UPDATE: Pace(per_minute=4, burst=12),
    CallKind.READ: Pace(per_minute=12, burst=36),
    CallKind.POLL: Pace(per_minute=15, burst=45),
}

CALLER_PACES = {
    CallKind.UPDATE: Pace(per_minute=600, burst=200),
    CallKind.DELETE: Pace(per_minute=600, burst=200),
    CallKind.READ: Pace(per_minute=1500, burst=250),
}

_FOR_A_VM = {CallKind.DELETE: CallKind.UPDATE}
_FOR_A_CALLER = {CallKind.POLL: CallKind.READ}


@dataclass(slots=True)
class Bucket:
    """Permission to call, which grows with time up to the burst. `left` was true at `at`."""

    pace: Pace
    left: float
    at: datetime

    @classmethod
    def full(cls, pace: Pace, now: datetime) -> Bucket:
        return cls(pace, pace.burst, now)

    def available(self, now: datetime) -> float:
        """How many calls are allowed now. A clock that goes back gives nothing and takes nothing."""
        grown = max(0.0, (now - self.at).total_seconds()) / 60 * self.pace.per_minute
        return min(self.pace.burst, self.left + grown)

    def take(self, now: datetime, *, spare: float = 0) -> timedelta:
        """Take one call, leaving `spare` for others; zero when it was granted, else how long until it may be."""
        available = self.available(now)
        lacking = 1 + spare - available
        if lacking > 1e-9:
            return timedelta(minutes=lacking / self.pace.per_minute)
        self.left, self.at = available - 1, max(now, self.at)
        return timedelta()


def _full(paces: Mapping[CallKind, Pace], now: datetime, factor: float) -> dict[CallKind, Bucket]:
    return {kind: Bucket.full(pace.scaled(factor), now) for kind, pace in paces.items()} if factor else {}


@dataclass(slots=True)
class CallerPace:
    """The budgets of one caller in one subscription, all VMs together; without any, everything is allowed."""

    buckets: dict[CallKind, Bucket]

    @classmethod
    def fresh(cls, now: datetime, factor: float) -> CallerPace:
        return cls(_full(CALLER_PACES, now, factor))

    def take(self, kind: CallKind, now: datetime) -> timedelta:
        bucket = self.buckets.get(_FOR_A_CALLER.get(kind, kind))
        return timedelta() if bucket is None else bucket.take(now)


@dataclass(slots=True)
class VmPace:
    """The budgets of one VM, and what saves calls of them; without any, everything is allowed."""

    buckets: dict[CallKind, Bucket]
    to_delete: dict[str, None] = field(default_factory=dict)  # run commands whose deletion was put off, oldest first
    passed: tuple[VmView, datetime] | None = None  # the VM when it last passed a pre-flight; holds for FRESH

    @classmethod
    def fresh(cls, now: datetime, factor: float) -> VmPace:
        return cls(_full(PACES, now, factor))

    def take(self, kind: CallKind, now: datetime, *, spare: float = 0) -> timedelta:
        bucket = self.buckets.get(_FOR_A_VM.get(kind, kind))
        return timedelta() if bucket is None else bucket.take(now, spare=spare)

    def fit(self, now: datetime) -> VmView | None:
        """The VM as it passed a pre-flight lately."""
        return self.passed[0] if self.passed is not None and now - self.passed[1] < FRESH else None

    def rested(self, now: datetime) -> bool:
        """Whether forgetting it would change nothing."""
        return (
            not self.to_delete
            and self.fit(now) is None
            and all(bucket.available(now) >= bucket.pace.burst for bucket in self.buckets.values())
        )


@dataclass(slots=True)
class Paces:
    """The budgets of many VMs, by VM; those that are full again are forgotten."""

    most: int = _MOST_VMS_REMEMBERED
    vms: dict[tuple[str, float], VmPace] = field(default_factory=dict)
    callers: dict[tuple[str, float], CallerPace] = field(default_factory=dict)

    def of(self, vm: str, factor: float, now: datetime) -> VmPace:
        """The VM's budgets, times `factor`."""
        found = self.vms.get((vm, factor))
        if found is None:
            self._forget_rested(now)
            found = self.vms[vm, factor] = VmPace.fresh(now, factor)
        return found

    def of_caller(self, caller: str, factor: float, now: datetime) -> CallerPace:
        """The budgets of a caller (identity and subscription), times `factor`."""
        found = self.callers.get((caller, factor))
        if found is None:
            found = self.callers[caller, factor] = CallerPace.fresh(now, factor)
        return found

    def clear(self) -> None:
        """Forget everything, as a process that starts."""
        self.vms.clear()
        self.callers.clear()

    def _forget_rested(self, now: datetime) -> None:
        if len(self.vms) >= self.most:
            self.vms = {vm: pace for vm, pace in self.vms.items() if not pace.rested(now)}


def pace_factor(settings: JsonObject) -> float:
    """The setting `pace`: the share of Azure's limits to use, 1 by default, 0 for no limits. Raises ValueError."""
    value = settings.get("pace", 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"setting 'pace' must be a number of at least 0, not {value!r}")
    return float(value)


process_paces = Paces()
"""The budgets of this process: both connectors for a VM share them, and they outlive a connector."""
