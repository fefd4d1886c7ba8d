"""What the validation found, for programs and for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from afield.provisioning.brief import Frozen
from afield.provisioning.checking import CheckOutcome


class Badge(StrEnum):
    """How a question did."""

    PASSED = "passed"
    WARNING = "warning"  # it did not pass, and the demo is complete all the same
    FAILED = "failed"


class Verdict(Frozen):
    """One golden question, asked in the chat and recounted over the files."""

    question_id: str
    question: str
    about: str
    badge: Badge
    why: str = ""
    understood: str = ""
    sql: str = ""
    rows: int = 0
    seconds: float


class Report(Frozen):
    """All of it. `passed`: everything that matters did."""

    title: str
    verdicts: tuple[Verdict, ...]
    checks: tuple[CheckOutcome, ...]

    @property
    def golden_passed(self) -> int:
        """Questions that passed."""
        return sum(verdict.badge is Badge.PASSED for verdict in self.verdicts)

    @property
    def failures(self) -> tuple[str, ...]:
        """What matters and did not pass."""
        asked = (f"{one.question} {one.why}" for one in self.verdicts if one.badge is Badge.FAILED)
        checked = (f"{one.name}: {one.detail}" for one in self.checks if one.matters and not one.passed)
        return (*checked, *asked)

    @property
    def passed(self) -> bool:
        """Whether the demo is complete."""
        return not self.failures and bool(self.verdicts)


_SHOWN = {Badge.PASSED: "✅ passed", Badge.WARNING: "⚠️ warning", Badge.FAILED: "❌ failed"}


def markdown(report: Report) -> str:
    """The report for people."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    passed = sum(check.passed for check in report.checks)
    yield f"# Validation of {report.title}"
    yield ""
    yield f"**{'Passed' if report.passed else 'Not passed'}.** {report.golden_passed} of {len(report.verdicts)} golden"
    yield f"questions and {passed} of {len(report.checks)} checks passed. Every question was asked in the chat, and the"
    yield "answer compared with a recount over the generated files, which uses neither the chat's SQL nor its database."
    yield ""
    yield "| badge | question | about | rows | seconds | remark |"
    yield "|---|---|---|---|---|---|"
    for one in report.verdicts:
        cells = (_SHOWN[one.badge], one.question, one.about, str(one.rows), f"{one.seconds:.2f}", one.why)
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    yield ""
    yield "| check | result | detail |"
    yield "|---|---|---|"
    for check in report.checks:
        badge = Badge.PASSED if check.passed else Badge.FAILED if check.matters else Badge.WARNING
        yield f"| {check.name} | {_SHOWN[badge]} | {check.detail.replace('|', '/')} |"
