"""Finding connectors: by entry point, so that one can live outside this repository."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
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
def _load(name: str) -> type[AnyConnector] | None:
    for entry in entry_points(group=GROUP, name=name):
        loaded: type[AnyConnector] = entry.load()
        return loaded
    return None


def names() -> list[str]:
    """The names of all connectors that can be used here, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)} | set(_registered))


def connector_class(name: str) -> type[AnyConnector]:
    """The connector of that name. Raises InvalidInputError naming those there are."""
    found = _registered.get(name) or _load(name)
    if found is None:
        raise InvalidInputError(f"There is no connector {name!r}.", hint=f"Known here: {', '.join(names()) or 'none'}.")
    return found


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
