"""Between the library's messages and plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict, ParseError  # type: ignore[import-untyped]

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject, JsonValue

M = TypeVar("M")


def message_of(kind: type[M], value: Mapping[str, JsonValue]) -> M:
    """JSON as a message of the library. Raises InvalidInputError for fields it does not have."""
    try:
        made: M = _untyped(kind).from_json(json.dumps(value))
    except ParseError as error:
        hint = "It is the context that is wrong; make the data agent anew."
        raise InvalidInputError(f"This is no {kind.__name__} of the service: {str(error)[:300]}", hint=hint) from None
    return made


def json_of(message: object) -> JsonObject:
    """A message as JSON: names as on the wire, enums by name, no defaults."""
    found: JsonObject = MessageToDict(_untyped(type(message)).pb(message))
    return found


def _untyped(kind: type[object]) -> Any:
    """The library's base class has no types for its class methods."""
    return kind
