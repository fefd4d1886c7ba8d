"""What one job has asked of language models: a line for every task, in a file of the job's folder.

A line is one short append, so processes may write at once, and one that is killed has booked all tasks it finished.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path

from pydantic import ValidationError

from afield.model.jsontypes import JsonObject
from afield.provisioning.brief import Frozen
from afield.provisioning.llm.usage import Usage

CHAT = "chat"
"""Who asks when a question of the chat is read. It is counted, and does not use up what the agents may ask."""


class Booking(Frozen):
    """What one task used. `who`: the agent's name, or the chat."""

    who: str
    usage: Usage


class Account:
    """Of one job. Its calls block for as long as a small file takes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "usage.jsonl"

    def book(self, who: str, usage: Usage) -> None:
        """Count a task."""
        line = Booking(who=who, usage=usage).model_dump_json().encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def by_asker(self) -> Mapping[str, Usage]:
        """What each agent used in all its attempts, and the chat. A line that was cut off is passed over."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        found: defaultdict[str, Usage] = defaultdict(Usage)
        for line in lines:
            try:
                booking = Booking.model_validate_json(line)
            except ValidationError:
                continue
            found[booking.who] += booking.usage
        return dict(found)

    def spent(self) -> Usage:
        """What counts against the job's limits: all but the chat."""
        return total({who: usage for who, usage in self.by_asker().items() if who != CHAT})

    def summary(self) -> JsonObject:
        """For people: all together, and by who asked."""
        used = self.by_asker()
        by: JsonObject = {who: usage.model_dump() for who, usage in used.items()}
        return {**total(used).model_dump(), "by": by}


def total(usages: Mapping[str, Usage]) -> Usage:
    """All together."""
    return reduce(add, usages.values(), Usage())
