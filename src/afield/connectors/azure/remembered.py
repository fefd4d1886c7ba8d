"""What has to be remembered of an action run command (v1), sealed, so that it is never sent blindly again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from afield.connectors.azure.view import ExtensionView, as_object, as_text, parse_time
from afield.connectors.base import Notes


@dataclass(frozen=True, slots=True)
class Remembered:
    """One attempt: how the extension stood before it was sent, and the address of its operation once there is one.

    The address is a capability: it is kept sealed and never logged.
    """

    baseline: str
    sent_at: datetime
    operation: str = ""

    async def keep(self, notes: Notes, key: str) -> None:
        value = {"baseline": self.baseline, "operation": self.operation, "sent_at": self.sent_at.isoformat()}
        await notes.put(key, orjson.dumps(value).decode())


NEWEST = "azure-newest-action"
"""The note that names the newest attempt at a VM."""


async def recall(notes: Notes, key: str) -> Remembered | None:
    """What was kept of the attempt; None: it never came to be sent."""
    text = await notes.get(key)
    if text is None:
        return None
    value = as_object(orjson.loads(text))
    sent_at = parse_time(value.get("sent_at")) or datetime.fromtimestamp(0, UTC)
    return Remembered(as_text(value.get("baseline")), sent_at, as_text(value.get("operation")))


def digest(extension: ExtensionView | None) -> str:
    """Tells whether the extension has said something new since. Without a run command so far: empty."""
    if extension is None:
        return ""
    said = "\0".join((extension.type, extension.code, extension.message, str(extension.time)))
    return hashlib.sha256(said.encode()).hexdigest()
