"""What the answer to a submission means. Pure. A NotSent that is not certain would run code twice.

The adapter's own answers are certain. Of anybody else's, only those are that show that the request never came as far
as to a program; `foreign` judges them, since each kind of pool has other ones.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import Run, UnreadableError, parse_run
from afield.connectors.base import NO_ROOM, NotSent, Refused, Unknown
from afield.model.execution import Reason

Foreign = Callable[[Reply, datetime], NotSent | Refused | None]
"""Judges an answer that is not the adapter's: certainly nothing ran, or None when that is not certain."""

_REFUSALS = frozenset({400, 404, 405, 413, 415, 422})


def outcome(answer: Reply | NoReply, foreign: Foreign, now: datetime) -> Run | NotSent | Refused | Unknown:
    """What became of POST /runs."""
    if isinstance(answer, NoReply):
        return no_reply(answer)
    if answer.ours:
        return _own(answer, now)
    certain = foreign(answer, now)
    if certain is not None:
        return certain
    text = f"An answer {answer.status} came that is not the adapter's: it may have run."
    return Unknown(Reason("not_the_adapter", text), answer.patience(now))


def before(answer: Reply | NoReply, foreign: Foreign, now: datetime) -> NotSent | Refused | None:
    """What a call without code that failed means for the code that waits behind it: it has not left. None: it was
    the adapter that answered."""
    if isinstance(answer, NoReply):
        return NotSent(Reason("no_connection", f"Nothing was sent: {answer.text}."))
    if answer.ours and answer.status < 500:
        return None
    if answer.ours:
        return NotSent(Reason("not_ready", f"The adapter answers {answer.status}."), answer.patience(now))
    text = f"The pool answers {answer.status}, and not by the adapter."
    return foreign(answer, now) or NotSent(Reason("not_the_adapter", text), answer.patience(now))


def no_reply(answer: NoReply) -> NotSent | Unknown:
    if answer.sent:
        return Unknown(Reason("no_reply", f"It may have run: {answer.text}."))
    return NotSent(Reason("no_connection", f"Nothing was sent: {answer.text}."))


def _own(answer: Reply, now: datetime) -> Run | NotSent | Refused | Unknown:
    code, text = answer.error()
    if answer.status in {200, 202}:
        return _run(answer)
    if answer.status in {429, 503}:
        return NotSent(Reason(NO_ROOM if code == "busy" else code or "busy", text), answer.patience(now))
    if answer.status in _REFUSALS:
        return Refused(Reason(code or f"http_{answer.status}", text or f"The adapter answers {answer.status}."))
    return Unknown(Reason(code or f"http_{answer.status}", text or f"The adapter answers {answer.status}."))


def _run(answer: Reply) -> Run | Unknown:
    try:
        return parse_run(answer.json())
    except UnreadableError as error:
        return Unknown(Reason("unreadable", f"It was accepted, and the answer cannot be read: {error}."))
