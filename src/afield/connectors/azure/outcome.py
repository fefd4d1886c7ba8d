"""What an error in reply to the request that starts a command proves. Pure, and the one place where it is decided.

Azure decides by HTTP status first: `OperationNotAllowed` is the code of several 409s and of a 429.
Sources: Microsoft Learn, run-command, run-command-managed, compute-throttling-limits.
"""

from __future__ import annotations

from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.base import NO_ROOM, NotSent, Refused, Submission, Unknown
from afield.model.execution import Reason

_NOT_SENT = frozenset({Trouble.NO_TOKEN, Trouble.NOT_CONNECTED, Trouble.OVER_BUDGET})

_CONFLICTS = (
    ("maximum number of managed run commands", NO_ROOM),
    ("run command extension execution is in progress", "conflict"),
    ("another operation is in progress", "vm_busy"),
    ("ongoing operation is changing power state", "vm_busy"),
    ("not running", "vm_not_running"),
    ("requires the vm to be running", "vm_not_running"),
    ("deallocated", "vm_not_running"),
    ("allowextensionoperations", "extensions_not_allowed"),
)


def of_error(error: AzureError, what: str) -> Submission:
    """Refused, not sent, or unknown. Only what Azure turned away before it was accepted counts as not sent."""
    why = error.reason(what)
    if error.trouble in _NOT_SENT:
        return NotSent(why, error.retry_after, only_this=error.trouble is Trouble.OVER_BUDGET)
    if error.trouble is Trouble.AWAY_FROM_HOME:
        return Refused(why)
    if error.trouble is not Trouble.ANSWERED or error.status >= 500 or error.status < 400:
        return Unknown(why, error.retry_after)
    return _turned_away(error, why)


def _turned_away(error: AzureError, why: Reason) -> Submission:
    if error.status == 429:
        return NotSent(why, error.retry_after)
    kind = conflict_kind(error)
    if kind == "extensions_not_allowed":
        return Refused(Reason(kind, why.text))
    if error.status in {409, 412} or kind == NO_ROOM:
        return NotSent(Reason(kind or "conflict", why.text), error.retry_after, only_this=True)
    if error.status == 408:
        return Unknown(why, error.retry_after)
    return Refused(why)


def conflict_kind(error: AzureError) -> str:
    """Which of the known conflicts this is; empty for another."""
    text = error.message.lower()
    return next((kind for words, kind in _CONFLICTS if words in text), "")


def before_sending(error: AzureError, what: str) -> Refused | NotSent:
    """What an error means that came before the request was sent: whatever it was, nothing has started."""
    submission = of_error(error, what)
    if isinstance(submission, Refused | NotSent):
        return submission
    return NotSent(error.reason(what), error.retry_after)
