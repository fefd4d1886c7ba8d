"""Whether anything goes on: requests in flight, runs under way; and when the last of it ended."""

from __future__ import annotations

import time


class Activity:
    """Counts what goes on."""

    def __init__(self) -> None:
        self._going_on = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        """A request has come, a run has begun."""
        self._going_on += 1

    def end(self) -> None:
        """It is over."""
        self._going_on -= 1
        self._last = time.monotonic()

    def restart(self) -> None:
        """Count from now."""
        self._last = time.monotonic()

    def quiet_for(self) -> float:
        """Seconds since the last of it ended; 0 while something goes on."""
        return 0.0 if self._going_on else time.monotonic() - self._last
