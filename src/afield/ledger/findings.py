"""Findings in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from afield.errors import NotFoundError
from afield.ledger import rows
from afield.ledger.encode import encode_findings
from afield.ledger.store import Part
from afield.model.finding import Finding, FindingKind, OpenFinding


class Findings(Part):
    """The part of `ledger.base.Ledger` about findings."""

    async def report(self, target_id: UUID, findings: Sequence[Finding], *, complete: bool, at: datetime) -> None:
        kept = {f.fingerprint: f for f in findings if f.needs_attention}
        sql = "select afield.report_v1(id, %s::jsonb, %s, %s) from afield.target where id = %s"
        if await self._db.one(sql, (encode_findings([*kept.values()]), complete, at, target_id)) is None:
            raise NotFoundError(f"There is no target {target_id}.")

    async def findings(
        self, tenant_id: UUID, *, target_id: UUID | None = None, kind: FindingKind | None = None, open_only: bool = True
    ) -> list[OpenFinding]:
        sql = f"""
            select {rows.FINDING} from afield.finding
            where tenant_id = %s and target_id = coalesce(%s, target_id) and kind = coalesce(%s, kind)
              and (not %s or (resolved_at is null and not ignored))
            order by first_seen_at, id"""
        return rows.each(rows.open_finding, await self._db.all(sql, (tenant_id, target_id, kind, open_only)))

    async def ignored(self, target_id: UUID) -> frozenset[str]:
        sql = "select fingerprint from afield.finding where target_id = %s and ignored"
        return frozenset(row[0] for row in await self._db.all(sql, (target_id,)))

    async def ignore(self, target_id: UUID, fingerprint: str, actor: str, at: datetime) -> None:
        sql = "select afield.ignore_finding_v1(%s, %s, %s, %s)"
        row = await self._db.one(sql, (target_id, fingerprint, actor, at))
        if row is None or not row[0]:
            raise NotFoundError(f"There is no finding {fingerprint!r}.", hint="List the target's findings first.")
