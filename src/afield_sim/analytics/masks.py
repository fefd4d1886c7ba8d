"""Update masks: which fields of a resource a PATCH overwrites. Pure."""

import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from .errors import invalid

Json = dict[str, Any]


def masked(before: Json, given: Json, mask: str, allowed: Iterable[str]) -> Json:
    """The resource after the update. Without a mask, all fields that are given; `*`: all there are. A field that is in
    the mask and not given is taken away. Raises GoogleError for fields that are not in `allowed`."""
    fields = {*allowed}
    paths = _paths(given, mask, fields)
    after = deepcopy(before)
    for path in paths:
        if path[0] not in fields:
            raise invalid(f"Invalid field in update mask: {'.'.join(path)!r}.")
        _put(after, path, _get(given, path))
    return after


def camel(name: str) -> str:
    """`staging_context` as `stagingContext`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _paths(given: Json, mask: str, fields: set[str]) -> list[list[str]]:
    if not mask:
        return [[name] for name in given if name in fields]
    if mask == "*":
        return [[name] for name in sorted(fields)]
    return [[camel(step) for step in path.split(".")] for path in mask.split(",")]


def _get(given: object, path: list[str]) -> object:
    for step in path:
        given = given.get(step) if isinstance(given, dict) else None
    return deepcopy(given)


def _put(resource: Json, path: list[str], value: object) -> None:
    *steps, last = path
    for step in steps:
        resource = resource.setdefault(step, {})
    if value is None:
        resource.pop(last, None)
    else:
        resource[last] = value
