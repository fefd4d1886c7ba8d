"""What an agent is: a name, what it reads of the others' work, and a function from that to a typed output."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from afield.model.jsontypes import JsonValue
from afield.provisioning.agents.names import AgentName
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Frozen
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.progress import Teller
from afield.provisioning.settings import ProvisionSettings

In = TypeVar("In", bound=Frozen)
Out = TypeVar("Out", bound=Frozen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where an agent works. What it puts into `folder` becomes part of its artefact. `until`: its deadline, by the
    monotonic clock."""

    order: JobOrder
    home: Path  # Afield's
    shelf: Shelf
    folder: Path
    settings: ProvisionSettings
    llm: LlmSettings
    tell: Teller
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """An output in short, for people who follow."""

    message: str
    data: dict[str, JsonValue]


class Agent(ABC, Generic[In, Out]):
    """One of the seven."""

    name: ClassVar[AgentName]
    version: ClassVar[int] = 1
    """Grows when the same input is to give another output."""

    output: type[Out]

    @abstractmethod
    def gather(self, order: JobOrder, shelf: Shelf) -> In:
        """Its input, from the order and from what the agents before it made. Raises NotFoundError."""

    @abstractmethod
    async def work(self, given: In, bench: Bench) -> Out:
        """Do it. May block: it has a process to itself. Raises AfieldError."""

    @abstractmethod
    def summary(self, made: Out) -> Summary:
        """The output in short."""

    def objection(self, made: Out) -> str:
        """Why the job must not go on with this output; empty: it may. The output is kept, and not used again."""
        return ""

    def beside(self, order: JobOrder, llm: LlmSettings) -> str:
        """What else its output depends on, such as which language model it asks. Empty: nothing."""
        return ""

    def digest(self, given: In, beside: str = "") -> str:
        """Names the input: what is made from it again is the same."""
        text = f"{self.name}\n{self.version}\n{given.model_dump_json()}" + (f"\n{beside}" if beside else "")
        return hashlib.sha256(text.encode()).hexdigest()[:32]
