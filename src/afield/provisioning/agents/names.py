"""The seven agents by name, in the order they work."""

from __future__ import annotations

from enum import StrEnum


class AgentName(StrEnum):
    """What people read, and the names of a session's steps."""

    RESEARCH = "Research Agent"
    STORY = "Demo Story Agent"
    MODEL = "Data Modeling Agent"
    DATA = "Synthetic Data Generator"
    INFRASTRUCTURE = "Infrastructure Agent"
    INSTRUCTIONS = "CAPI Instruction Generator"
    VALIDATOR = "Demo Validator"

    @property
    def slug(self) -> str:
        """As part of a path."""
        return self.value.lower().replace(" ", "-")

    @classmethod
    def of_slug(cls, slug: str) -> AgentName:
        """The agent behind a part of a path. Raises ValueError."""
        for agent in cls:
            if agent.slug == slug:
                return agent
        raise ValueError(f"{slug!r} is no agent: {', '.join(agent.slug for agent in cls)}")
