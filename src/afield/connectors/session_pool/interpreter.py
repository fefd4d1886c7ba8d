"""The session_pool_interpreter connector: code for Azure's own interpreters, by either of their contracts.

Nobody can choose the name of an execution there. So it is noted that an attempt leaves, before it leaves, and what
came back. When nothing came back, nobody can be asked, and it is never sent again by itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

import structlog
from pydantic import ValidationError

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import handle_of, parts_of, seconds_of
from afield.connectors.adapter.keeping import keep
from afield.connectors.adapter.outcome import no_reply
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import Runtime, UnreadableError
from afield.connectors.azure.credential import require_secret
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
    Ran,
    Refused,
    Sink,
    Snapshot,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.session_pool import ladder
from afield.connectors.session_pool.address import InterpreterPoolAddress
from afield.connectors.session_pool.doors import PoolDoors
from afield.connectors.session_pool.evidence import PoolKind
from afield.connectors.session_pool.foreign import interpreter_said
from afield.connectors.session_pool.interpreter_look import InterpreterLook
from afield.connectors.session_pool.interpreter_wire import (
    API_VERSIONS,
    SESSION_VERSION,
    Contract,
    Execution,
    InterpreterSpec,
    entry_of,
    execution_body,
    parse_execution,
    upload_of,
)
from afield.connectors.session_pool.marks import Mark, Marks
from afield.connectors.session_pool.own import own_session
from afield.connectors.session_pool.place import probe_of, tls_of
from afield.connectors.talk import Talk
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

LIMITS = Limits(
    max_live=20,
    max_calls=20,  # a synchronous execution is a call for as long as it takes
    min_interval=timedelta(seconds=2),
    max_interval=timedelta(minutes=1),
    visibility_delay=timedelta(),
    max_visibility_delay=timedelta(minutes=10),
    request_timeout=timedelta(seconds=60),
)

WAITS_S = 230.0
"""How long an execution is waited for in one call, if the setting `patience` says nothing else: for its longest."""

_LANGUAGES = (Runtime("python", "", ("py", "py3", "python3")), Runtime("bash", "", ("sh", "shell")))


class InterpreterPoolConnector(Connector[InterpreterPoolAddress, InterpreterSpec]):
    """One pool of Azure's interpreters."""

    name: ClassVar[str] = "session_pool_interpreter"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=False,
        cancel=False,  # it ends by its own limit; ending its session would end what others keep there
        caller_chosen_name=False,
        output_on_failure=True,
        limits=LIMITS,
    )
    Address = InterpreterPoolAddress
    Spec = InterpreterSpec

    def __init__(self, context: TargetContext, address: InterpreterPoolAddress, tls: ssl.SSLContext) -> None:
        self._context = context
        self._address = address
        self._tls = tls
        self._limits = LIMITS.overridden(context.settings)
        self._patience_s = seconds_of(context.settings, "patience", WAITS_S)
        self._contract = Contract(str(context.settings.get("contract", Contract.NEW)))
        version = context.settings.get("api_version", API_VERSIONS[self._contract])
        self._query = {"api-version": str(version)}
        self._doors = PoolDoors(context, address, PoolKind.INTERPRETER, tls)
        self._client = AdapterClient(self._doors, self._limits.request_timeout.total_seconds(), tls)
        self._marks = Marks(context.notes)
        self._looking = InterpreterLook(self._client, self._marks, self._query)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        """Bind to the pool. Raises CredentialError when the credential lacks a key, ValueError for a bad setting."""
        address = InterpreterPoolAddress.model_validate(context.address)
        require_secret(address, context.secret, context.name)
        return cls(context, address, await asyncio.to_thread(tls_of, address))

    async def close(self) -> None:
        await self._client.close()
        await self._doors.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        sent = await self._send(intent, wait=False)
        return sent if not isinstance(sent, Execution) else Accepted(self._handle(intent, sent))

    async def run(self, intent: Intent, sink: Sink, talk: Talk | None = None) -> Ran | Submission:
        """One call that waits for the end, where it comes within the target's patience. Nothing is shown before."""
        sent = await self._send(intent, wait=True)
        if not isinstance(sent, Execution):
            return sent
        handle = self._handle(intent, sent)
        if sent.result is None:
            return Accepted(handle)
        if talk is not None:
            await _recite(sent, talk)
        return Ran(handle, entry_of(sent, handle, intent.key), await keep(sent.result, sink))

    def _handle(self, intent: Intent, execution: Execution) -> str:
        """The old contract gives no id: then what is noted of the attempt is all there is."""
        return handle_of(_session_of(intent), execution.id or intent.key)

    async def _send(self, intent: Intent, *, wait: bool) -> Execution | Submission:
        try:
            spec = InterpreterSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        if spec.shell and self._contract is Contract.OLD:
            return Refused(Reason("no_shell", "The old contract has no shell: set the setting `contract` to new."))
        if await self._marks.get(intent.key) is not None:
            return Unknown(Reason("answer_lost", "This attempt had left before, and no answer came."))
        unready = await self._upload(intent, spec) or self._held_back(intent)
        if unready is not None:
            return unready
        session, now = _session_of(intent), self._context.clock.now()
        mark = Mark(session=session, sent_at=now, language=spec.language)
        await self._marks.put(intent.key, mark)
        waits = self._contract is Contract.OLD or (wait and spec.seconds <= self._patience_s)
        body = execution_body(spec, self._contract, asynchronous=not waits)
        path = "/code/execute" if self._contract is Contract.OLD else "/executions"
        answer = await self._client.call(
            "POST", path, session, body, query=self._query, wait_s=spec.seconds if waits else 0
        )
        reach(FaultPoint.AFTER_SEND)
        return await self._told(intent, mark, answer)

    async def _told(self, intent: Intent, mark: Mark, answer: Reply | NoReply) -> Execution | Submission:
        judged = self._judge(answer, mark.language)
        if isinstance(judged, Execution):
            await self._marks.put(intent.key, mark.answered(judged))
        elif isinstance(judged, NotSent | Refused):
            await self._marks.drop(intent.key)
        else:
            log.info("code.no_answer", attempt_key=intent.key, session=mark.session, why=judged.reason.code)
        return judged

    def _judge(self, answer: Reply | NoReply, language: str) -> Execution | NotSent | Refused | Unknown:
        if isinstance(answer, NoReply):
            return no_reply(answer)
        if 200 <= answer.status < 300:
            try:
                return parse_execution(answer.json(), language)
            except UnreadableError as error:
                return Unknown(Reason("unreadable", f"It was accepted, and the answer cannot be read: {error}."))
        now = self._context.clock.now()
        movable = answer.status in {400, 403, 404} and self._doors.endpoint.forget()
        certain = interpreter_said(answer, now, movable=movable)
        text = f"The pool answers {answer.status}: it may have run."
        return certain or Unknown(Reason(f"http_{answer.status}", text), answer.patience(now))

    def _held_back(self, intent: Intent) -> NotSent | None:
        window = min(self._limits.request_timeout, self._limits.max_visibility_delay / 2)
        if self._context.clock.now() - intent.sent_after <= window:
            return None
        return NotSent(Reason("held_back", "The pool was not ready in time; it is now."), timedelta())

    async def _upload(self, intent: Intent, spec: InterpreterSpec) -> NotSent | Refused | None:
        """The files beside the code. Doing it again does no harm, and runs nothing."""
        path = "/files/upload" if self._contract is Contract.OLD else "/files"
        for file in spec.files[1:]:
            try:
                content = upload_of(file)
            except ValueError:
                return Refused(Reason("bad_file", f"The file {file.name} is not written in {file.encoding}."))
            answer = await self._client.call("POST", path, _session_of(intent), content, query=self._query)
            judged = self._judge_upload(answer)
            if judged is not None:
                return judged
        return None

    def _judge_upload(self, answer: Reply | NoReply) -> NotSent | Refused | None:
        if isinstance(answer, NoReply):
            return NotSent(Reason("not_uploaded", f"A file did not get there: {answer.text}."))
        if 200 <= answer.status < 300:
            return None
        now = self._context.clock.now()
        text = f"A file was not taken: the pool answers {answer.status}."
        return interpreter_said(answer, now, movable=False) or NotSent(
            Reason("not_uploaded", text), answer.patience(now)
        )

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask about each execution that is known; of attempts in doubt, read the marks."""
        return await self._looking.look(query, self._context.clock.now())

    def match(self, intent: Intent, entry: Entry) -> Match:
        """What is noted under the attempt's key is the attempt's; one without an answer may have run."""
        if entry.name is not None:
            return Match.EXACT if entry.name == intent.key else Match.NO
        return Match.POSSIBLE if parts_of(entry.handle)[1] == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        """There is no call for it."""
        return Cancellation.UNKNOWN

    async def collect(self, handle: str, sink: Sink) -> Output:
        found = await self._looking.ended(handle)
        if isinstance(found, Reason):
            raise CollectError(found, final=found.code == "output_gone")
        assert found.result is not None, "ended"
        return await keep(found.result, sink)

    async def release(self, intent: Intent) -> None:
        """Forget the mark, and end the session if it was the run's own."""
        if await self._marks.get(intent.key) is None:
            return
        if not intent.spec.get("session"):
            await self.stop_session(own_session(intent))
        await self._marks.drop(intent.key)

    async def stop_session(self, identifier: str) -> bool:
        """End a session, with all that runs there; True when it is certainly gone. Raises CredentialError."""
        answer = await self._client.call("DELETE", "/session", identifier, query={"api-version": SESSION_VERSION})
        return isinstance(answer, Reply) and answer.status in {200, 202, 204, 400, 404}

    # ------------------------------------------------------------------ what runs there

    async def runtimes(self, identifier: str | None = None) -> tuple[Runtime, ...]:
        """The languages Azure offers; which one this pool has, its type says. Nothing is asked."""
        return _LANGUAGES

    def ladder(self) -> Sequence[Check]:
        return ladder.rungs(probe_of(self._context, self._address, self._doors, self._client.session, self._tls))


def _session_of(intent: Intent) -> str:
    named = intent.spec.get("session")
    return named if isinstance(named, str) and named else own_session(intent)


async def _recite(execution: Execution, talk: Talk) -> None:
    """Tell at its end what could not be told before."""
    result = execution.result
    assert result is not None, "ended"
    await talk.stage("run")
    for stream, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text:
            await talk.printed("run", stream, text.encode())
    await talk.ended("run", result.exit_code, result.signal)
