"""The one source of time of a simulator; it can be moved forward and replaced."""

import time
from collections.abc import Callable


class Clock:
    """Seconds since 1970 in UTC, from a source plus an offset that only grows."""

    def __init__(self, source: Callable[[], float] = time.time, offset: float = 0.0) -> None:
        self._source = source
        self.offset = offset

    def now(self) -> float:
        """The time now, in seconds since 1970."""
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`; going back raises ValueError."""
        if seconds < 0:
            raise ValueError("time only moves forward")
        self.offset += seconds
