"""A chat request: which context counts, what was said before. Pure."""

from collections.abc import Sequence
from typing import Any

from .errors import Code, GoogleError, invalid
from .rules import check_context

Json = dict[str, Any]
PROVIDERS = ("inlineContext", "dataAgentContext", "conversationReference", "clientManagedResourceContext")
_FIELDS = frozenset({*PROVIDERS, "messages", "credentials", "thinkingMode", "model", "lookerSettings", "parent"})
_VERSIONS = {1: "STAGING", 2: "PUBLISHED", "STAGING": "STAGING", "PUBLISHED": "PUBLISHED"}
_MOST_QUESTION = 100_000  # characters


def provider_of(body: Json) -> str:
    """The one context there is. Raises GoogleError for none, for several, and for fields that nobody knows."""
    unknown = [name for name in body if name not in _FIELDS]
    if unknown:
        raise invalid(f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.')
    found = [name for name in PROVIDERS if name in body]
    if len(found) > 1:
        raise invalid(f"Invalid value (oneof), oneof field 'context_provider' is already set. Cannot set '{found[1]}'.")
    if not found:
        raise invalid("One of the fields of 'context_provider' is required.")
    return found[0]


def check_messages(body: Json) -> list[Json]:
    """The messages: the last is the user's question. Raises GoogleError."""
    messages: list[Json] = body.get("messages") or []
    for message in messages:
        if len({"userMessage", "systemMessage"} & {*message}) != 1:
            raise invalid("Each message must be either a user_message or a system_message.")
    if not messages or "userMessage" not in messages[-1]:
        raise invalid("The last message must be a user_message.")
    question = messages[-1]["userMessage"].get("text", "")
    if not question.strip() or len(question) > _MOST_QUESTION:
        raise invalid("user_message.text must not be empty.")
    return messages


def inline_context(body: Json, provider: str) -> Json:
    """The context that the request brings itself. Raises GoogleError."""
    holder = body if provider == "inlineContext" else body[provider]
    return check_context(holder.get("inlineContext"), "inline_context")


def agent_context(agent: Json, given: Json) -> Json:
    """The context of an agent: staging or published, as asked; published when nothing is said. Raises GoogleError."""
    version = given.get("contextVersion") or "PUBLISHED"
    if version not in _VERSIONS:
        raise invalid(f"Invalid value at 'data_agent_context.context_version': {version!r}.")
    analytics = agent.get("dataAnalyticsAgent", {})
    context: Json | None = analytics.get("stagingContext" if _VERSIONS[version] == "STAGING" else "publishedContext")
    if not context:
        message = f"Data agent '{agent['name']}' has no {_VERSIONS[version].lower()} context."
        raise GoogleError(Code.FAILED_PRECONDITION, message)
    return context


def questions_of(messages: Sequence[Json]) -> list[str]:
    """What the user said, in order."""
    return [one["userMessage"].get("text", "") for one in messages if "userMessage" in one]
