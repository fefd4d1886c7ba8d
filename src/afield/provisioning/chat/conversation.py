"""A conversation: what was asked, what it was taken for, and so what a follow-up goes on from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from afield.model.ids import uuid7
from afield.provisioning.brief import Frozen
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Reading, Understood
from afield.provisioning.chat.understand import State

_REMEMBERED = 50


class Turn(Frozen):
    """One question, what became of it, and what was offered to ask next. `failed`: why there was no answer."""

    question: str
    reading: Reading | None = None
    offered: tuple[Option, ...] = ()
    failed: str = ""


class Record(Frozen):
    """A conversation to be stored."""

    id: UUID
    turns: tuple[Turn, ...]


@dataclass(slots=True)
class Conversation:
    """Remembers its last turns."""

    id: UUID = field(default_factory=uuid7)
    turns: list[Turn] = field(default_factory=list)

    @property
    def state(self) -> State:
        """What the next question goes on from."""
        query = None
        for turn in self.turns:
            if isinstance(turn.reading, Understood):
                query = turn.reading.query
            elif isinstance(turn.reading, Outside) and turn.reading.fresh:
                query = None
        last = self.turns[-1] if self.turns else None
        if last is None:
            return State()
        return State(query=query, offered=last.offered, asked=isinstance(last.reading, Ask))

    def remember(self, turn: Turn) -> None:
        """Add a turn; the oldest are forgotten."""
        self.turns.append(turn)
        del self.turns[:-_REMEMBERED]

    def dump(self) -> str:
        """As JSON."""
        return Record(id=self.id, turns=tuple(self.turns)).model_dump_json()

    @classmethod
    def load(cls, text: str) -> Self:
        """From `dump`. Raises pydantic's ValidationError."""
        record = Record.model_validate_json(text)
        return cls(id=record.id, turns=list(record.turns))
