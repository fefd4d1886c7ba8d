"""The http connector: one request as a step. What left and what came back is noted, since nobody can be asked later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

import structlog
from pydantic import ValidationError

from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
    CollectError,
    Connector,
    Entry,
    Intent,
    Limits,
    LookQuery,
    Match,
    NotSent,
    Output,
    Refused,
    Sink,
    Snapshot,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.http import ladder
from afield.connectors.http.client import HttpClient, NoAnswer, patience
from afield.connectors.http.remembered import Answer, Remembered, entry_of, judged
from afield.connectors.http.spec import HttpAddress, HttpSpec
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

LIMITS = Limits(
    max_live=20,
    max_calls=20,  # a request is a call for as long as it takes
    min_interval=timedelta(seconds=1),
    max_interval=timedelta(minutes=1),
    visibility_delay=timedelta(),  # answers are noted before they are told
    max_visibility_delay=timedelta(minutes=1),
)


class HttpConnector(Connector[HttpAddress, HttpSpec]):
    """One web service. It is asked nothing by a look: a look reads the notes."""

    name: ClassVar[str] = "http"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True,
        cancel=False,
        caller_chosen_name=False,
        output_on_failure=True,
        leaves_behind=True,  # a note, here
        limits=LIMITS,
    )
    Address = HttpAddress
    Spec = HttpSpec

    def __init__(self, context: TargetContext) -> None:
        self._context = context
        self._address = HttpAddress.model_validate(context.address)
        self._send_window = LIMITS.overridden(context.settings).request_timeout
        self._client = HttpClient(self._address, context.secret)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(context)

    async def close(self) -> None:
        await self._client.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        """Note that the request leaves, send it, and note its answer. What is noted already is not sent again."""
        try:
            spec = HttpSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        if (kept := await self._recall(intent.key)) is not None:
            return self._known_already(intent.key, kept)
        now = self._context.clock.now()
        if now - intent.sent_after > self._send_window:
            return NotSent(Reason("held_back", "It was not sent in time."))
        kept = Remembered(request=f"{spec.method} {spec.path.partition('?')[0]}", sent_at=now.timestamp())
        await self._keep(intent.key, kept)
        answer = await self._client.send(spec, idempotency_key(intent))
        reach(FaultPoint.AFTER_SEND)
        return await self._told(intent, spec, kept, answer)

    def _known_already(self, key: str, kept: Remembered) -> Submission:
        if kept.over:
            return Accepted(key)
        return Unknown(Reason("answer_lost", f"{kept.request} had left before, and no answer came."))

    async def _told(self, intent: Intent, spec: HttpSpec, kept: Remembered, answer: Answer | NoAnswer) -> Submission:
        if isinstance(answer, NoAnswer):
            return await self._no_answer(intent.key, spec, kept, answer)
        if answer.status == 429 and not spec.expects(429):
            await self._context.notes.drop(intent.key)
            wait = patience(answer.headers.get("Retry-After"), self._context.clock.now())
            return NotSent(Reason("throttled", "The service answered 429: too many requests."), wait)
        if answer.status == 401 and not spec.expects(401):
            await self._context.notes.drop(intent.key)
            raise CredentialError(
                f"{self._address.base_url} does not accept the credential (401).",
                hint="Enter the headers it wants, such as Authorization, as the target's credential.",
            )
        await self._keep(intent.key, kept.answered(judged(answer, spec)))
        return Accepted(intent.key)

    async def _no_answer(self, key: str, spec: HttpSpec, kept: Remembered, answer: NoAnswer) -> Submission:
        """Nobody can be asked what became of it, except where that makes no difference: see `HttpSpec.repeatable`."""
        if not answer.sent:
            await self._context.notes.drop(key)
            return NotSent(Reason("no_connection", f"Nothing was sent: {answer.text}."))
        log.info("http.no_answer", attempt_key=key, method=spec.method, why=answer.text)
        if not spec.repeatable:
            return Unknown(Reason("no_answer", f"It may have been carried out: {answer.text}."))
        if answer.too_late:
            await self._keep(key, kept.model_copy(update={"too_late": True}))
            return Accepted(key)
        await self._context.notes.drop(key)
        return NotSent(Reason("no_answer", f"It is sent again, which does no harm: {answer.text}."))

    # ------------------------------------------------------------------ notes

    async def _keep(self, key: str, kept: Remembered) -> None:
        await self._context.notes.put(key, kept.model_dump_json())

    async def _recall(self, key: str) -> Remembered | None:
        text = await self._context.notes.get(key)
        return None if text is None else Remembered.model_validate_json(text)

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        """Read the notes. No note: it never left, or may be repeated without harm. A note without an answer: it may
        have been carried out, and nobody can be asked."""
        taken_at = self._context.clock.now()
        entries: list[Entry] = []
        for known in query.known:
            if (kept := await self._recall(known.handle)) is not None:
                entries.append(entry_of(known.handle, kept, adopted=True))
        for doubt in query.doubts:
            kept = await self._recall(doubt.key)
            if kept is not None and (kept.over or not _repeatable(doubt)):
                entries.append(entry_of(doubt.key, kept, adopted=False))
        reach(FaultPoint.DURING_LOOK)
        calls = len(query.known) + len(query.doubts)
        return Snapshot(taken_at=taken_at, complete=True, entries=tuple(entries), calls=calls)

    def match(self, intent: Intent, entry: Entry) -> Match:
        """An answer that is noted under the attempt's key is the attempt's; a request without one may have arrived."""
        if entry.name == intent.key:
            return Match.EXACT
        return Match.POSSIBLE if entry.name is None and entry.handle == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        """What has left cannot be called back, and what is live here has been answered."""
        return Cancellation.TOO_LATE

    async def collect(self, handle: str, sink: Sink) -> Output:
        kept = await self._recall(handle)
        if kept is None or kept.answer is None:
            raise CollectError(Reason("output_gone", f"There is no answer of {handle} in the notes."), final=True)
        body = kept.answer.body
        await sink.write(body)
        reach(FaultPoint.DURING_COLLECT)
        media_type = kept.answer.headers.get("Content-Type", "application/octet-stream")
        return Output(
            artifact=await sink.commit(media_type), size=len(body), media_type=media_type, detail=kept.answer.detail()
        )

    async def release(self, intent: Intent) -> None:
        await self._context.notes.drop(intent.key)

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.checks(self._client, self._address)


def idempotency_key(intent: Intent) -> str:
    """The same for all attempts of an execution: a service that heeds it will not do the work a second time."""
    return f"afield-{intent.execution_id.hex}"


def _repeatable(intent: Intent) -> bool:
    try:
        return HttpSpec.model_validate(intent.spec).repeatable
    except ValidationError:
        return False
