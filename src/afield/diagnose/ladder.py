"""Climbing a ladder: one check after the other, in order, each within its time, nothing changed by any of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.diagnose.diagnosis import Diagnosis, Rung, conclude, redacted
from afield.diagnose.redact import redact
from afield.errors import AfieldError, CredentialError, InvalidInputError

log = structlog.get_logger(__name__)

_UNANSWERED = frozenset({CheckVerdict.FAIL, CheckVerdict.SKIPPED, CheckVerdict.COULD_NOT_LOOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """How to climb: `intrusive` names the checks that may do more than read; they are refused while `busy`, that is,
    while something runs on the target. `timeout_s` is for each check; `secrets` are values never to be shown."""

    intrusive: Collection[str] = ()
    busy: bool = False
    timeout_s: float = 30.0
    secrets: Iterable[str] = ()


async def climb(subject: str, checks: Sequence[Check], how: Climb | None = None) -> Diagnosis:
    """Run the checks in order; what stands on a rung that failed is skipped.

    Raises InvalidInputError when an intrusive check is asked for that is not there, and ValueError for a ladder whose
    checks do not stand on earlier ones.
    """
    how = how or Climb()
    _check_ladder(checks, how.intrusive)
    clean = partial(redact, secrets=tuple(how.secrets))
    rungs: dict[str, Rung] = {}
    for check in checks:
        started = time.monotonic()
        result = _not_to_be_made(check, rungs, how) or await _made(check, how.timeout_s)
        rungs[check.name] = Rung(name=check.name, result=redacted(result, clean), seconds=time.monotonic() - started)
    return conclude(subject, tuple(rungs.values()), all_well=f"Nothing is wrong with {subject} as far as was asked.")


def _check_ladder(checks: Sequence[Check], intrusive: Collection[str]) -> None:
    names: set[str] = set()
    for check in checks:
        if check.name in names or not names.issuperset(check.needs):
            raise ValueError(f"check {check.name!r} is there twice, or needs one that does not come before it")
        names.add(check.name)
    offered = {check.name for check in checks if check.intrusive}
    for name in sorted(set(intrusive) - offered):
        raise InvalidInputError(
            f"There is no intrusive check {name!r} here.", hint=f"There are: {', '.join(sorted(offered)) or 'none'}."
        )


def _not_to_be_made(check: Check, rungs: dict[str, Rung], how: Climb) -> CheckResult | None:
    """Why the check is skipped, if it is."""
    missing = [name for name in check.needs if rungs[name].verdict in _UNANSWERED]
    if missing:
        return _skipped(f"Not asked: it stands on {missing[0]!r}, which gave no good answer.")
    if check.intrusive and check.name not in how.intrusive:
        return _skipped("Not asked: it does more than read.", f"ask for {check.name!r} by name")
    if check.intrusive and how.busy:
        return _skipped("Refused: something is running on the target.", "ask again when nothing runs")
    return None


def _skipped(answered: str, next_step: str = "") -> CheckResult:
    return CheckResult(verdict=CheckVerdict.SKIPPED, asked="", answered=answered, next_step=next_step)


async def _made(check: Check, timeout_s: float) -> CheckResult:
    try:
        async with asyncio.timeout(timeout_s):
            return await check.probe()
    except TimeoutError:
        text = f"No answer within {timeout_s:g} s."
        return _unanswered(check, text, "see whether the remote is reachable from here, then ask again")
    except CredentialError as error:
        return CheckResult(
            verdict=CheckVerdict.FAIL, asked=check.name, answered=error.message, cause=error.message,
            next_step=error.hint or "renew the target's credential",
        )  # fmt: skip
    except AfieldError as error:
        return _unanswered(check, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a broken check must not hide what the others say
        log.error("check.broke", check=check.name, error=type(error).__name__)  # its text may hold a secret
        return _unanswered(check, f"The check broke: {type(error).__name__}: {error}", "report this as a defect")


def _unanswered(check: Check, answered: str, next_step: str) -> CheckResult:
    return CheckResult(
        verdict=CheckVerdict.COULD_NOT_LOOK,
        asked=check.name,
        answered=answered,
        cause=f"The check {check.name!r} got no answer ({answered.rstrip('.')})",
        next_step=next_step,
    )
