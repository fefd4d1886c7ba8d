"""A data agent in the service's words and in ours. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from afield.errors import LookError
from afield.model.jsontypes import JsonObject
from afield.provisioning.agents.data_agents import DataAgentRecord


class Version(StrEnum):
    """Which of an agent's two contexts answers."""

    STAGING = "STAGING"
    PUBLISHED = "PUBLISHED"


STAGED_FIELDS = ("display_name", "description", "labels", "data_analytics_agent.staging_context")
"""What staging an agent again overwrites; what is published stays."""


def to_wire(agent: DataAgentRecord) -> JsonObject:
    """What is sent to create the agent on staging, or to stage it again."""
    return {
        "displayName": agent.display_name,
        "description": agent.description,
        "labels": dict(agent.labels),
        "dataAnalyticsAgent": {"stagingContext": agent.staging_context},
    }


def from_wire(agent: JsonObject) -> DataAgentRecord:
    """The agent as the service shows it. Raises LookError when it is none of ours."""
    analytics = _object(agent, "dataAnalyticsAgent")
    staging, published = _object(analytics, "stagingContext"), _object(analytics, "publishedContext")
    name = str(agent.get("name", ""))
    return DataAgentRecord(
        agent_id=name.rpartition("/")[2],
        display_name=str(agent.get("displayName", "")),
        description=str(agent.get("description", "")),
        dataset=_dataset(staging or published, name),
        labels={key: str(value) for key, value in _object(agent, "labels").items()},
        staging_context=staging,
        published_context=published or None,
        updated_at=datetime.fromisoformat(str(agent.get("updateTime", ""))).astimezone(UTC),
    )


def is_deleted(agent: JsonObject) -> bool:
    """Whether it is deleted and only kept until it is purged."""
    return bool(agent.get("deleteTime"))


def _dataset(context: JsonObject, name: str) -> str:
    tables = _object(_object(context, "datasourceReferences"), "bq").get("tableReferences")
    first = tables[0] if isinstance(tables, list) and tables else None
    if not isinstance(first, dict):
        raise LookError(f"The data agent {name} has no table in BigQuery.", hint="It was not made here; look at it.")
    return str(first.get("datasetId", ""))


def _object(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
