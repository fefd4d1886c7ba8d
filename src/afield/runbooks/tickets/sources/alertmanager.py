"""Prometheus Alertmanager's webhook, version 4 (Prometheus documentation: alerting, configuration, webhook_config).

One body holds a group of alerts; each alert is a ticket. Its fingerprint names it: the alert that is resolved is the
one that fired.
"""

from __future__ import annotations

from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets.mapping import as_text, checked, look_up

from afield.runbooks.tickets.model import TicketIn  # isort: skip

HOST_LABELS = ("instance", "host", "hostname", "node", "vm", "server")
"""Labels that name a machine, in the order in which they are asked."""


def read(body: JsonValue, mapping: JsonObject) -> list[TicketIn]:
    """One ticket for each alert. `mapping` is not used: the format is fixed."""
    alerts = look_up(body, "alerts")
    if not isinstance(alerts, list) or as_text(look_up(body, "version")) != "4":
        raise InvalidInputError("This is not an Alertmanager notification of version 4.", hint="Is the kind right?")
    return [_ticket(alert, place) for place, alert in enumerate(alerts, 1)]


def _ticket(alert: JsonValue, place: int) -> TicketIn:
    name = as_text(look_up(alert, "labels.alertname"))
    summary = as_text(look_up(alert, "annotations.summary"))
    values = {
        "external_id": as_text(look_up(alert, "fingerprint")),
        "title": summary or name,
        "description": as_text(look_up(alert, "annotations.description")),
        "status": as_text(look_up(alert, "status")),
        "severity": as_text(look_up(alert, "labels.severity")),
        "ci_name": host_of(alert),
    }
    return checked(values, alert if isinstance(alert, dict) else {}, f"Alert {place}")


def host_of(alert: JsonValue) -> str:
    """The machine that an alert's labels name, without a port."""
    for label in HOST_LABELS:
        host = as_text(look_up(alert, f"labels.{label}"))
        if host:
            name, colon, port = host.rpartition(":")
            return name if colon and port.isdecimal() else host
    return ""
