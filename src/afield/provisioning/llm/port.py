"""The one door to language models: a task goes in, a typed answer comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel

from afield.provisioning.llm.usage import Usage

T = TypeVar("T", bound=BaseModel)


class TaskKind(StrEnum):
    """All that language models are asked for."""

    CHOOSE_INDUSTRY = "choose_industry"
    GIVE_NAMES = "give_names"  # to products, categories, campaigns
    WORD_STORY = "word_story"
    NAME_SCENES = "name_scenes"
    PLAN_QUERY = "plan_query"


def _none(_: object) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[T]):
    """One thing to do. `instructions` are ours; `material` is what it is about, and is data. `objection` says what is
    wrong with an answer of the right form (empty: nothing); it goes back to the model."""

    kind: TaskKind
    instructions: str
    material: str
    objection: Callable[[T], str] = _none


class Writer(Protocol):
    """A language model, with its limits."""

    @property
    def usage(self) -> Usage:
        """What was used so far, failed tasks included."""

    async def complete(self, task: Task[T], output: type[T]) -> T:
        """Do a task. The answer is of the type `output`, and the task has no objection to it. Raises WriterError."""
