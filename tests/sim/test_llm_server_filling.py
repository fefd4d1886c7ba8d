"""Good answers satisfy the schema they are for, whichever types it is made of."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from afield_sim.llm.filling import CannotFillError, fill, words

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slug: Slug
    colour: Colour
    day: date
    size: Annotated[int, Field(gt=3, le=9)]
    part: Annotated[float, Field(gt=0, lt=1)]
    left: int = 0


class Tree(BaseModel):
    kind: Literal["oak"]
    leaves: tuple[Leaf, ...] = Field(min_length=3, max_length=5)
    pair: tuple[int, str]
    best: Leaf | None
    note: Annotated[str, Field(min_length=40, max_length=45)]
    wide: Annotated[int, Field(multiple_of=7, ge=30)]
    low: Annotated[float, Field(le=-4)]


def test_what_is_filled_in_is_valid_and_repeatable():
    schema = Tree.model_json_schema()
    tree = Tree.model_validate(fill(schema))
    assert tree == Tree.model_validate(fill(schema)) and tree != Tree.model_validate(fill(schema, seed=9))
    assert tree.best and tree.wide == 35 and len(tree.leaves) == 3
    slugs = [leaf.slug for leaf in tree.leaves]
    assert len({*slugs}) == 3


def test_what_cannot_be_filled_says_so():
    class Endless(BaseModel):
        again: Endless

    with pytest.raises(CannotFillError, match="circles"):
        fill(Endless.model_json_schema())
    with pytest.raises(CannotFillError, match="nothing is"):
        fill({"type": "nothing is"})


def test_words_differ():
    source = words()
    first = [next(source) for _ in range(32_768)]
    assert len({*first}) == 32_768 and first[0] == "Amber Bay Amber"
