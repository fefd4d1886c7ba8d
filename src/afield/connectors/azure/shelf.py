"""What a connector remembers of its run commands, so that it need not ask again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from afield.connectors.azure.view import RunCommandView
from afield.connectors.azure.wire import over

_MOST_KEYS = 2000


@dataclass(slots=True)
class Shelf:
    """Views by name. A cancelled run command is deleted, so what it last said is only here."""

    most: int  # ended views kept
    ended: dict[str, RunCommandView] = field(default_factory=dict)
    cancelled: dict[str, RunCommandView] = field(default_factory=dict)
    sent: dict[str, None] = field(default_factory=dict)  # keys of attempts that left, oldest first
    operations: dict[str, str] = field(default_factory=dict)  # where to ask how the delivery of a script went

    def learn(self, views: Iterable[RunCommandView], wanted: frozenset[str]) -> None:
        """Keep the ended ones among those wanted, the latest of them."""
        for view in views:
            if over(view) and view.name in wanted:
                self.ended.pop(view.name, None)
                self.ended[view.name] = view
        _trim(self.ended, self.most)

    def last_word(self, name: str) -> RunCommandView | None:
        """What there is to collect without asking."""
        return self.ended.get(name) or self.cancelled.get(name)

    def bury(self, view: RunCommandView) -> None:
        """Remember what a run command said before it was deleted to stop it."""
        self.cancelled[view.name] = view
        _trim(self.cancelled, self.most)

    def mark_sent(self, key: str) -> bool:
        """Whether the attempt leaves for the first time."""
        if key in self.sent:
            return False
        self.sent[key] = None
        _trim(self.sent, _MOST_KEYS)
        return True

    def delivered_by(self, key: str, operation: str) -> None:
        """Remember which operation delivers a script."""
        if operation:
            self.operations[key] = operation
            _trim(self.operations, _MOST_KEYS)

    def forget(self, name: str) -> None:
        """All of it is collected."""
        self.operations.pop(name, None)
        self.ended.pop(name, None)
        self.cancelled.pop(name, None)


def _trim(kept: dict[str, RunCommandView] | dict[str, None] | dict[str, str], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
