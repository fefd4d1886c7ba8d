"""Answers written down beforehand: what a test wants the service to say."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]


class Column(BaseModel):
    """A column of a result, with its type in BigQuery's words."""

    model_config = ConfigDict(extra="forbid")

    name: str
    type: str = "STRING"


class Scripted(BaseModel):
    """The answer to one question. `after`: only when that was the question before. `messages`: system messages sent as
    they are; otherwise the usual ones are made of `sql`, `columns` and `rows` (or of what running `sql` gives, where
    there are no columns), `text`, `followups`; with `error`, that message and no answer."""

    model_config = ConfigDict(extra="forbid")

    question: str
    after: str | None = None
    messages: list[Json] | None = None
    sql: str = ""
    columns: list[Column] = []
    rows: list[list[Any]] = []
    text: str = ""
    followups: list[str] = Field(default=[], max_length=20)
    error: str = ""


def same(one: str, other: str) -> bool:
    """Whether two questions have the same words."""
    return _words(one) == _words(other)


def scripted(answers: Sequence[Scripted], asked: Sequence[str]) -> Scripted | None:
    """The answer to the last question of a conversation; one that fits what came before goes first, then the newest."""
    before = asked[-2] if len(asked) > 1 else None
    fitting = [one for one in reversed(answers) if same(one.question, asked[-1])]
    following = [one for one in fitting if one.after and before and same(one.after, before)]
    return next((one for one in (*following, *(one for one in fitting if not one.after))), None)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
