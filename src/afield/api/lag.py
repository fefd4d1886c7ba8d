"""How late the event loop is: something that blocks it shows here before callers notice."""

from __future__ import annotations

import asyncio
import time
from collections import deque

_EVERY = 0.25
_REMEMBERED = 40  # measurements: ten seconds of them


class LoopLag:
    """The worst delay of the event loop in the last ten seconds, in seconds."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self._due: float | None = None

    @property
    def worst(self) -> float:
        """Includes what the loop is late right now."""
        overdue = time.monotonic() - self._due if self._due is not None else 0.0
        return max([0.0, overdue, *self._late])

    async def measure(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = time.monotonic() + _EVERY
            await asyncio.sleep(_EVERY)
            self._late.append(time.monotonic() - self._due)
