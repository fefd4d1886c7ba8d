"""What a language model was asked and what it costs."""

from __future__ import annotations

from pydantic import Field

from afield.provisioning.brief import Frozen
from afield.provisioning.llm.settings import LlmSettings


class Usage(Frozen):
    """Answers that came, tokens as the provider counts them, and the estimated cost in US dollars where prices are
    configured. Requests that were throttled, cut off or given up are not in it: nobody says what they used."""

    requests: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        known = [one for one in (self.cost, other.cost) if one is not None]
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=sum(known) if known else None,
        )

    def __sub__(self, earlier: Usage) -> Usage:
        """What came after `earlier`, which is a part of this."""
        cost = None if self.cost is None else self.cost - (earlier.cost or 0.0)
        return Usage(
            requests=self.requests - earlier.requests,
            input_tokens=self.input_tokens - earlier.input_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            cost=cost,
        )

    def __str__(self) -> str:
        cost = "" if self.cost is None else f", about {self.cost:.4f} US dollars"
        return f"{self.requests} answers, {self.input_tokens:,} tokens sent, {self.output_tokens:,} answered{cost}"


def priced(requests: int, input_tokens: int, output_tokens: int, settings: LlmSettings) -> Usage:
    """A usage with its cost; None for the cost unless both prices are configured."""
    cost = None
    if settings.price_input is not None and settings.price_output is not None:
        cost = (input_tokens * settings.price_input + output_tokens * settings.price_output) / 1_000_000
    return Usage(requests=requests, input_tokens=input_tokens, output_tokens=output_tokens, cost=cost)
