"""The comparison: both sides in, one finding for every row and every entry out. Pure and total.

How sure a finding is follows from three rules. An incomplete look proves only what it shows: an entry whose id a row
holds. What is not shown is absent only for a complete look that asked for it, taken later than the remote's longest
visibility delay. And only an exact match that is the only one ties an entry to a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from afield.model.finding import Finding, Severity
from afield.reconcile.judge import Judge, at_work
from afield.reconcile.sides import Sides
from afield.reconcile.tie import Ties, tie

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2, Severity.OK: 3}


def compare(sides: Sides) -> list[Finding]:
    """One finding for each row, and one for each entry that is not part of a row's; the worst first.

    An entry that is older than the look's `since` and belongs to nobody here is left out: it was not asked for.
    """
    ties = tie(sides)
    judge = Judge(sides, at_work(ties.surplus))
    findings = [*_of_rows(sides, ties, judge), *_of_entries(sides, ties, judge)]
    return sorted((_heed(finding, sides.ignored) for finding in findings), key=_order)


def _of_rows(sides: Sides, ties: Ties, judge: Judge) -> Iterable[Finding]:
    for row in sides.rows:
        if row.id in ties.owned:
            yield judge.owned(row, ties.owned[row.id])
        elif row.id in ties.found:
            yield judge.found(row, ties.found[row.id])
        elif row.id in ties.choices:
            yield judge.choices(row, ties.choices[row.id], row.id in ties.proven)
        else:
            yield judge.unseen(row)


def _of_entries(sides: Sides, ties: Ties, judge: Judge) -> Iterable[Finding]:
    rows = {row.id: row for row in sides.rows}
    entries = {entry.handle: entry for entries in ties.choices.values() for entry in entries}
    for entry, owner in ties.elsewhere:
        yield judge.elsewhere(entry, owner)
    for surplus in ties.surplus:
        yield judge.surplus(surplus)
    for handle, claimants in ties.claimants.items():
        proven = ties.proven.issuperset(claimants)
        yield judge.claimed(entries[handle], [rows[row_id] for row_id in claimants], proven)
    for entry in ties.strangers:
        if sides.in_scope(entry):
            yield judge.stranger(entry)


def _heed(finding: Finding, ignored: frozenset[str]) -> Finding:
    """A difference somebody decided to leave: still told, without alarm and without repairs."""
    if finding.fingerprint not in ignored or not (finding.repairs or finding.needs_attention):
        return finding
    return replace(finding, severity=Severity.INFO, repairs=(), explanation=f"{finding.explanation} (Ignored.)")


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return (_RANK[finding.severity], finding.kind, str(finding.execution_id or ""), finding.handle or "")
