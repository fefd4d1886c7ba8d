"""Which adapter was seen in which session, and when: what makes absence provable.

Before code is sent into a session for the first time, its adapter is asked who it is, and that is noted, for all
processes that share the ledger. A container serves one session, from its beginning to its end. So an adapter that was
there before an attempt was sent, and is there now, was there all the time: what it denies did not happen. And where
nothing is noted of a session, nothing was ever sent there.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from afield.connectors.adapter.sight import Sight
from afield.connectors.base import Notes, StrictModel

_MOST_PINS = 8
_MOST_SESSIONS = 10_000


class Pin(StrictModel):
    """An adapter that was seen in a session: its boot, when, and since when it remembered runs, by its own clock."""

    boot: str
    at: datetime
    remembers_since: datetime | None = None


class Pins(StrictModel):
    """All that were seen in one session, the newest last. `cut`: there were more, long ago."""

    pins: tuple[Pin, ...] = ()
    cut: bool = False

    @property
    def boot(self) -> str:
        """The one that was seen last."""
        return self.pins[-1].boot if self.pins else ""

    def seen(self, pin: Pin) -> Pins:
        """With what was just seen."""
        if pin.boot == self.boot:
            return self
        pins = (*self.pins, pin)
        return Pins(pins=pins[-_MOST_PINS:], cut=self.cut or len(pins) > _MOST_PINS)

    def show_absent(self, sight: Sight, sent_after: datetime, clock_skew: timedelta) -> bool:
        """Whether a run that `sight` does not show, of an attempt sent at `sent_after` or later, never began."""
        if not self.pins or sight.boot != self.boot or sight.remembers_since is None:
            return False
        pin = self.pins[-1]
        all_the_time = pin.at <= sent_after or (len(self.pins) == 1 and not self.cut)
        forgot_nothing = sight.remembers_since == pin.remembers_since
        return all_the_time and (forgot_nothing or sight.remembers_since + clock_skew <= sent_after)


class PinBook:
    """The notes, and those that were read lately."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._read: OrderedDict[str, Pins] = OrderedDict()

    async def of(self, identifier: str) -> Pins | None:
        """What is noted of a session; None: nothing was ever sent there."""
        if identifier in self._read:
            self._read.move_to_end(identifier)
            return self._read[identifier]
        return await self.fresh(identifier)

    async def fresh(self, identifier: str) -> Pins | None:
        """The same, as it is now: other processes write there, too."""
        text = await self._notes.get(_key(identifier))
        if text is None:
            return None
        pins = Pins.model_validate_json(text)
        self._remember(identifier, pins)
        return pins

    async def note(self, identifier: str, pin: Pin) -> None:
        """Add what was just seen, unless it is noted."""
        if (known := self._read.get(identifier)) is not None and known.boot == pin.boot:
            return
        before = await self.fresh(identifier) or Pins()
        pins = before.seen(pin)
        if pins != before:
            await self._notes.put(_key(identifier), pins.model_dump_json())
        self._remember(identifier, pins)

    async def forget(self, identifier: str) -> None:
        self._read.pop(identifier, None)
        await self._notes.drop(_key(identifier))

    def _remember(self, identifier: str, pins: Pins) -> None:
        self._read[identifier] = pins
        self._read.move_to_end(identifier)
        while len(self._read) > _MOST_SESSIONS:
            self._read.popitem(last=False)


def _key(identifier: str) -> str:
    return f"session/{identifier}"
