"""Points in time that never go back while the process lives, so that they can be compared."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The wall's time when the process began, and from then on the time that has passed."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._at = time.monotonic()

    def now(self) -> datetime:
        """In UTC."""
        return self._began + timedelta(seconds=time.monotonic() - self._at)


def rfc3339(moment: datetime) -> str:
    """With microseconds, and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
