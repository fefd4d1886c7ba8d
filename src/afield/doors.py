"""Connectors kept open by a process that calls its targets all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from afield.connectors.registry import AnyConnector
from afield.kernel import Kernel
from afield.model.target import DEFAULT_TENANT, Target

_REFRESH_S = 30.0


@dataclass(slots=True)
class _Door:
    """A connector kept open, and how many calls go through it."""

    target: Target
    connector: AnyConnector
    guests: int = 0


class Doors:
    """One open connector for each target; opened anew when the target's address, settings or credential change."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._doors: dict[UUID, _Door] = {}
        self._targets: dict[tuple[UUID, str], tuple[Target, float]] = {}
        self._opening = asyncio.Lock()

    async def target(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> Target:
        """The target of that name or id, as it was within the last half minute. Raises NotFoundError."""
        now = asyncio.get_running_loop().time()
        known = self._targets.get((tenant_id, name))
        if known is not None and known[1] > now:
            return known[0]
        target = await self._kernel.find_target(name, tenant_id)
        self._targets[tenant_id, name] = target, now + _REFRESH_S
        return target

    async def connector(self, target: Target) -> AnyConnector:
        """The target's connector, not to be closed, and not to be kept. Raises AfieldError when it does not open."""
        return (await self._opened(target)).connector

    @asynccontextmanager
    async def through(self, target: Target) -> AsyncIterator[AnyConnector]:
        """The target's connector, which stays open for as long as the context. Raises AfieldError."""
        door = await self._opened(target)
        door.guests += 1
        try:
            yield door.connector
        finally:
            door.guests -= 1
            await self._close_unused(door)

    async def _opened(self, target: Target) -> _Door:
        door = self._doors.get(target.id)
        if door is not None and _same(door.target, target):
            return door
        async with self._opening:
            return await self._replaced(target)

    async def _replaced(self, target: Target) -> _Door:
        before = self._doors.get(target.id)
        if before is not None and _same(before.target, target):
            return before
        self._doors[target.id] = door = _Door(target, await self._kernel.open_connector(target))
        if before is not None:
            await self._close_unused(before)
        return door

    async def _close_unused(self, door: _Door) -> None:
        if not door.guests and self._doors.get(door.target.id) is not door:
            await door.connector.close()

    async def close(self) -> None:
        """Close all connectors; nobody may be using them any more."""
        doors, self._doors = self._doors, {}
        for door in doors.values():
            await door.connector.close()


def _same(one: Target, other: Target) -> bool:
    return (one.address, one.settings, one.credential_id) == (other.address, other.settings, other.credential_id)
