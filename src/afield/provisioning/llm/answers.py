"""What a language model may answer. Every answer is bounded, and has room for nothing but what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints, create_model

from afield.provisioning.brief import Frozen

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]


class IndustryChoice(Frozen):
    """The industry that fits best."""

    industry: str = Field(max_length=60)


class Names(Frozen):
    """Names, one for each that was asked for, in that order."""

    names: tuple[Line, ...]


class StoryWords(Frozen):
    """A story's title and its first sentences."""

    title: Line
    opening: Paragraph


class SceneWords(Frozen):
    """A scene's title, and what somebody worries about."""

    title: Line
    worry: Line


class Scenes(Frozen):
    """Scenes, one for each that was asked for, in that order."""

    scenes: tuple[SceneWords, ...]


def one_of(names: Sequence[str]) -> Any:
    """The type of a text whose schema lists what it can be. That it is one of them is for the task to check, so that
    the objection can say what there is."""
    return Annotated[str, Field(json_schema_extra={"enum": list(names)})]


def choice_of(industries: Sequence[str]) -> type[IndustryChoice]:
    """The answer's type where these are to choose from."""
    return create_model("IndustryChoice", __base__=IndustryChoice, industry=(one_of(industries), ...))


def so_many_names(count: int) -> type[Names]:
    """The answer's type where so many names are asked for."""
    field = Field(min_length=count, max_length=count)
    return create_model("Names", __base__=Names, names=(tuple[Line, ...], field))


def so_many_scenes(count: int) -> type[Scenes]:
    """The answer's type where so many scenes are asked for."""
    field = Field(min_length=count, max_length=count)
    return create_model("Scenes", __base__=Scenes, scenes=(tuple[SceneWords, ...], field))
