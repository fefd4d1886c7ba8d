"""What a person asks for: a website, and in advanced mode what the demo is to be about."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Frozen(BaseModel):
    """Base of what agents hand on: unknown fields are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoMode(StrEnum):
    """How much the person says."""

    DEFAULT = "default"
    CRAZY_FROG = "crazy_frog"  # the advanced mode


class Complexity(StrEnum):
    """How large the model becomes."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"


class Brief(Frozen):
    """The order for one demo. All that is given reaches every agent."""

    customer_url: str = Field(min_length=1, max_length=2048)
    mode: DemoMode = DemoMode.DEFAULT
    use_case_context: str = Field(default="", max_length=10_000)
    industry_hint: str = Field(default="", max_length=200)
    target_persona: str = Field(default="", max_length=200)
    demo_complexity: Complexity = Complexity.MEDIUM
    special_focus: tuple[Phrase, ...] = Field(default=(), max_length=20)
    integrations: tuple[Phrase, ...] = Field(default=(), max_length=20)
    avoid_topics: tuple[Phrase, ...] = Field(default=(), max_length=20)
