"""Faults of any service, and the seeded chance that decides whether one strikes.

A fault that carries `next`, `probability` or `skip` strikes by count or by chance; with none of them it strikes every
time.
"""

import random

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from .counters import Counters

EVERYWHERE = "*"
"""Key of the faults of everything that has none of its own."""


class Fault(BaseModel):
    """Base of all faults: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    _place: tuple[str, str] = PrivateAttr(("", ""))

    def put_at(self, key: str, name: str) -> None:
        """Say under which key and name the fault is set, for counting."""
        self._place = key, name

    @property
    def place(self) -> tuple[str, str]:
        """Under which key and name the fault is set."""
        return self._place


class Striking(Fault):
    """A fault that strikes single calls: after `skip` calls, for the `next` calls, with a `probability`."""

    next: int | None = Field(default=None, ge=0)
    probability: float | None = Field(default=None, ge=0, le=1)
    skip: int = Field(default=0, ge=0)


class Chance:
    """Decides, and counts what struck. The same seed decides the same."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._counters = counters

    def strikes(self, fault: Striking) -> bool:
        """Whether `fault` strikes now; counts it."""
        if fault.next == 0:
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.probability is not None and self._chance.random() >= fault.probability:
            return False
        if fault.next is not None:
            fault.next -= 1
        key, name = fault.place
        self._counters.faults[key][name] += 1
        return True
