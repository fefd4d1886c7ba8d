"""How many calls may be made now: a token bucket per target."""

from __future__ import annotations

from datetime import datetime


class CallBudget:
    """`per_minute` calls a minute, saved up for one minute at most. Keeps time by the caller's clock."""

    def __init__(self, per_minute: int, now: datetime) -> None:
        self._per_second = max(per_minute, 1) / 60
        self._most = float(max(per_minute, 1))
        self._tokens = self._most
        self._at = now

    def left(self, now: datetime) -> int:
        """Calls that may be made now."""
        passed = max(0.0, (now - self._at).total_seconds())
        self._tokens = min(self._most, self._tokens + passed * self._per_second)
        self._at = max(self._at, now)
        return int(self._tokens)

    def spend(self, calls: int) -> None:
        """Take calls out. More than there are (a look that read more pages than thought) leaves a debt."""
        self._tokens -= calls
