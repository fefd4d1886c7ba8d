"""One comparison from end to end: read the ledger, look at the remote once, compare, keep what needs attention."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from afield.connectors.base import LookQuery, Snapshot
from afield.connectors.registry import AnyConnector
from afield.errors import CredentialError
from afield.ledger.base import Ledger
from afield.model.execution import Execution, Reason
from afield.model.finding import Finding, FindingKind
from afield.model.target import Target
from afield.reconcile.compare import compare
from afield.reconcile.scope import Scope
from afield.reconcile.sides import Sides

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How the look went. `error` says why it was not complete."""

    complete: bool
    taken_at: datetime
    since: datetime
    entries: int = 0
    calls: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The findings of one comparison, and the executions they are about (for filters by label)."""

    target_id: UUID
    findings: tuple[Finding, ...]
    looked: Looked
    executions: Mapping[UUID, Execution] = field(default_factory=dict)

    @property
    def counts(self) -> dict[FindingKind, int]:
        """How many findings there are of each kind; every kind is there."""
        counted = Counter(finding.kind for finding in self.findings)
        return {kind: counted[kind] for kind in FindingKind}

    @property
    def needs_attention(self) -> tuple[Finding, ...]:
        """What a person, or an automatic repair, should see to."""
        return tuple(finding for finding in self.findings if finding.needs_attention)


async def scan(ledger: Ledger, connector: AnyConnector, target: Target, since: datetime, now: datetime) -> Scan:
    """Compare one look with all of a target's executions that are outstanding, lost, or created since `since`.

    Findings that need attention are kept in the ledger, those that are settled are resolved. A remote that cannot be
    asked is told in `looked`. Raises ValueError when the target's settings are wrong.
    """
    limits = connector.abilities.limits.overridden(target.settings)
    scope = Scope(ledger, target, since=since, late_since=now - limits.late_window)
    query = await scope.query(ask_ended=connector.abilities.batch_look)
    snapshot = await _look(connector, query, now)
    # Read (again) after the look, handles first: what it shows may have been started or settled while it was under way.
    owners = await ledger.owners(target.id, [entry.handle for entry in snapshot.entries])
    rows = await scope.rows()
    sides = Sides(
        target_id=target.id,
        rows=rows,
        intents=await scope.intents(rows),
        snapshot=snapshot,
        query=query,
        owners=owners,
        match=connector.match,
        limits=limits,
        now=max(now, snapshot.taken_at),
        ignored=await ledger.ignored(target.id),
    )
    findings = await asyncio.to_thread(compare, sides)  # thousands of rows would hold up the event loop
    await ledger.report(target.id, findings, complete=snapshot.complete, at=sides.now)
    return _told(target.id, findings, snapshot, since, rows)


async def _look(connector: AnyConnector, query: LookQuery, now: datetime) -> Snapshot:
    try:
        return await connector.look(query)
    except CredentialError as error:
        return Snapshot(taken_at=now, complete=False, error=Reason(error.code, str(error)))


def _told(
    target_id: UUID, findings: Sequence[Finding], snapshot: Snapshot, since: datetime, rows: Sequence[Execution]
) -> Scan:
    error = snapshot.error
    scanned = Scan(
        target_id=target_id,
        findings=tuple(findings),
        looked=Looked(
            complete=snapshot.complete,
            taken_at=snapshot.taken_at,
            since=since,
            entries=len(snapshot.entries),
            calls=snapshot.calls,
            error=(error.text or error.code) if error else None,
        ),
        executions={row.id: row for row in rows},
    )
    counts = {kind.value: count for kind, count in scanned.counts.items() if count}
    log.info("reconcile.scanned", target_id=str(target_id), complete=snapshot.complete, counts=counts)
    return scanned
