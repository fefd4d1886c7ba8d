"""Results of the checks of session pools, said shortly. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from afield.connectors.base import CheckResult, CheckVerdict


@dataclass(frozen=True, slots=True)
class Fix:
    """What is wrong, in one sentence, and the command or change that mends it: the first sentence is the exact one."""

    cause: str
    next_step: str


def ok(asked: str, answered: str) -> CheckResult:
    """As it should be."""
    return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)


def failed(asked: str, answered: str, fix: Fix) -> CheckResult:
    """Broken."""
    return _told(CheckVerdict.FAIL, asked, answered, fix)


def warned(asked: str, answered: str, fix: Fix) -> CheckResult:
    """Works, but worth a look."""
    return _told(CheckVerdict.WARN, asked, answered, fix)


def could_not_look(asked: str, answered: str, fix: Fix) -> CheckResult:
    """No answer, so nothing is known."""
    return _told(CheckVerdict.COULD_NOT_LOOK, asked, answered, fix)


def skipped(answered: str, next_step: str = "") -> CheckResult:
    """Not asked, and why."""
    return CheckResult(verdict=CheckVerdict.SKIPPED, asked="", answered=answered, next_step=next_step)


def _told(verdict: CheckVerdict, asked: str, answered: str, fix: Fix) -> CheckResult:
    return CheckResult(verdict=verdict, asked=asked, answered=answered, next_step=fix.next_step, cause=fix.cause)
