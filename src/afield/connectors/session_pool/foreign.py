"""What an answer that is not the adapter's means for code that was sent: whether it is certain that nothing ran."""

from __future__ import annotations

from datetime import datetime

from afield.connectors.adapter.reply import Reply
from afield.connectors.base import NO_ROOM, NotSent, Refused
from afield.connectors.session_pool.blame import Blame, Speaker, blame
from afield.connectors.session_pool.evidence import Answer
from afield.model.execution import Reason


def blamed(reply: Reply) -> Blame:
    """Who gave the answer."""
    return blame(Answer(status=reply.status, headers=reply.headers, body=reply.body))


def foreign(reply: Reply, now: datetime, *, movable: bool) -> NotSent | Refused | None:
    """None: not certain. `movable`: the endpoint was read from the resource, so it may be another one by now."""
    found = blamed(reply)
    wait = reply.patience(now)
    refusal = _REFUSALS.get(found.speaker)
    if found.speaker is Speaker.CAPACITY:
        return NotSent(Reason(NO_ROOM, f"The pool has no place left ({found.because})."), wait)
    if found.speaker in {Speaker.WRONG_KIND, Speaker.WRONG_HOST} and movable:
        return NotSent(Reason("wrong_endpoint", f"The pool is not at its endpoint any more ({found.because})."), wait)
    if refusal is not None and 400 <= reply.status < 500:
        code, text = refusal
        return Refused(Reason(found.code or code, f"{text} ({found.because}). `afield diagnose target` says more."))
    return None


def interpreter_said(reply: Reply, now: datetime, *, movable: bool) -> NotSent | Refused | None:
    """The same for a pool of Azure's interpreters, which has no adapter: what is refused there is refused for good."""
    found = blamed(reply)
    if found.speaker in {Speaker.CAPACITY, Speaker.WRONG_KIND, Speaker.WRONG_HOST}:
        return foreign(reply, now, movable=movable)
    if 400 <= reply.status < 500:
        text = Answer(status=reply.status, body=reply.body).text(300)
        return Refused(Reason(found.code or f"http_{reply.status}", f"The pool answers {reply.status}: {text}"))
    return None


_REFUSALS = {
    Speaker.PISTON: ("piston_on_port", "Piston holds the target port inside the image; the adapter is not listening"),
    Speaker.OTHER_APP: ("not_the_adapter", "Another program than the adapter answers inside the container"),
    Speaker.WRONG_KIND: ("wrong_endpoint_kind", "This form of endpoint is for another kind of pool"),
    Speaker.WRONG_HOST: ("no_pool", "There is no pool at the endpoint"),
    Speaker.PLATFORM: ("refused", "The platform refuses the request"),
}
"""Told by a status of 4xx. The code was for the adapter alone; no other program runs it."""
