"""Comparisons with a remote, for faces that show the last one and make a fresh one only when they are asked to."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from afield.kernel import Kernel
from afield.model.target import Target
from afield.reconcile.scan import Scan


class LastScan(Protocol):
    """Keeps the newest comparison of each target."""

    async def keep(self, scanned: Scan) -> None: ...

    async def last(self, target_id: UUID) -> Scan | None: ...


class LastScanHere:
    """Keeps them in this process: another process, or a restart, knows nothing of them."""

    def __init__(self) -> None:
        self._kept: dict[UUID, Scan] = {}

    async def keep(self, scanned: Scan) -> None:
        before = self._kept.get(scanned.target_id)
        if before is None or before.looked.taken_at <= scanned.looked.taken_at:
            self._kept[scanned.target_id] = scanned

    async def last(self, target_id: UUID) -> Scan | None:
        return self._kept.get(target_id)


class Scans:
    """Comparisons of the targets of one kernel."""

    def __init__(self, kernel: Kernel, kept: LastScan | None = None) -> None:
        self._kernel = kernel
        self._kept = kept or LastScanHere()

    async def last(self, target_id: UUID) -> Scan | None:
        """The newest comparison anybody asked for; None when nobody did. Never calls the remote."""
        return await self._kept.last(target_id)

    async def fresh(self, target: Target, since: datetime | None = None) -> Scan:
        """Ask the remote now, once for all who ask at the same time. Raises AfieldError when the target cannot be
        opened; a remote that cannot be asked is told in `looked`."""
        scanned = await self._kernel.scan(target, since=since)
        await self._kept.keep(scanned)
        return scanned
