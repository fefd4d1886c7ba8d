"""What a reply to a submission proves. Pure, and the one place where it is decided.

AMC has no idempotency key: a request that may have arrived may have started work, so everything but a clear no is
unknown. That includes 429, which AMC's sister API was seen to answer for requests it had accepted.
"""

from __future__ import annotations

from enum import Enum

from afield.connectors.amc.answer import Answer, Failed, Reply, Trouble, error_text, reason
from afield.connectors.amc.wire import parse_execution
from afield.connectors.base import Accepted, NotSent, Refused, Submission, Unknown
from afield.model.execution import Reason

_CLEAR_NO = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422})

MAY_BE_SAVED = frozenset({"no_reply", "remote_error", "unexpected_reply"})
"""Reasons for which a workflow that was not saved, as far as we know, may be there all the same."""


class Naming(Enum):
    """The saved workflow that names an attempt."""

    CREATED = "created"
    TAKEN = "taken"  # there is one of this name already


def of_workflow(answer: Answer) -> Naming | Refused | NotSent:
    """What came of saving the workflow. It starts nothing, so whatever went wrong, nothing runs."""
    what = "Saving the workflow"
    if isinstance(answer, Failed):
        return NotSent(reason(answer, what), answer.retry_after)
    if answer.ok:
        return Naming.CREATED
    if "already exists" in error_text(answer):
        return Naming.TAKEN
    if answer.status in _CLEAR_NO:
        return Refused(reason(answer, what))
    return NotSent(reason(answer, what), answer.retry_after)


def of_execution(answer: Answer) -> Submission:
    """What came of the request that starts the work."""
    what = "Starting the execution"
    if isinstance(answer, Failed):
        if answer.trouble is Trouble.NO_REPLY:
            return Unknown(reason(answer, what), answer.retry_after)
        return NotSent(reason(answer, what), answer.retry_after)
    if answer.ok:
        return _accepted(answer)
    if answer.status in _CLEAR_NO:
        return Refused(reason(answer, what))
    return Unknown(reason(answer, what), answer.retry_after)


def _accepted(reply: Reply) -> Submission:
    entry = parse_execution(reply.body)
    if entry is not None:
        return Accepted(entry.handle, entry)
    text = f"AMC answered {reply.status} to the start, and the reply has no readable execution id"
    return Unknown(Reason("unreadable_reply", f"{text} (request {reply.request_id or 'unknown'})."))
