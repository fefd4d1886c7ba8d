"""The agents by name. Each is imported only where it runs: their libraries are heavy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from afield.provisioning.agents.base import Agent
from afield.provisioning.agents.names import AgentName

_PLACES: Mapping[AgentName, tuple[str, str]] = {
    AgentName.RESEARCH: ("researching", "ResearchAgent"),
    AgentName.STORY: ("telling", "StoryAgent"),
    AgentName.MODEL: ("model_design", "ModelAgent"),
    AgentName.DATA: ("data_making", "DataAgent"),
    AgentName.INFRASTRUCTURE: ("loading", "InfrastructureAgent"),
    AgentName.INSTRUCTIONS: ("instructing", "InstructionsAgent"),
    AgentName.VALIDATOR: ("validating", "ValidatorAgent"),
}


def agent_of(name: AgentName) -> Agent[Any, Any]:
    """The agent of this name."""
    module, kind = _PLACES[name]
    agent: Agent[Any, Any] = getattr(import_module(f"{__package__}.{module}"), kind)()
    return agent
