"""What is remembered of executions from call to call, to save calls. Losing it costs calls, never truth."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from afield.connectors.base import Entry, RemoteState

_SPARE = 1000  # executions that no look asks about (yet), kept all the same, beside as many as may be live


class Memory:
    """When executions were created by AMC's clock, and their last entry once they succeeded."""

    def __init__(self, most_live: int = 0) -> None:
        self._spare = _SPARE + 2 * most_live
        self._created: dict[str, datetime] = {}
        self._succeeded: dict[str, Entry] = {}

    def learn(self, entry: Entry) -> None:
        if entry.created_at is not None:
            self._created[entry.handle] = entry.created_at
        if entry.state is RemoteState.SUCCEEDED:
            self._succeeded[entry.handle] = entry

    def created_at(self, handle: str) -> datetime | None:
        return self._created.get(handle)

    def take_succeeded(self, handle: str) -> Entry | None:
        """The entry of an execution that succeeded, once."""
        return self._succeeded.pop(handle, None)

    def trim(self, wanted: Collection[str]) -> None:
        """Forget the oldest that are not wanted any more, when there are many."""
        if len(self._created) > 2 * len(wanted) + self._spare:
            newest = dict(list(self._created.items())[-self._spare :])
            self._created = {one: when for one in wanted if (when := self._created.get(one))} | newest
        while len(self._succeeded) > self._spare:
            del self._succeeded[next(iter(self._succeeded))]
