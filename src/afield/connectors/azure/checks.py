"""Answers of Azure as results of checks."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from afield.connectors.azure.causes import Cause, explain
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.base import CheckResult, CheckVerdict
from afield.errors import CredentialError

_TOKEN_CODE = re.compile(r"\((\w*Authentication\w*)\)")

_SILENT = {
    Trouble.NO_TOKEN: Cause(
        "Microsoft Entra ID gives no token at the moment.",
        "Check authority_url, the network and proxies, then ask again.",
    ),
    Trouble.NOT_CONNECTED: Cause(
        "Azure cannot be reached from here.", "Check management_url, the network and proxies, then ask again."
    ),
    Trouble.NO_REPLY: Cause(
        "Timeout: Azure took the question and gave no answer.",
        "Ask again in a few minutes; look at Azure's status page.",
    ),
    Trouble.UNREADABLE: Cause(
        "What answers at management_url is not Azure's management interface, or something changed its answer.",
        "Check management_url and the proxies in between.",
    ),
    Trouble.OVER_BUDGET: Cause(
        "This VM has had as many calls as Azure allows for now, so it was not asked.", "Ask again in a minute."
    ),
    Trouble.AWAY_FROM_HOME: Cause(
        "Azure's answer leads to another host, and the token is not sent there.",
        "Check management_url: it has to be the host that Azure itself uses.",
    ),
}


def ok(asked: str, answered: str) -> CheckResult:
    """As it should be."""
    return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=answered)


def failed(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    """Broken."""
    return _told(CheckVerdict.FAIL, asked, answered, Cause(cause, next_step))


def warned(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    """Works, but worth a look."""
    return _told(CheckVerdict.WARN, asked, answered, Cause(cause, next_step))


def unanswered(asked: str, error: AzureError) -> CheckResult:
    """A question that got an error, or no answer. That Azure is busy or away says nothing about what was asked."""
    if error.trouble is not Trouble.ANSWERED:
        return _told(CheckVerdict.COULD_NOT_LOOK, asked, error.message, _SILENT[error.trouble])
    cause = explain(error.status, error.code, error.message)
    told = f"{error.status} {error.code}: {error.message}" if error.code else f"{error.status}: {error.message}"
    if error.retry_after is not None:
        told += f" (Retry-After {error.retry_after.total_seconds():.0f} s)"
    busy = error.status == 429 or error.status >= 500
    return _told(CheckVerdict.COULD_NOT_LOOK if busy else CheckVerdict.FAIL, asked, told, cause)


def refused(asked: str, error: CredentialError) -> CheckResult:
    """A credential refused where tokens are made, or a token refused by Azure, which then names its code."""
    code = _TOKEN_CODE.search(error.message)
    cause = explain(401, code.group(1), error.message) if code else Cause(error.message, error.hint)
    return _told(CheckVerdict.FAIL, asked, error.message, cause)


async def answer_of(asked: str, probe: Callable[[], Awaitable[CheckResult]]) -> CheckResult:
    """The probe's answer, or what it means that Azure refused the question."""
    try:
        return await probe()
    except AzureError as error:
        return unanswered(asked, error)
    except CredentialError as error:
        return refused(asked, error)


def _told(verdict: CheckVerdict, asked: str, answered: str, cause: Cause) -> CheckResult:
    return CheckResult(
        verdict=verdict, asked=asked, answered=answered, next_step=cause.next_step, cause=cause.sentence
    )  # fmt: skip
