"""What only we know about what holds a VM: our own command, the last refusal, when we restarted it.

Kept in the target's notes, so that whoever diagnoses knows what the driver saw.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from afield.connectors.azure.conflict import OwnOperation
from afield.connectors.azure.view import as_object, parse_time
from afield.connectors.base import Notes
from afield.model.jsontypes import JsonObject

_KEY = "azure-conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class OurSide:
    """Our part of the evidence for a conflict."""

    own: OwnOperation | None = None
    refused_at: datetime | None = None  # the last 409 Conflict
    transitioning_since: datetime | None = None  # when we first saw the extension so
    restarted_at: datetime | None = None  # the last restart that we made


class AskOurSide(Protocol):
    """Tells our part of the evidence."""

    def __call__(self) -> Awaitable[OurSide]: ...


async def nothing_of_ours() -> OurSide:
    """For a VM that we never ran an action run command on."""
    return OurSide()


class ConflictNotes:
    """The times we have to remember of one VM. Two writers at the same moment may lose one of two times."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def refused(self, at: datetime) -> None:
        """An action run command was answered with 409 Conflict."""
        await self._put("refused_at", at)

    async def restarted(self, at: datetime) -> None:
        """We restarted the VM."""
        await self._put("restarted_at", at)

    async def seen(self, *, transitioning: bool, at: datetime) -> None:
        """How a look found the extension; the first of several times in a row is kept."""
        known = (await self._read()).get("transitioning_since")
        if transitioning != (known is not None):
            await self._put("transitioning_since", at if transitioning else None)

    async def our_side(self, own: OwnOperation | None = None) -> OurSide:
        """All that is remembered, beside our newest command."""
        kept = await self._read()
        return OurSide(
            own=own,
            refused_at=parse_time(kept.get("refused_at")),
            transitioning_since=parse_time(kept.get("transitioning_since")),
            restarted_at=parse_time(kept.get("restarted_at")),
        )

    async def _put(self, name: str, at: datetime | None) -> None:
        kept = await self._read()
        kept[name] = at.isoformat() if at else None
        await self._notes.put(_KEY, orjson.dumps(kept).decode())

    async def _read(self) -> JsonObject:
        text = await self._notes.get(_KEY)
        return as_object(orjson.loads(text)) if text else {}
