"""A comparison as JSON, and back. Pure.

Specs and outputs of executions are left out: they are large, and nothing that a comparison says needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from afield.model.jsontypes import JsonObject, JsonValue
from afield.reconcile.scan import Scan


def scan_to_json(scanned: Scan) -> JsonObject:
    """What `scan_from_json` reads."""
    return cast("JsonObject", _write(light(scanned)))


def scan_from_json(value: JsonObject) -> Scan:
    """The comparison, as `light` makes it. Raises ValueError for what another version of this program wrote."""
    try:
        return cast("Scan", _read(Scan, value))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no comparison: {error!r}") from error


def light(scanned: Scan) -> Scan:
    """Without the specs and outputs of its executions."""
    rows = {row_id: replace(row, spec={}, output=None) for row_id, row in scanned.executions.items()}
    return replace(scanned, executions=rows)


def _write(value: object) -> JsonValue:
    match value:
        case StrEnum() | UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): _write(item) for key, item in value.items()}
        case list() | tuple():
            return [_write(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    return {field.name: _write(getattr(value, field.name)) for field in fields(cast("Any", value))}


def _read(kind: Any, value: Any) -> object:
    """The value that was written, by its type's annotations; JSON stays as it is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        (some,) = set(arguments) - {type(None)}
        return None if value is None else _read(some, value)
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _read(of, value[name]) for name, of in _types(kind).items()})
    if origin is tuple:
        return tuple(_read(arguments[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return {_read(arguments[0], key): _read(arguments[1], item) for key, item in value.items()}
    if kind is datetime:
        return datetime.fromisoformat(value)
    return kind(value) if kind is UUID or issubclass(kind, StrEnum) else value


@cache
def _types(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, localns={"JsonObject": dict, "JsonValue": object})
    return {field.name: hints[field.name] for field in fields(cast("Any", kind))}
