"""Which rows and attempts of a target a comparison is about, and what the remote has to be asked for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from afield.connectors.base import Intent, Known, LookQuery
from afield.errors import NotFoundError
from afield.ledger.base import ExecutionFilter, Ledger
from afield.model.execution import Execution
from afield.model.finding import OpenFinding
from afield.model.states import IN_DOUBT, LIVE, OUTSTANDING, ExecutionState
from afield.model.target import Target
from afield.reconcile.evidence import shown
from afield.reconcile.sides import current_handle

_PAGE = 1000


class Scope:
    """Everything of one target that is outstanding, lost not long ago, created since a time, or an open finding."""

    def __init__(self, ledger: Ledger, target: Target, *, since: datetime, late_since: datetime) -> None:
        self._ledger = ledger
        self._target = target
        self._since = since
        self._late_since = late_since

    async def rows(self) -> tuple[Execution, ...]:
        """The rows as they are now, by creation."""
        tenant_id, target_id = self._target.tenant_id, self._target.id
        lost = frozenset({ExecutionState.LOST})
        rows: dict[UUID, Execution] = {}
        for wanted in (
            ExecutionFilter(tenant_id=tenant_id, target_id=target_id, created_since=self._since),
            ExecutionFilter(tenant_id=tenant_id, target_id=target_id, states=lost, created_since=self._late_since),
            ExecutionFilter(tenant_id=tenant_id, target_id=target_id, states=OUTSTANDING),
        ):
            rows |= {row.id: row for row in await self._all(wanted)}
        named = {one.finding.execution_id for one in await self._open_findings()} - rows.keys()
        rows |= {row.id: row for row in await self._some(filter(None, named))}
        return tuple(sorted(rows.values(), key=lambda row: (row.created_at, row.id)))

    async def _all(self, wanted: ExecutionFilter) -> list[Execution]:
        page = await self._ledger.executions(wanted, limit=_PAGE)
        rows = [*page.items]
        while page.next_cursor is not None:
            page = await self._ledger.executions(wanted, limit=_PAGE, cursor=page.next_cursor)
            rows += page.items
        return rows

    async def _some(self, execution_ids: Iterable[UUID]) -> list[Execution]:
        found: list[Execution] = []
        for execution_id in execution_ids:
            try:
                found.append(await self._ledger.execution(execution_id))
            except NotFoundError:
                continue  # the finding outlived its execution
        return found

    async def _open_findings(self) -> list[OpenFinding]:
        return await self._ledger.findings(self._target.tenant_id, target_id=self._target.id)

    async def intents(self, rows: Sequence[Execution]) -> tuple[Intent, ...]:
        """All attempts that may be at the remote without a row that holds their id."""
        in_doubt = {row.id for row in rows if row.state in IN_DOUBT and row.attempt > 0}
        late = await self._ledger.late_attempts(self._target.id, self._late_since)
        current = await self._ledger.intents(in_doubt | {attempt.execution_id for attempt in late})
        earlier = [
            replace(
                current[attempt.execution_id],
                attempt=attempt.number,
                key=attempt.key,
                sent_after=attempt.intent_at,
                sent_before=attempt.settled_at,
            )
            for attempt in late
            if attempt.execution_id in current and attempt.handle is None
        ]
        return (*(current[row_id] for row_id in sorted(in_doubt & current.keys())), *earlier)

    async def query(self, *, ask_ended: bool) -> LookQuery:
        """What one look has to answer for. Ended executions are asked for again only where a listing shows them
        anyway; what an open finding is about is always asked for, so that it can be resolved."""
        rows = await self.rows()
        asked = LIVE | {ExecutionState.LOST} if not ask_ended else frozenset(ExecutionState)
        known = {
            handle: Known(handle=handle, submitted_at=row.submitted_at or row.state_at, key=row.key)
            for row in rows
            if row.state in asked and (handle := current_handle(row))
        }
        known = {k.handle: k for k in self._in_findings(await self._open_findings())} | known
        return LookQuery(known=tuple(known.values()), doubts=await self.intents(rows), since=self._since)

    def _in_findings(self, findings: Iterable[OpenFinding]) -> Iterable[Known]:
        for one in findings:
            entry = shown(one.finding, one.finding.handle)
            if entry is not None:
                yield Known(handle=entry.handle, submitted_at=entry.created_at or one.first_seen_at)
