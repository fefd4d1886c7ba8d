"""PagerDuty's webhooks, version 3 (PagerDuty developer documentation: Webhooks, V3 Overview).

A body holds one event; what concerns an incident is a ticket. Others, such as the `pagey.ping` of a test, are none.
"""

from __future__ import annotations

from collections.abc import Mapping

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets.mapping import as_text, checked, look_up
from afield.runbooks.tickets.model import TicketIn

_STATUS: Mapping[str, str] = {"triggered": "open", "acknowledged": "acknowledged", "resolved": "resolved"}


def read(body: JsonValue, mapping: JsonObject) -> list[TicketIn]:
    """The incident an event is about, if it is about one. `mapping` is not used: the format is fixed."""
    event = look_up(body, "event")
    kind = as_text(look_up(event, "event_type"))
    if not kind:
        raise InvalidInputError(
            "This is not a PagerDuty webhook of version 3: it has no event.", hint="Is the kind right?"
        )
    data = look_up(event, "data")
    if as_text(look_up(data, "type")) != "incident":
        return []
    values = {
        "external_id": as_text(look_up(data, "id")),
        "title": as_text(look_up(data, "title")),
        "description": as_text(look_up(data, "service.summary")),
        "status": _STATUS.get(as_text(look_up(data, "status")), "open"),
        "severity": as_text(look_up(data, "priority.summary")) or as_text(look_up(data, "urgency")),
        "ci_name": "",
    }
    return [checked(values, data if isinstance(data, dict) else {}, "The incident")]
