"""What a comparison with a remote looks like to callers."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from afield.api.bodies import FindingBody, LookedBody, Shown
from afield.model.finding import FindingKind
from afield.reconcile.scan import Scan


class ComparisonBody(Shown):
    """Both sides compared. Executions on which both sides agree are counted, not listed."""

    target_id: UUID
    looked: LookedBody
    counts: Annotated[dict[FindingKind, int], Field(description="How many of each kind; every kind is there.")]
    findings: list[FindingBody]

    @classmethod
    def of(cls, scanned: Scan) -> Self:
        return cls.model_validate(comparison(scanned))


def comparison(scanned: Scan) -> dict[str, object]:
    """The fields of a comparison's body."""
    different = [f for f in scanned.findings if f.kind is not FindingKind.MATCHED or f.needs_attention]
    return {
        "target_id": scanned.target_id,
        "looked": LookedBody.model_validate(scanned.looked),
        "counts": scanned.counts,
        "findings": [FindingBody.of(finding) for finding in different],
    }
