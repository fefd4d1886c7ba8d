"""The formats of senders: a body in, tickets out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets import mapping
from afield.runbooks.tickets.model import SourceKind, TicketIn
from afield.runbooks.tickets.sources import alertmanager, datadog, pagerduty

READERS: Mapping[SourceKind, Callable[[JsonValue, JsonObject], list[TicketIn]]] = {
    SourceKind.GENERIC: mapping.read,
    SourceKind.ALERTMANAGER: alertmanager.read,
    SourceKind.PAGERDUTY: pagerduty.read,
    SourceKind.DATADOG: datadog.read,
}
"""How each kind of body is read. All raise InvalidInputError for what is not of their kind."""
