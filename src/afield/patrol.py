"""The patrol: compares every target that had work lately, again and again, and settles what may be settled by itself.

It is `afield reconcile --fix` on a schedule. What it is for most of all: an execution that was given up as lost and
turns up after all has no driver any more; the patrol finds it, and a driver brings its output home.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from afield.errors import AfieldError, UnavailableError
from afield.kernel import Kernel, limits_of
from afield.ledger.scans import Due
from afield.model.finding import Finding
from afield.model.target import Target
from afield.reconcile.repair import Repaired, plan_repairs

log = structlog.get_logger(__name__)

ACTOR = "patrol"
"""In whose name repairs are made; kept in the audit trail."""

MOST_BACK = timedelta(hours=24)
"""How far back a remote is listed at most."""

_TICKS = 6  # in an interval: how often a process asks whether a target is due
_MOST_PAUSE = timedelta(seconds=60)
_AT_ONCE = 4  # targets of one process
_DATABASE_AWAY = (UnavailableError, psycopg.OperationalError, psycopg.InterfaceError)


class Patrol:
    """Any number of processes may patrol: of each target only one makes a round in an interval."""

    def __init__(self, kernel: Kernel, every: timedelta, *, grace: timedelta = timedelta(seconds=5)) -> None:
        """`every`: the interval; zero: `run` returns at once. `grace`: for what is under way when it is stopped."""
        self._kernel = kernel
        self._every = every
        self._grace = grace.total_seconds()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin nothing more, and return from `run` soon."""
        self._stop.set()

    async def run(self) -> None:
        """Patrol until `stop`. A database that goes away costs a pause."""
        pause = min(self._every / _TICKS, _MOST_PAUSE)
        while pause and not self._stop.is_set():
            await self._until_stopped(asyncio.create_task(self._safe_round()))
            await self._kernel.clock.wait(self._stop, self._kernel.clock.now() + pause)

    async def _until_stopped(self, going: asyncio.Task[None]) -> None:
        """Cut a round off when it goes on for too long after `stop`. Every move it makes is whole."""
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({going, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await asyncio.wait({going}, timeout=self._grace)
        going.cancel()
        await asyncio.gather(going, stopping, return_exceptions=True)

    async def _safe_round(self) -> None:
        try:
            await self.round()
        except _DATABASE_AWAY as error:
            log.warning("patrol.database_away", error=str(error))
        except Exception:  # the next round may do better
            log.exception("patrol.failed")

    async def round(self) -> int:
        """Compare all targets that are due, and that no other process takes first; returns how many these were."""
        now = self._kernel.clock.now()
        due = await self._kernel.scans.due(now, before=now - self._every, back=now - MOST_BACK)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(target: Due) -> bool:
            async with places:
                return await self._visit_if_ours(target)

        return sum(await asyncio.gather(*map(one, due)))

    async def _visit_if_ours(self, due: Due) -> bool:
        now = self._kernel.clock.now()
        try:
            if self._stop.is_set() or not await self._kernel.scans.claim(
                due.target_id, before=now - self._every, at=now
            ):
                return False
            target = await self._kernel.ledger.target(due.target_id)
            with structlog.contextvars.bound_contextvars(target_id=str(target.id), target=target.name):
                await self._visit(target, self._since(target, due, now))
        except (AfieldError, *_DATABASE_AWAY) as error:
            log.warning("patrol.could_not_compare", target_id=str(due.target_id), error=str(error))
        except Exception:  # one target's trouble, or its connector's, is not the others'
            log.exception("patrol.target_failed", target_id=str(due.target_id))
        return True

    def _since(self, target: Target, due: Due, now: datetime) -> datetime:
        """Far enough back for what is unsettled, as long as it is watched for, and for all that is new."""
        since = min(due.unsettled_since or now, now - self._every)
        return max(since, now - min(MOST_BACK, limits_of(target).late_window))

    async def _visit(self, target: Target, since: datetime) -> None:
        scanned = await self._kernel.scan(target, since=since)
        if not scanned.looked.complete:
            log.warning("patrol.look_not_complete", target_id=str(target.id), error=scanned.looked.error)
        repaired = await self._kernel.repair(target, plan_repairs(scanned.findings), ACTOR)
        await self._alert(target.id, repaired)

    async def _alert(self, target_id: UUID, repaired: list[Repaired]) -> None:
        """One line for each finding that is open and that nobody was told of."""
        settled = [one.planned.finding.fingerprint for one in repaired if one.done]
        for opened in await self._kernel.scans.alert(target_id, settled, self._kernel.clock.now()):
            _tell(opened.finding)


def _tell(finding: Finding) -> None:
    log.warning(
        "finding.open",
        target_id=str(finding.target_id),
        execution_id=str(finding.execution_id or ""),
        handle=finding.handle,
        finding=finding.fingerprint,
        kind=finding.kind.value,
        why=finding.why,
        severity=finding.severity.value,
        explanation=finding.explanation,
        repairs=[repair.kind.value for repair in finding.repairs],
    )
