"""Datadog's webhooks (Datadog documentation: integrations, webhooks).

The body is what the user configured there; without a mapping it is expected to hold the variables below.
"""

from __future__ import annotations

from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets import mapping as mappings
from afield.runbooks.tickets.model import TicketIn

DEFAULT: JsonObject = {
    "external_id": "alert_id",  # $ALERT_ID
    "title": "title",  # $EVENT_TITLE
    "description": "body",  # $EVENT_MSG
    "status": "transition",  # $ALERT_TRANSITION: Triggered, Recovered, ...
    "severity": "priority",  # $ALERT_PRIORITY
    "ci_name": "hostname",  # $HOSTNAME
}
"""Where each field is, if nobody says otherwise."""


def read(body: JsonValue, mapping: JsonObject) -> list[TicketIn]:
    """One ticket. Raises InvalidInputError when it has no id or no title."""
    return mappings.read(body, {**DEFAULT, **mapping})
