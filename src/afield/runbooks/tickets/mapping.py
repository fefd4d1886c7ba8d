"""Reading tickets out of any JSON, by a mapping that says where each field is. Pure.

A mapping gives for each field of a ticket a path of names and numbers joined by dots (`result.number`), or a text with
`{path}` in it. `items`, if given, is the path of a list that holds one ticket each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets.model import TicketIn, TicketStatus

FIELDS: Final = ("external_id", "title", "description", "status", "severity", "ci_name")
ITEMS: Final = "items"
DEFAULT: Final[Mapping[str, str]] = {name: name for name in FIELDS}
MOST_TICKETS: Final = 500
LONGEST_ID: Final = 256
LONGEST_TITLE: Final = 1000

_TEMPLATE = re.compile(r"\{([^{}]+)\}")

_STATUS: Mapping[str, TicketStatus] = {
    "in progress": TicketStatus.IN_PROGRESS,
    "in_progress": TicketStatus.IN_PROGRESS,
    "acknowledged": TicketStatus.IN_PROGRESS,
    "work in progress": TicketStatus.IN_PROGRESS,
    "resolved": TicketStatus.RESOLVED,
    "recovered": TicketStatus.RESOLVED,
    "ok": TicketStatus.RESOLVED,
    "done": TicketStatus.RESOLVED,
    "closed": TicketStatus.CLOSED,
    "cancelled": TicketStatus.CLOSED,
}


def status_of(word: str) -> TicketStatus:
    """A sender's word for a status; words nobody knows mean that the ticket is open."""
    return _STATUS.get(word.strip().lower(), TicketStatus.OPEN)


def check_mapping(mapping: JsonObject) -> dict[str, str]:
    """The mapping, complete with defaults. Raises InvalidInputError naming what is wrong."""
    known = {*FIELDS, ITEMS}
    strange = sorted(set(mapping) - known)
    if strange:
        raise InvalidInputError(
            f"A mapping has no field {', '.join(strange)}.", hint=f"Fields are {', '.join(sorted(known))}."
        )
    wrong = sorted(name for name, path in mapping.items() if not isinstance(path, str) or not path.strip())
    if wrong:
        raise InvalidInputError(f"The mapping of {', '.join(wrong)} is not a path.", hint="Give text like result.id.")
    return {**DEFAULT, **{name: str(path) for name, path in mapping.items()}}


def look_up(value: JsonValue, path: str) -> JsonValue:
    """What is at a path, or None."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def as_text(value: JsonValue) -> str:
    """A value as people write it: text as it is, numbers and truth as JSON does, nothing for what has parts."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return ""


def filled(template: str, item: JsonValue) -> str:
    """A path's value as text, or a text with each `{path}` filled in."""
    if "{" not in template:
        return as_text(look_up(item, template))
    return _TEMPLATE.sub(lambda found: as_text(look_up(item, found[1])), template)


def read(body: JsonValue, mapping: JsonObject) -> list[TicketIn]:
    """The tickets of a body. Raises InvalidInputError when one has no id or no title."""
    paths = check_mapping(mapping)
    items = [body]
    if ITEMS in paths:
        listed = look_up(body, paths[ITEMS])
        if not isinstance(listed, list):
            raise InvalidInputError(f"There is no list at {paths[ITEMS]!r}, where the mapping expects the tickets.")
        items = listed
    if len(items) > MOST_TICKETS:
        raise InvalidInputError(f"{len(items)} tickets at once are too many.", hint=f"Send {MOST_TICKETS} at most.")
    return [_ticket(item, paths, place) for place, item in enumerate(items, 1)]


def _ticket(item: JsonValue, paths: Mapping[str, str], place: int) -> TicketIn:
    values = {name: filled(paths[name], item).strip() for name in FIELDS}
    return checked(values, item if isinstance(item, dict) else {"value": item}, f"Ticket {place}")


def checked(values: Mapping[str, str], fields: JsonObject, what: str) -> TicketIn:
    """A ticket of texts, one for each of FIELDS. Raises InvalidInputError that begins with `what`."""
    for name, longest in (("external_id", LONGEST_ID), ("title", LONGEST_TITLE)):
        if not values[name]:
            raise InvalidInputError(f"{what} has no {name}.", hint="Send it, or say in the mapping where it is.")
        if len(values[name]) > longest:
            raise InvalidInputError(f"{what}: its {name} is longer than {longest} characters.")
    return TicketIn(
        external_id=values["external_id"],
        title=values["title"],
        description=values["description"],
        status=status_of(values["status"]),
        severity=values["severity"],
        ci_name=values["ci_name"] or None,
        fields=fields,
    )
