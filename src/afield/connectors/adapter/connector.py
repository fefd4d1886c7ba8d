"""What the connectors for pools of adapters have in common: one call that runs code and waits, and what follows it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.conversation import converse
from afield.connectors.adapter.keeping import keep
from afield.connectors.adapter.outcome import before, no_reply, outcome
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.sight import Remembered, found_run, run_path
from afield.connectors.adapter.wire import (
    Run,
    Runtime,
    UnreadableError,
    entry_of,
    parse_runtimes,
    run_body,
)
from afield.connectors.base import (
    Accepted,
    Cancellation,
    CollectError,
    Connector,
    Entry,
    Intent,
    Limits,
    Match,
    NotSent,
    Output,
    Ran,
    Refused,
    Sink,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.coding import CodeSpec
from afield.connectors.talk import Talk
from afield.errors import LookError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

log = structlog.get_logger(__name__)

PATIENCE_S = 60.0
"""How long a run is waited for in one call, if the target's setting `patience` says nothing else."""

_OUTPUT_S = 120.0  # longest output, slow line

AddressT = TypeVar("AddressT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A run that an adapter has taken."""

    run: Run
    handle: str

    @property
    def entry(self) -> Entry:
        return entry_of(self.run, self.handle)

    @property
    def accepted(self) -> Accepted:
        return Accepted(self.handle, self.entry)


class AdapterConnector(Connector[AddressT, CodeSpec]):
    """Runs code by adapters. A run's id is the attempt's key, so that a repeat is no second run."""

    Spec = CodeSpec

    def __init__(self, context: TargetContext, client: AdapterClient, limits: Limits) -> None:
        self._context = context
        self._client = client
        self._limits = limits
        self._patience_s = seconds_of(context.settings, "patience", PATIENCE_S)
        self._remembered = Remembered()

    async def close(self) -> None:
        await self._client.close()

    # ------------------------------------------------------------------ what differs from pool to pool

    @abstractmethod
    def _session(self, intent: Intent, spec: CodeSpec) -> str:
        """The identifier of the session that it runs in. Pure."""

    @abstractmethod
    async def _prepare(self, intent: Intent, identifier: str) -> NotSent | Refused | None:
        """Make sure of what has to be true before code may leave; otherwise nothing is sent."""

    @abstractmethod
    def _foreign(self, reply: Reply) -> NotSent | Refused | None:
        """Judge an answer that is not the adapter's; see `outcome.Foreign`."""

    async def _answered(self, identifier: str, reply: Reply) -> None:
        """An adapter answered for this session: `reply.boot` says which."""

    async def _asleep(self, identifier: str) -> Reason | None:
        """Why asking the session would make a new one; None: it is there."""
        return None

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        sent = await self._send(intent, wait_s=0)
        return sent.accepted if isinstance(sent, _Taken) else sent

    async def run(self, intent: Intent, sink: Sink, talk: Talk | None = None) -> Ran | Submission:
        """One call that waits for the end, up to the target's patience; with `talk` one conversation, to its end."""
        sent = await self._send(intent, wait_s=self._patience_s, talk=talk)
        if not isinstance(sent, _Taken):
            return sent
        if not sent.run.over or sent.run.result is None:
            return sent.accepted
        return Ran(sent.handle, sent.entry, await keep(sent.run.result, sink))

    async def _send(self, intent: Intent, *, wait_s: float, talk: Talk | None = None) -> _Taken | Submission:
        try:
            spec = CodeSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        identifier = self._session(intent, spec)
        unready = await self._prepare(intent, identifier) or self._held_back(intent)
        if unready is not None:
            return unready
        sent = await self._ask(identifier, run_body(spec, intent.key), wait_s, talk)
        if isinstance(sent, Unknown):
            log.info("code.no_answer", attempt_key=intent.key, session=identifier, why=sent.reason.code)
        return _Taken(sent, handle_of(identifier, intent.key)) if isinstance(sent, Run) else sent

    async def _ask(
        self, identifier: str, body: JsonObject, wait_s: float, talk: Talk | None
    ) -> Run | NotSent | Refused | Unknown:
        now = self._context.clock.now
        if talk is not None:
            told = await converse(self._client, identifier, body, talk)
            if isinstance(told, Reply):
                refused = Refused(Reason(f"http_{told.status}", f"The adapter refuses to talk ({told.status})."))
                return before(told, self._judge, now()) or refused
            return no_reply(told) if isinstance(told, NoReply) else told
        query = {"wait": f"{wait_s:g}"}
        answer = await self._client.call("POST", "/runs", identifier, body, query=query, wait_s=wait_s + _OUTPUT_S)
        reach(FaultPoint.AFTER_SEND)
        if isinstance(answer, Reply) and answer.ours:
            await self._answered(identifier, answer)
        return outcome(answer, self._judge, now())

    def _judge(self, reply: Reply, _now: object) -> NotSent | Refused | None:
        return self._foreign(reply)

    def _held_back(self, intent: Intent) -> NotSent | None:
        """Preparing may have taken long. Later than this it is not sent: another driver may count on that."""
        window = min(self._limits.request_timeout, self._limits.max_visibility_delay / 2)
        if self._context.clock.now() - intent.sent_after <= window:
            return None
        return NotSent(Reason("held_back", "The pool was not ready in time; it is now."), timedelta())

    # ------------------------------------------------------------------ looking

    def match(self, intent: Intent, entry: Entry) -> Match:
        """A run bears the attempt's key. An entry without a name stands for an attempt that nobody can tell of."""
        if entry.name is not None:
            return Match.EXACT if entry.name == intent.key else Match.NO
        return Match.POSSIBLE if run_id_of(entry.handle) == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        identifier, run_id = parts_of(handle)
        if await self._asleep(identifier) is not None:
            return Cancellation.UNKNOWN
        answer = await self._client.call("DELETE", run_path(run_id), identifier)
        if isinstance(answer, NoReply) or not answer.ours:
            return Cancellation.UNKNOWN
        return {202: Cancellation.ASKED, 200: Cancellation.TOO_LATE}.get(answer.status, Cancellation.UNKNOWN)

    async def collect(self, handle: str, sink: Sink) -> Output:
        run = self._remembered.take(handle) or await self._fetch(handle)
        if run.result is None:
            text = f"The pool's result of {handle} has the verdict {run.verdict!r}, which is not known here."
            raise CollectError(Reason("no_result", text), final=run.over)
        return await keep(run.result, sink)

    async def _fetch(self, handle: str) -> Run:
        identifier, run_id = parts_of(handle)
        gone = await self._asleep(identifier)
        if gone is not None:
            raise CollectError(gone, final=gone.code == SESSION_GONE)
        answer = await self._client.call("GET", run_path(run_id), identifier, wait_s=_OUTPUT_S)
        try:
            run = found_run(answer)
        except UnreadableError as error:
            retry_after = answer.patience(self._context.clock.now()) if isinstance(answer, Reply) else None
            raise CollectError(Reason("no_answer", f"Not collected: {error}."), retry_after=retry_after) from error
        if run is None:
            raise CollectError(Reason("output_gone", f"The adapter does not know {run_id} any more."), final=True)
        return run

    # ------------------------------------------------------------------ what runs there

    async def runtimes(self, identifier: str | None = None) -> tuple[Runtime, ...]:
        """The languages of the pool, asked in a session of that name. Raises LookError, CredentialError."""
        answer = await self._client.call("GET", "/runtimes", identifier or self._probe_session())
        if isinstance(answer, NoReply) or not answer.ours or answer.status != 200:
            why = answer.text if isinstance(answer, NoReply) else f"it answers {answer.status}"
            raise LookError(f"The pool {self._context.name} does not tell its languages: {why}.", hint=_DIAGNOSE)
        try:
            return parse_runtimes(answer.json())
        except UnreadableError as error:
            raise LookError(f"The languages of {self._context.name} cannot be read: {error}.", hint=_DIAGNOSE) from None

    def _probe_session(self) -> str:
        """The one session of this target that is asked about the pool itself."""
        return probe_session(self._context)


SESSION_GONE = "session_gone"
"""Reason code: the session has ended, and its adapter with it."""

_DIAGNOSE = "`afield diagnose target` finds out why."


def probe_session(context: TargetContext) -> str:
    return f"afield-probe-{context.target_id.hex[:12]}"


def handle_of(identifier: str, run_id: str) -> str:
    return f"{identifier}/{run_id}"


def parts_of(handle: str) -> tuple[str, str]:
    """Session and run."""
    identifier, _, run_id = handle.partition("/")
    return identifier, run_id


def run_id_of(handle: str) -> str:
    return parts_of(handle)[1]


def seconds_of(settings: JsonObject, name: str, default: float) -> float:
    """A setting that is a number of seconds. Raises ValueError."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"setting {name!r} must be a number of seconds of at least 0, not {value!r}")
    return float(value)
