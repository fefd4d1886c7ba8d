"""A comparison as the cross-reference shows it. Pure; when AMC was not asked completely, it names no orphans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from afield.model.execution import Execution
from afield.model.finding import Finding, FindingKind
from afield.model.target import Target
from afield.reconcile.scan import Scan
from afield.workflows.model import USER_EMAIL, WORKFLOW_ID
from afield.workflows.shapes import CrossEntry, CrossReference, CrossResults, CrossSummary, Looked
from afield.workflows.views import error_message, instance_id, status_of

_K = FindingKind

NOT_LOOKED_YET = "not looked yet: ask with ?fresh=true, or run a reconciliation"


def cross_reference(target: Target, scanned: Scan) -> CrossReference:
    """What the comparison says, sorted."""
    looked = scanned.looked
    by_kind: dict[FindingKind, list[CrossEntry]] = {kind: [] for kind in _K}
    for finding in scanned.findings:
        by_kind[finding.kind].append(_entry(finding, scanned.executions))
    return _shape(
        target,
        Looked(complete=looked.complete, taken_at=looked.taken_at, error=looked.error),
        by_kind,
        database_count=len(scanned.executions),
        amc_count=looked.entries if looked.complete else None,
    )


def not_looked(target: Target, *, error: str, database_count: int, missing: Sequence[Execution]) -> CrossReference:
    """The same shape when AMC was not asked: what can be said without it is which runs miss an AMC id."""
    by_kind: dict[FindingKind, list[CrossEntry]] = {kind: [] for kind in _K}
    by_kind[_K.MISSING_REMOTE_ID] = [_missing(row) for row in missing]
    looked = Looked(complete=False, taken_at=None, error=error)
    return _shape(target, looked, by_kind, database_count=database_count, amc_count=None)


def _shape(
    target: Target,
    looked: Looked,
    by_kind: Mapping[FindingKind, list[CrossEntry]],
    *,
    database_count: int,
    amc_count: int | None,
) -> CrossReference:
    results = CrossResults(
        matched=by_kind[_K.MATCHED],
        database_only=by_kind[_K.LOCAL_ONLY] if looked.complete else [],
        amc_only=by_kind[_K.REMOTE_ONLY] if looked.complete else [],
        missing_amc_ids=by_kind[_K.MISSING_REMOTE_ID],
        status_mismatches=by_kind[_K.STATUS_MISMATCH],
    )
    return CrossReference(
        success=looked.complete,
        instance_id=instance_id(target),
        database_executions_count=database_count,
        amc_executions_count=amc_count,
        cross_reference_results=results,
        summary=CrossSummary(
            matched=len(results.matched),
            database_only=len(results.database_only),
            amc_only=len(results.amc_only),
            missing_amc_ids=len(results.missing_amc_ids),
            status_mismatches=len(results.status_mismatches),
            ambiguous=len(by_kind[_K.AMBIGUOUS]),
            too_early=len(by_kind[_K.TOO_EARLY]),
            not_looked=len(by_kind[_K.NOT_LOOKED]),
        ),
        looked=looked,
    )


def _entry(finding: Finding, executions: Mapping[UUID, Execution]) -> CrossEntry:
    row = executions.get(finding.execution_id) if finding.execution_id else None
    word = finding.remote.get("status")
    return CrossEntry(
        internal_execution_id=finding.execution_id,
        amc_execution_id=finding.handle,
        workflow_id=row.labels.get(WORKFLOW_ID) if row else None,
        user_email=row.labels.get(USER_EMAIL) if row else None,
        status=status_of(row) if row else None,
        state=row.state if row else None,
        amc_status=word if isinstance(word, str) else None,
        why=finding.why,
        explanation=finding.explanation,
        repairs=[repair.kind for repair in finding.repairs],
    )


def _missing(row: Execution) -> CrossEntry:
    return CrossEntry(
        internal_execution_id=row.id,
        amc_execution_id=None,
        workflow_id=row.labels.get(WORKFLOW_ID),
        user_email=row.labels.get(USER_EMAIL),
        status=status_of(row),
        state=row.state,
        amc_status=None,
        why=row.reason.code if row.reason else row.state,
        explanation=error_message(row) or "It is not known whether AMC took it; AMC was not asked.",
        repairs=[],
    )
