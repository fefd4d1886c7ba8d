"""Token buckets: what a virtual machine and a subscription may be asked in a while. Pure; time is given.

Figures: Microsoft Learn, "Throttling limits for Azure Compute" and "Understand how Azure Resource Manager
throttles requests".
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .calls import Group, Traffic

SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a bucket holds, and how much flows in per second."""

    burst: float
    per_second: float


def per_minute(refill: float, burst: float) -> Rate:
    """A rate given by its refill per minute."""
    return Rate(burst, refill / 60)


VM_RATES: Mapping[Group, Rate] = {
    Group.UPDATE: per_minute(4, 12),
    Group.DELETE: per_minute(4, 12),
    Group.LOW_COST_GET: per_minute(12, 36),
    Group.OPERATION: per_minute(15, 45),
}
SUBSCRIPTION_RATES: Mapping[Group, Rate] = {
    Group.UPDATE: per_minute(500, 1_500),
    Group.DELETE: per_minute(500, 1_500),
    Group.LOW_COST_GET: per_minute(8_000, 24_000),
    Group.HIGH_COST_GET: per_minute(300, 900),
    Group.OPERATION: per_minute(5_000, 15_000),
}
TRAFFIC_RATES: Mapping[Traffic, Rate] = {
    Traffic.READS: Rate(250, 25),
    Traffic.WRITES: Rate(200, 10),
    Traffic.DELETES: Rate(200, 10),
}


@dataclass(slots=True)
class Bucket:
    """A bucket with `level` tokens at the time `at` (seconds)."""

    rate: Rate
    level: float
    at: float

    def refill(self, now: float) -> None:
        """Let in what has come since; a clock that went back brings nothing."""
        self.level = min(self.rate.burst, self.level + max(0.0, now - self.at) * self.rate.per_second)
        self.at = now

    def wait(self) -> float:
        """Seconds until there is a whole token."""
        return max(0.0, 1 - self.level) / self.rate.per_second


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the budgets allow a call, what is left of each, and when to come back (whole seconds)."""

    allowed: bool
    left: Mapping[str, int]
    retry_after: int = 0


class Throttle:
    """All buckets; `scale` widens or narrows them. Calls beyond a budget are counted, enforced or not."""

    def __init__(self) -> None:
        self.scale = 1.0
        self.violations: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def reset(self, scale: float) -> None:
        """All buckets full, of a new width, and no violations."""
        self.scale = scale
        self.violations.clear()
        self._buckets.clear()

    def spend_group(self, group: Group, vm: str | None, now: float) -> Verdict:
        """Take a token of a Compute budget: the machine's (if there is one) and the subscription's."""
        rates = {SUBSCRIPTION: SUBSCRIPTION_RATES[group]}
        if vm is not None and group in VM_RATES:
            rates = {vm: VM_RATES[group], **rates}
        return self._spend(group, rates, now)

    def spend_traffic(self, traffic: Traffic, now: float) -> Verdict:
        """Take a token of a Resource Manager budget."""
        return self._spend(traffic, {SUBSCRIPTION: TRAFFIC_RATES[traffic]}, now)

    def _spend(self, name: str, rates: Mapping[str, Rate], now: float) -> Verdict:
        buckets = {scope: self._bucket(scope, name, rate, now) for scope, rate in rates.items()}
        short = [scope for scope, bucket in buckets.items() if bucket.level < 1]
        self.violations.update((scope, name) for scope in short)
        if not short:
            for bucket in buckets.values():
                bucket.level -= 1
        left = {scope: int(bucket.level) for scope, bucket in buckets.items()}
        wait = max(buckets[scope].wait() for scope in short) if short else 0.0
        return Verdict(not short, left, math.ceil(wait))

    def _bucket(self, scope: str, name: str, rate: Rate, now: float) -> Bucket:
        scaled = Rate(rate.burst * self.scale, rate.per_second * self.scale)
        bucket = self._buckets.setdefault((scope, name), Bucket(scaled, scaled.burst, now))
        bucket.refill(now)
        return bucket
