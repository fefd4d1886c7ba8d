"""What can become of a question: understood, asked back, or outside of what the data can tell."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from afield.provisioning.brief import Frozen
from afield.provisioning.query import Query


class Option(Frozen):
    """Something that can be asked: the query, ready to run, and how to say it."""

    wording: str
    query: Query


class Understood(Frozen):
    """What the question means. `notes`: what was read otherwise than it was written."""

    kind: Literal["understood"] = "understood"
    query: Query
    wording: str
    shown: tuple[str, ...]
    notes: tuple[str, ...] = ()
    confidence: float = Field(ge=0, le=1)


class Ask(Frozen):
    """A question back."""

    kind: Literal["ask"] = "ask"
    question: str
    options: tuple[Option, ...] = Field(min_length=1)


class Outside(Frozen):
    """It cannot be answered from this data. What can is suggested. `fresh`: what was said before is forgotten."""

    kind: Literal["outside"] = "outside"
    reason: str
    suggestions: tuple[Option, ...] = ()
    fresh: bool = False


Reading: TypeAlias = Annotated[Understood | Ask | Outside, Field(discriminator="kind")]
