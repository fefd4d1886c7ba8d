"""The findings of one target over several looks. Pure: what a report changes, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from afield.errors import NotFoundError
from afield.model.finding import Finding, OpenFinding
from afield.model.ids import uuid7


class FindingShelf:
    """Findings by fingerprint."""

    def __init__(self) -> None:
        self._kept: dict[str, OpenFinding] = {}

    def report(self, findings: Sequence[Finding], *, complete: bool, at: datetime) -> list[tuple[str, Finding]]:
        """Take in one look's findings; returns what is new to tell: ("opened" | "resolved", finding)."""
        seen = {f.fingerprint: f for f in findings if f.needs_attention}
        told = [("opened", f) for f in seen.values() if self._open(f, at)]
        if complete:
            told += [("resolved", f) for f in self._resolve_others(seen, at)]
        return told

    def _open(self, finding: Finding, at: datetime) -> bool:
        """Keep it; True when it was not open before (an ignored one never is news)."""
        before = self._kept.get(finding.fingerprint)
        if before is not None and (before.resolved_at is None or before.ignored):
            self._kept[finding.fingerprint] = replace(before, finding=finding, last_seen_at=at, resolved_at=None)
            return False
        identity = before.id if before else uuid7()
        self._kept[finding.fingerprint] = OpenFinding(id=identity, finding=finding, first_seen_at=at, last_seen_at=at)
        return True

    def _resolve_others(self, seen: dict[str, Finding], at: datetime) -> Iterator[Finding]:
        for fingerprint, kept in self._kept.items():
            if fingerprint not in seen and kept.resolved_at is None:
                self._kept[fingerprint] = replace(kept, resolved_at=at)
                if not kept.ignored:
                    yield kept.finding

    def kept(self, open_only: bool) -> list[OpenFinding]:
        return [f for f in self._kept.values() if not open_only or (f.resolved_at is None and not f.ignored)]

    def ignored(self) -> frozenset[str]:
        return frozenset(fingerprint for fingerprint, f in self._kept.items() if f.ignored)

    def ignore(self, fingerprint: str) -> Finding:
        """Raises NotFoundError when there is no such finding."""
        found = self._kept.get(fingerprint)
        if found is None:
            raise NotFoundError(f"There is no finding {fingerprint!r}.", hint="List the target's findings first.")
        self._kept[fingerprint] = replace(found, ignored=True)
        return found.finding
