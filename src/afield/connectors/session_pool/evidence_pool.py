"""A session pool as Azure Resource Manager shows it, read for a diagnosis. Pure, and patient with what is missing.

Source: recorded answers of `Microsoft.App/sessionPools`. `templateUpdateStatus` is on the wire and in no SDK's model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from afield.connectors.azure.view import as_int, as_object, as_objects, as_text
from afield.connectors.session_pool.evidence import PoolKind
from afield.model.jsontypes import JsonObject, JsonValue

ADAPTER_PORT = 2000
"""Where the adapter listens when nothing in the template says otherwise."""

_PORT_VARIABLE = "AFIELD_SANDBOX_PORT"
_PORT_OPTION = re.compile(r"--port[= ](\d{1,5})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The containers of the active template. None: not told."""

    expected: int | None = None
    ready: int | None = None
    pending: int | None = None
    pull_failed: int | None = None
    crashed: int | None = None
    allocated: int | None = None

    def __str__(self) -> str:
        told = {
            "expected": self.expected,
            "ready": self.ready,
            "pending": self.pending,
            "image pull failed": self.pull_failed,
            "crashed": self.crashed,
            "allocated": self.allocated,
        }
        return ", ".join(f"{name} {value}" for name, value in told.items() if value is not None) or "no counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One pool. Empty texts and None: not told."""

    name: str = ""
    container_type: str = ""  # verbatim
    provisioning: str = ""  # verbatim; Succeeded says nothing about the container
    endpoint: str = ""
    image: str = ""
    port_wanted: int | None = None
    port_active: int | None = None
    adapter_port: int | None = None  # where the template tells the adapter to listen, if it does
    active: bool = False  # there is an active template
    details: str = ""  # of the active template, verbatim
    counts: Counts = Counts()
    ready_wanted: int | None = None
    most_sessions: int | None = None
    cooldown_s: int | None = None

    @property
    def kind(self) -> PoolKind | None:
        """None when the container type is not told."""
        if not self.container_type:
            return None
        return PoolKind.CUSTOM if self.container_type.lower() == "customcontainer" else PoolKind.INTERPRETER

    @property
    def port(self) -> int | None:
        """Where requests go now."""
        return self.port_active if self.active else self.port_wanted

    @property
    def full(self) -> bool:
        """Whether every place is known to be taken."""
        taken, most = self.counts.allocated, self.most_sessions
        return taken is not None and most is not None and taken >= most

    @property
    def lifeless(self) -> bool:
        """Whether no container can be had: none is ready, and those that should be do not come up."""
        return self.counts.ready == 0 and bool(self.counts.crashed or self.counts.pull_failed) and not self.full

    @property
    def waiting(self) -> bool:
        """Whether no container is ready, though some should be."""
        counts = self.counts
        return counts.ready == 0 and bool(counts.pending or counts.expected) and not self.full


def parse_pool(body: JsonValue) -> PoolView:
    """The resource, as GET answers it."""
    whole = as_object(body)
    properties = as_object(whole.get("properties"))
    template = as_object(properties.get("customContainerTemplate"))
    status = as_object(properties.get("templateUpdateStatus")).get("activeTemplate")
    active = as_object(status)
    containers = as_objects(active.get("containers")) or as_objects(template.get("containers"))
    scale = as_object(properties.get("scaleConfiguration"))
    return PoolView(
        name=as_text(whole.get("name")),
        container_type=as_text(properties.get("containerType")),
        provisioning=as_text(properties.get("provisioningState")),
        endpoint=as_text(properties.get("poolManagementEndpoint")).rstrip("/"),
        image=as_text(containers[0].get("image")) if containers else "",
        port_wanted=_port(template),
        port_active=_port(active),
        adapter_port=next(filter(None, map(_adapter_port, containers)), None),
        active=isinstance(status, dict),
        details=as_text(active.get("details")),
        counts=_counts(as_object(active.get("status"))),
        ready_wanted=as_int(scale.get("readySessionInstances")),
        most_sessions=as_int(scale.get("maxConcurrentSessions")),
        cooldown_s=_cooldown(as_object(properties.get("dynamicPoolConfiguration"))),
    )


def _port(template: JsonObject) -> int | None:
    return as_int(as_object(template.get("ingress")).get("targetPort"))


def _counts(status: JsonObject) -> Counts:
    return Counts(
        expected=as_int(status.get("expectedCount")),
        ready=as_int(status.get("readyCount")),
        pending=as_int(status.get("pendingCount")),
        pull_failed=as_int(status.get("imagePullFailCount")),
        crashed=as_int(status.get("crashCount")),
        allocated=as_int(status.get("allocatedCount")),
    )


def _cooldown(configuration: JsonObject) -> int | None:
    """Seconds; the old form has it one level up."""
    lifecycle = as_object(configuration.get("lifecycleConfiguration"))
    found = as_int(lifecycle.get("cooldownPeriodInSeconds"))
    return found if found is not None else as_int(configuration.get("cooldownPeriodInSeconds"))


def _adapter_port(container: JsonObject) -> int | None:
    """The adapter's port by its environment, else by its arguments."""
    for item in as_objects(container.get("env")):
        value = as_text(item.get("value"))
        if item.get("name") == _PORT_VARIABLE and value.isascii() and value.isdigit() and len(value) <= 5:
            return int(value)
    words = " ".join([*_texts(container.get("command")), *_texts(container.get("args"))])
    found = _PORT_OPTION.search(words)
    return int(found.group(1)) if found else None


def _texts(value: JsonValue) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
