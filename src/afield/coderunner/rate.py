"""How fast a pool serves, and what follows for who has to wait. Pure: times are given, in seconds of any clock."""

from __future__ import annotations

import math
from collections import deque

_REMEMBERED = 64
_SHORTEST, _LONGEST = 1, 300
_UNKNOWN = 5  # nothing was served yet
_SHARE = 10  # a queue is shorter when a tenth of it was served


class ServiceRate:
    """Runs served lately."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_REMEMBERED)

    def served(self, at: float) -> None:
        """A run gave its place back."""
        self._ends.append(at)

    def per_second(self, now: float) -> float | None:
        """Runs a second over the last of them, and up to now, so that it falls while nothing ends; None: not known."""
        if len(self._ends) < 2:
            return None
        return (len(self._ends) - 1) / max(now - self._ends[0], 1e-6)

    def retry_after(self, waiting: int, sharers: int, now: float) -> int:
        """Whole seconds until `waiting` runs are a tenth fewer, where `sharers` users take turns."""
        rate = self.per_second(now)
        if not rate:
            return _UNKNOWN
        seconds = math.ceil(waiting / _SHARE) * max(sharers, 1) / rate
        return min(max(math.ceil(seconds), _SHORTEST), _LONGEST)
