"""What the service demands of a data agent and of a conversation. Pure.

The limits are those of the client library's texts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from .errors import invalid

Json = dict[str, Any]

AGENT_FIELDS = frozenset({"displayName", "description", "labels", "dataAnalyticsAgent", "kmsKey"})
CONVERSATION_FIELDS = frozenset({"title", "labels"})
_OUTPUT_ONLY = frozenset({"name", "createTime", "updateTime", "deleteTime", "purgeTime", "lastUsedTime"})
_CONTEXTS = ("stagingContext", "publishedContext")
_CONTEXT_FIELDS = frozenset(
    {
        "systemInstruction", "datasourceReferences", "options", "exampleQueries", "lookerGoldenQueries",
        "glossaryTerms", "schemaRelationships", "userFunctions",
    }
)  # fmt: skip
_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY, _LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_MOST_INSTRUCTION, _MOST_QUESTION, _MOST_SQL, _MOST_TERM, _MOST_MEANING = 250_000, 2_000, 50_000, 256, 5_000  # bytes
_MOST_NAME, _MOST_DESCRIPTION, _MOST_TITLE = 256, 1_024, 63  # characters


def check_id(given: str, field: str) -> str:
    """The id, if it may be one."""
    if not _ID.fullmatch(given):
        raise invalid(f"Invalid {field} {given!r}: it must match ^[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?$.")
    return given


def check_request_id(given: str) -> str:
    """The request id, empty when none is given. It has to be a UUID, and not the one of zeros."""
    if not given:
        return ""
    try:
        known = UUID(given)
    except ValueError:
        raise invalid(f"Invalid request_id {given!r}: it must be a valid UUID.") from None
    if not known.int:
        raise invalid("Invalid request_id: the zero UUID is not supported.")
    return str(known)


def check_agent(agent: Json) -> None:
    """Raises GoogleError INVALID_ARGUMENT."""
    _known(agent, AGENT_FIELDS | _OUTPUT_ONLY, "data_agent")
    _length(agent, "displayName", _MOST_NAME)
    _length(agent, "description", _MOST_DESCRIPTION)
    _labels(agent.get("labels", {}))
    analytics = _object(agent.get("dataAnalyticsAgent", {}), "data_agent.data_analytics_agent")
    _known(analytics, {*_CONTEXTS, "lastPublishedContext"}, "data_agent.data_analytics_agent")
    for name in _CONTEXTS:
        if name in analytics:
            check_context(analytics[name], name)


def check_conversation(conversation: Json) -> None:
    """Raises GoogleError INVALID_ARGUMENT."""
    _known(conversation, CONVERSATION_FIELDS | _OUTPUT_ONLY | {"agents", "kmsKey"}, "conversation")
    if len(conversation.get("agents") or []) != 1:
        raise invalid("A conversation must have exactly one agent.")
    if len(conversation.get("title", "")) > _MOST_TITLE:
        raise invalid(f"conversation.title must have at most {_MOST_TITLE} characters.")
    _labels(conversation.get("labels", {}))


def check_context(given: object, place: str) -> Json:
    """A context that keeps the limits. Raises GoogleError INVALID_ARGUMENT."""
    context = _object(given, place)
    _known(context, _CONTEXT_FIELDS, place)
    if not tables_of(context) and not _others(context):
        raise invalid(f"{place}.datasource_references is required.")
    for field, text, most in _texts(context):
        if len(text.encode()) > most:
            raise invalid(f"{place}.{field} must be at most {most} bytes.")
    return context


def tables_of(context: Mapping[str, Any]) -> list[Json]:
    """The BigQuery tables a context names. Raises GoogleError when one is not named in full."""
    found: list[Json] = context.get("datasourceReferences", {}).get("bq", {}).get("tableReferences", [])
    for table in found:
        if not all(table.get(part) for part in ("projectId", "datasetId", "tableId")):
            raise invalid("A table reference needs project_id, dataset_id and table_id.")
    return found


def _others(context: Json) -> bool:
    return bool({"looker", "studio"} & {*context.get("datasourceReferences", {})})


def _texts(context: Json) -> Iterator[tuple[str, str, int]]:
    yield "system_instruction", context.get("systemInstruction", ""), _MOST_INSTRUCTION
    for number, one in enumerate(context.get("exampleQueries", [])):
        place = f"example_queries[{number}]"
        yield f"{place}.natural_language_question", one.get("naturalLanguageQuestion", ""), _MOST_QUESTION
        yield f"{place}.sql_query", one.get("sqlQuery", ""), _MOST_SQL
    for number, one in enumerate(context.get("glossaryTerms", [])):
        place = f"glossary_terms[{number}]"
        yield f"{place}.display_name", one.get("displayName", ""), _MOST_TERM
        yield f"{place}.description", one.get("description", ""), _MOST_MEANING


def _object(given: object, place: str) -> Json:
    if not isinstance(given, dict):
        raise invalid(f"Invalid value at '{place}': expected an object.")
    return given


def _known(given: Json, fields: frozenset[str] | set[str], place: str) -> None:
    for name in given:
        if name not in fields:
            raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field.")


def _length(agent: Json, field: str, most: int) -> None:
    """What is given has from one to so many characters; an empty text counts as not given."""
    if len(agent.get(field, "")) > most:
        raise invalid(f"data_agent.{field} must be between 1 and {most} characters.")


def _labels(labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL.fullmatch(value):
            raise invalid(f"Invalid label {key!r}: {value!r}.")
