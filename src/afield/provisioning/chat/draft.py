"""What a question says, piece by piece, before it is decided what it means. Changed while a question is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from afield.provisioning.chat.cues import Cue
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.chat.time import Mention, TimeKind
from afield.provisioning.query import Grain, Operator

Options = tuple[Meaning, ...]
"""What one place in the question may mean, best first."""


@dataclass(slots=True)
class Condition:
    """Values that rows must have, or must not."""

    options: Options
    negated: bool = False


@dataclass(slots=True)
class Bound:
    """A measure compared with a number."""

    options: Options
    operator: Operator
    number: float


@dataclass(slots=True)
class Unknown:
    """A word that nothing explains. `role`: what kind of word stood before it."""

    text: str
    role: Cue | None


@dataclass(slots=True)
class Draft:
    """All that a question says."""

    measures: list[Options] = field(default_factory=list)
    ordered_by: Options = ()
    per: list[Options] = field(default_factory=list)  # measures after `per`: revenue per order
    within: list[Options] = field(default_factory=list)  # measures after `of`: revenue of late orders
    breakdowns: list[Options] = field(default_factory=list)
    grain: Grain | None = None
    growth: Grain | None = None
    conditions: list[Condition] = field(default_factory=list)
    everything: list[Options] = field(default_factory=list)  # dimensions of which all is wanted
    bounds: list[Bound] = field(default_factory=list)
    counted: list[Options] = field(default_factory=list)  # dimensions after `how many`
    together: bool = False  # they and the measures are both asked for, joined by `and`
    periods: list[Mention] = field(default_factory=list)
    against: Mention | None = None  # the one of them that is compared with
    times: set[TimeKind] = field(default_factory=set)
    cues: set[Cue] = field(default_factory=set)
    first: Cue | None = None  # the cue that the question begins with
    descending: bool | None = None
    limit: int | None = None
    nested: bool = False  # a ranking within each of something
    unknown: list[Unknown] = field(default_factory=list)
    misread: tuple[tuple[str, str], ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing of it is about the data."""
        names = (*self.measures, *self.per, *self.within, *self.breakdowns, *self.counted, *self.everything)
        limits = (*self.conditions, *self.bounds, *self.periods, *self.times)
        return not (names or limits or self.ordered_by or self.grain or self.growth or self.limit)
