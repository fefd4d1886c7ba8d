"""A version of a runbook as it is kept, and what may become of it. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from afield.errors import ConflictError, InvalidInputError
from afield.runbooks.format import parse
from afield.runbooks.lint import lint
from afield.runbooks.model import Environment, Risk, Runbook
from afield.runbooks.problems import Level, Problem


class Status(StrEnum):
    """How far a version is."""

    DRAFT = "draft"  # may still be changed
    APPROVED = "approved"  # may be started
    ARCHIVED = "archived"  # kept, and not started any more


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookVersion:
    """One version of one runbook."""

    tenant_id: UUID
    runbook_id: str
    version: str  # as its author writes it
    revision: int  # counts this runbook's versions in the order in which they were first saved, from 1
    status: Status = Status.DRAFT
    text: str
    digest: str
    title: str
    service: str
    env: Environment
    risk: Risk
    created_by: str
    created_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    archived_by: str | None = None
    archived_at: datetime | None = None

    @property
    def name(self) -> str:
        """`disk-full 1.2.0`."""
        return f"{self.runbook_id} {self.version}"

    def runbook(self) -> Runbook:
        """What the text says. Raises InvalidInputError if this Afield does not understand it any more."""
        return understood(self.text)


def understood(text: str) -> Runbook:
    """The runbook a text holds. Raises InvalidInputError with the first problem and its line."""
    parsed = parse(text)
    if parsed.runbook is None:
        raise _refused("The text is not a runbook", list(parsed.problems))
    return parsed.runbook


def digest_of(text: str) -> str:
    """Names a text exactly."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_approval(version: RunbookVersion, by: str) -> None:
    """Raises ConflictError if the version is archived, or the risk is high and its author is approving it;
    InvalidInputError if `lint` finds errors."""
    if version.status is Status.ARCHIVED:
        raise ConflictError(f"{version.name} is archived.", hint="Save it as a new version to use it again.")
    if version.risk is Risk.HIGH and by == version.created_by:
        raise ConflictError(
            f"{version.name} has a high risk, and whoever wrote it cannot approve it.", hint="Ask somebody else."
        )
    errors = [problem for problem in lint(version.text) if problem.severity is Level.ERROR]
    if errors:
        raise _refused(f"{version.name} cannot be approved", errors)


def check_start(version: RunbookVersion) -> None:
    """Raises ConflictError unless the version is approved."""
    if version.status is Status.DRAFT:
        hint = f"`afield runbook approve {version.runbook_id} {version.version}`, or start an approved version."
        raise ConflictError(f"{version.name} is a draft, and drafts are not started.", hint=hint)
    if version.status is Status.ARCHIVED:
        raise ConflictError(f"{version.name} is archived.", hint="Start another version.")


def _refused(what: str, problems: list[Problem]) -> InvalidInputError:
    first = problems[0]
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    hint = f"{first.hint} `afield runbook lint` lists everything.".strip()
    return InvalidInputError(f"{what}: line {first.line}: {first.message}{more}", hint=hint)
