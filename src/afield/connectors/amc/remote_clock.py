"""AMC's clock, as far as the Date headers of its replies tell it."""

from __future__ import annotations

from datetime import datetime, timedelta

from afield.connectors.amc.answer import parse_http_date

_RESOLUTION = timedelta(seconds=2)  # a Date is cut to whole seconds and was some time on its way


class RemoteClock:
    """Learns how far the remote's clock is ahead of ours, and translates our times into its."""

    def __init__(self) -> None:
        self._offset: timedelta | None = None
        self._last_date = ""

    @property
    def offset(self) -> timedelta | None:
        """How far the remote is ahead; None until it was heard. Differences below the resolution are no difference."""
        return self._offset

    def learn(self, date: str | None, now: datetime) -> None:
        """Take a Date header that was received at `now`."""
        if not date or date == self._last_date:
            return
        self._last_date = date
        said = parse_http_date(date)
        if said is None:
            return
        offset = said + timedelta(seconds=0.5) - now
        offset = offset if abs(offset) > _RESOLUTION else timedelta()
        if self._offset is None or abs(offset - self._offset) > _RESOLUTION:
            self._offset = offset

    def there(self, here: datetime) -> datetime:
        """The remote's time at our time `here`."""
        return here + (self._offset or timedelta())
