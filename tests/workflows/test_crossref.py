"""A comparison as the cross-reference shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from workflow_rows import T0, TARGET_ID, WORKFLOW_ID, a_row, a_target

from afield.model.execution import Reason
from afield.model.finding import Finding, FindingKind, Severity
from afield.model.states import ExecutionState
from afield.reconcile.scan import Looked, Scan
from afield.workflows.crossref import cross_reference, not_looked

K = FindingKind
FIELDS = [
    "success",
    "instance_id",
    "database_executions_count",
    "amc_executions_count",
    "cross_reference_results",
    "summary",
    "looked",
]
RESULTS = ["matched", "database_only", "amc_only", "missing_amc_ids", "status_mismatches"]
SUMMARY = [*RESULTS, "ambiguous", "too_early", "not_looked"]


def a_finding(kind: FindingKind, number: int) -> Finding:
    here = kind is not K.REMOTE_ONLY
    return Finding(
        kind=kind,
        severity=Severity.INFO,
        target_id=TARGET_ID,
        explanation="So it is.",
        execution_id=UUID(int=number) if here else None,
        handle=f"amc-{number}",
        remote={"status": "RUNNING"},
        why="because",
    )


def a_scan(*, complete: bool = True) -> Scan:
    findings = [a_finding(kind, number) for number, kind in enumerate(K, start=1)]
    rows = [a_row(ExecutionState.RUNNING, number) for number in range(1, len(findings) + 1)]
    looked = Looked(complete=complete, taken_at=T0, since=T0, entries=9, error=None if complete else "page 3 failed")
    return Scan(target_id=TARGET_ID, findings=tuple(findings), looked=looked, executions={row.id: row for row in rows})


def check_shape(shown: dict[str, Any]) -> None:
    assert list(shown) == FIELDS
    assert list(shown["cross_reference_results"]) == RESULTS
    assert list(shown["summary"]) == SUMMARY
    assert list(shown["looked"]) == ["complete", "taken_at", "error"]
    for name in RESULTS:
        assert shown["summary"][name] == len(shown["cross_reference_results"][name])


def test_every_kind_has_its_place() -> None:
    shown = cross_reference(a_target(), a_scan()).model_dump()
    check_shape(shown)
    assert shown["success"] is True
    assert (shown["database_executions_count"], shown["amc_executions_count"]) == (len(K), 9)
    assert set(shown["summary"].values()) == {1}
    matched = shown["cross_reference_results"]["matched"][0]
    assert (matched["workflow_id"], matched["status"], matched["amc_status"]) == (
        str(WORKFLOW_ID),
        "running",
        "RUNNING",
    )
    theirs = shown["cross_reference_results"]["amc_only"][0]
    assert (theirs["internal_execution_id"], theirs["workflow_id"], theirs["status"]) == (None, None, None)


def test_an_incomplete_look_names_no_orphans() -> None:
    shown = cross_reference(a_target(), a_scan(complete=False)).model_dump()
    check_shape(shown)
    assert (shown["success"], shown["looked"]["error"]) == (False, "page 3 failed")
    assert shown["cross_reference_results"]["amc_only"] == []
    assert shown["cross_reference_results"]["database_only"] == []
    assert shown["amc_executions_count"] is None
    assert shown["summary"]["matched"] == 1


@pytest.mark.parametrize("missing", [0, 2])
def test_nobody_asked(missing: int) -> None:
    rows = [
        a_row(ExecutionState.UNCONFIRMED, number, reason=Reason("timeout", "No answer.")) for number in range(missing)
    ]
    shown = not_looked(a_target(), error="not yet", database_count=5, missing=rows).model_dump()
    check_shape(shown)
    assert shown["looked"] == {"complete": False, "taken_at": None, "error": "not yet"}
    assert shown["success"] is False
    assert (shown["database_executions_count"], shown["amc_executions_count"]) == (5, None)
    assert {name: count for name, count in shown["summary"].items() if count} == (
        {"missing_amc_ids": missing} if missing else {}
    )
