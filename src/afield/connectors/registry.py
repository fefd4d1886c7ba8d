"""Finding connectors: by entry point, so that one can live outside this repository."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeAlias

from pydantic import BaseModel, ValidationError

from afield.connectors.base import Connector
from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject

GROUP = "afield.connectors"
AnyConnector: TypeAlias = Connector[BaseModel, BaseModel]

_registered: dict[str, type[AnyConnector]] = {}


def register(connector: type[AnyConnector]) -> None:
    """Make a connector known in this process only, as tests and the in-process remote do."""
    _registered[connector.name] = connector


@cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def _load(entry: EntryPoint) -> type[AnyConnector]:
    loaded: type[AnyConnector] = entry.load()
    return loaded


def preload() -> None:
    """Find and import all installed connectors, so that this is not done later, on an event loop."""
    for entry in _installed().values():
        _load(entry)


def names() -> list[str]:
    """The names of all connectors that can be used here, sorted."""
    return sorted(_installed().keys() | _registered.keys())


def connector_class(name: str) -> type[AnyConnector]:
    """The connector of that name. Raises InvalidInputError naming those there are."""
    if name in _registered:
        return _registered[name]
    if name in _installed():
        return _load(_installed()[name])
    raise InvalidInputError(f"There is no connector {name!r}.", hint=f"Known here: {', '.join(names()) or 'none'}.")


def check_address(connector: str, address: JsonObject) -> JsonObject:
    """The address with defaults filled in. Raises InvalidInputError saying which field is wrong."""
    return _checked(connector_class(connector).Address, address, f"address of a {connector} target")


def check_spec(connector: str, spec: JsonObject) -> JsonObject:
    """The spec with defaults filled in. Raises InvalidInputError saying which field is wrong."""
    return _checked(connector_class(connector).Spec, spec, f"spec of a {connector} execution")


def _checked(model: type[BaseModel], value: JsonObject, what: str) -> JsonObject:
    try:
        checked: JsonObject = model.model_validate(value).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors())
        raise InvalidInputError(f"The {what} is not valid: {problems}.") from error
    return checked
