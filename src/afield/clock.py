"""The one door to the time, so that a test can hold the hands of the clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time (always aware, UTC) and waits for it."""

    def now(self) -> datetime:
        """The current time, UTC."""
        ...

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        """Wait until `wake` is set or the time comes; True when it was woken early."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, wake: asyncio.Event, until: datetime) -> bool:
        delay = max(0.0, (until - self.now()).total_seconds())
        try:
            async with asyncio.timeout(delay):
                await wake.wait()
        except TimeoutError:
            return wake.is_set()
        return True
