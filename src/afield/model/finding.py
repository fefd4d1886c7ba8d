"""A finding: one difference between the two sides, and what would settle it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from afield.model.jsontypes import JsonObject


class FindingKind(StrEnum):
    """The relation of one execution here to one there."""

    MATCHED = "matched"  # both sides agree
    STATUS_MISMATCH = "status_mismatch"  # both know it, they disagree on its state
    MISSING_REMOTE_ID = "missing_remote_id"  # we never learned its id; the reason says why
    LOCAL_ONLY = "local_only"  # we know its id, a complete look does not show it
    REMOTE_ONLY = "remote_only"  # it runs there and nobody here started it
    AMBIGUOUS = "ambiguous"  # several could be the one; a person has to choose
    NOT_LOOKED = "not_looked"  # the remote could not be asked completely; nothing can be said
    TOO_EARLY = "too_early"  # within the remote's visibility delay


class Severity(StrEnum):
    """How much it matters."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RepairKind(StrEnum):
    """What would settle a finding."""

    SYNC_STATUS = "sync_status"  # take the remote's word, collect the output
    ADOPT = "adopt"  # tie the remote execution to the row
    MARK_LEGACY = "mark_legacy"  # an old row without an id, nothing to be found any more
    RESUBMIT = "resubmit"  # send it again
    CANCEL_REMOTE = "cancel_remote"  # stop the surplus
    IGNORE = "ignore"  # leave it, and do not report it again


AUTOMATIC = frozenset({RepairKind.SYNC_STATUS, RepairKind.ADOPT, RepairKind.MARK_LEGACY})
"""Repairs that can neither lose nor start work, so that they may be applied without asking."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One way to settle a finding, with what can go wrong."""

    kind: RepairKind
    risk: str
    handle: str | None = None  # which remote execution it is about, where there are several

    @property
    def automatic(self) -> bool:
        return self.kind in AUTOMATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference (or agreement), with evidence from both sides and a sentence that explains it."""

    kind: FindingKind
    severity: Severity
    target_id: UUID
    explanation: str
    execution_id: UUID | None = None
    handle: str | None = None
    why: str = ""  # a code that refines the kind: too_early, create_failed, unconfirmed, foreign, duplicate, ...
    local: JsonObject = field(default_factory=dict)
    remote: JsonObject = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for the same difference in the next look, so that it is not reported twice."""
        return f"{self.kind}:{self.execution_id or '-'}:{self.handle or '-'}"

    @property
    def needs_attention(self) -> bool:
        return self.severity in {Severity.WARNING, Severity.ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFinding:
    """A finding as the ledger keeps it over several looks."""

    id: UUID
    finding: Finding
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None = None
    ignored: bool = False
