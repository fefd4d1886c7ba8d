"""What is kept of a request between calls: that it left, and what came back. Pure."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from afield.connectors.base import Entry, RemoteState, StrictModel
from afield.connectors.command import tail
from afield.connectors.http.spec import HttpSpec
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

MOST_BODY = 1024 * 1024
"""How much of an answer is kept, in bytes."""

_HEADERS = (
    "Content-Type",
    "Content-Length",
    "Date",
    "ETag",
    "Last-Modified",
    "Location",
    "Retry-After",
    "X-Request-Id",
)


class Answer(StrictModel):
    """An answer."""

    status: int
    headers: dict[str, str] = Field(default_factory=dict)
    body: bytes = b""
    cut: bool = False  # there was more
    reason_code: str = ""  # why it is not what was expected; empty if it is
    reason_text: str = ""

    model_config = StrictModel.model_config | {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    def detail(self) -> JsonObject:
        """As kept in `Output.detail`."""
        text, cut = tail(self.body)
        return {"status": self.status, "body": text, "body_cut": cut or self.cut, "headers": dict(self.headers)}


class Remembered(StrictModel):
    """A request that left, or was about to; with its answer, if one came."""

    request: str  # method and path
    sent_at: float  # Unix seconds
    answer: Answer | None = None
    too_late: bool = False  # no answer came in time, and that is the end of it

    model_config = Answer.model_config

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.answer is not None or self.too_late

    def answered(self, answer: Answer) -> Self:
        return self.model_copy(update={"answer": answer})


def judged(answer: Answer, spec: HttpSpec) -> Answer:
    """The answer, with the reason why it is not what was expected."""
    if not spec.expects(answer.status):
        expected = ", ".join(map(str, spec.expected_status)) or "2xx"
        text = f"The answer has status {answer.status}, and {expected} was expected."
        return answer.model_copy(update={"reason_code": f"status_{answer.status}", "reason_text": text})
    wanted = spec.expected_body
    if wanted is not None and wanted.encode() not in answer.body:
        text = "The answer does not contain the expected text."
        return answer.model_copy(update={"reason_code": "body_not_expected", "reason_text": text})
    return answer


def few_headers(headers: JsonObject) -> dict[str, str]:
    """Those that help a person, and carry no secrets: no cookies, no tokens."""
    by_name = {name.lower(): str(value) for name, value in headers.items()}
    return {name: by_name[name.lower()][:512] for name in _HEADERS if name.lower() in by_name}


def entry_of(key: str, kept: Remembered, *, adopted: bool) -> Entry:
    """What is known of a request. One without an answer may have arrived or not: a person has to say, and when one
    has said that it did (`adopted`), how it ended stays unknown, which is no success."""
    if kept.answer is not None:
        good = not kept.answer.reason_code
        reason = None if good else Reason(kept.answer.reason_code, kept.answer.reason_text)
        state = RemoteState.SUCCEEDED if good else RemoteState.FAILED
        return Entry(handle=key, status=str(kept.answer.status), state=state, name=key, reason=reason)
    if kept.too_late:
        why = Reason("time_over", f"No answer to {kept.request} came in time; repeating it would do no harm.")
        return Entry(handle=key, status="no answer in time", state=RemoteState.TIMED_OUT, name=key, reason=why)
    if adopted:
        text = f"{kept.request} was taken to have arrived. Its answer is lost, so how it ended is not known."
        return Entry(
            handle=key, status="no answer", state=RemoteState.FAILED, name=key, reason=Reason("answer_lost", text)
        )
    text = f"{kept.request} left, and no answer came."
    return Entry(handle=key, status="no answer", state=RemoteState.UNKNOWN, reason=Reason("answer_lost", text))
