"""The AMC connector: submitting, looking, cancelling and collecting, in Amazon's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

import structlog
from pydantic import ValidationError

from afield.connectors.amc import ladder, outcome
from afield.connectors.amc.answer import Failed, error_text, says_absent
from afield.connectors.amc.client import AmcClient
from afield.connectors.amc.download import Downloader
from afield.connectors.amc.look import Looker
from afield.connectors.amc.match import Matcher
from afield.connectors.amc.memory import Memory
from afield.connectors.amc.spec import AmcAddress, AmcSpec, AttemptName
from afield.connectors.amc.wire import (
    CANCEL,
    WORKFLOWS_TYPE,
    build_execution,
    build_saved_workflow,
    parse_page,
    workflow_listing_query,
)
from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
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
from afield.errors import CredentialError
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

LIMITS = Limits(
    max_live=10,  # AMC runs ten at a time per instance; more would wait there, out of our sight
    calls_per_minute=300,  # AMC's own number is not published
    visibility_delay=timedelta(seconds=45),
    max_visibility_delay=timedelta(minutes=10),
    clock_skew=timedelta(minutes=5),
)


class AmcConnector(Connector[AmcAddress, AmcSpec]):
    """One AMC instance."""

    name: ClassVar[str] = "amc"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True, cancel=True, caller_chosen_name=True, submit_calls=2, collect_calls=3, limits=LIMITS
    )
    Address = AmcAddress
    Spec = AmcSpec

    def __init__(self, context: TargetContext) -> None:
        address = AmcAddress.model_validate(context.address)
        limits = LIMITS.overridden(context.settings)
        self._address = address
        self._limits = limits
        self._mode = address.attempt_name
        self._memory = Memory(limits.max_live)
        self._client = AmcClient(context, address, limits)
        self._looker = Looker(self._client, limits, self._mode, self._memory)
        self._downloader = Downloader(self._client, limits)
        self._matcher = Matcher(self._mode, address.run_tag_parameter, limits.clock_skew)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(context)

    async def close(self) -> None:
        await self._client.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        """Save the query under the attempt's name, then run it. Only the second call can start work."""
        try:
            spec = AmcSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        if self._mode is AttemptName.SAVED_WORKFLOW:
            unnamed = await self._name(spec, intent)
            if unnamed is not None:
                return unnamed
        submission = await self._start(spec, intent)
        if isinstance(submission, Refused | NotSent) and self._mode is AttemptName.SAVED_WORKFLOW:
            await self._delete(intent.key)
        return submission

    async def _name(self, spec: AmcSpec, intent: Intent) -> Submission | None:
        """Save the workflow that names the attempt; None when it is there and nothing has run under it."""
        body = build_saved_workflow(spec, intent.key)
        answer = await self._client.call("POST", self._client.workflows_url(), body=body, media=WORKFLOWS_TYPE)
        named = outcome.of_workflow(answer)
        if named is outcome.Naming.TAKEN:
            return await self._taken(intent)
        if isinstance(named, outcome.Naming):
            return None
        if named.reason.code in outcome.MAY_BE_SAVED:
            await self._delete(intent.key)  # the next attempt has another name, so nobody else would tidy this up
        return named

    async def _taken(self, intent: Intent) -> Submission:
        """The name exists, so an earlier request of this same attempt got there, and may have started the work.

        Starting it again could double it: what is there is taken, else the question stays open until a look decides.
        """
        answer = await self._client.call("GET", self._client.executions_url(), query=workflow_listing_query(intent.key))
        page = parse_page(answer.body) if not isinstance(answer, Failed) and answer.ok else None
        if page is not None and len(page.entries) == 1:
            return Accepted(page.entries[0].handle, page.entries[0])
        text = f"AMC already has a workflow {intent.key}: an earlier request of this attempt may have started it."
        return Unknown(Reason("name_taken", text))

    async def _start(self, spec: AmcSpec, intent: Intent) -> Submission:
        body = build_execution(spec, intent.key, self._mode, self._address.run_tag_parameter)
        answer = await self._client.call("POST", self._client.executions_url(), body=body, starts_work=True)
        submission = outcome.of_execution(answer)
        if isinstance(submission, Accepted):
            if submission.entry is not None:
                self._memory.learn(submission.entry)
        else:
            log.info(
                "amc.not_accepted",
                execution_id=str(intent.execution_id),
                attempt=intent.attempt,
                outcome=type(submission).__name__,
                why=submission.reason.text,
            )
        return submission

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        return await self._looker.look(query)

    def match(self, intent: Intent, entry: Entry) -> Match:
        return self._matcher.match(intent, entry)

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        answer = await self._client.call("PUT", self._client.executions_url(handle), body=CANCEL)
        if isinstance(answer, Failed):
            return Cancellation.UNKNOWN
        if answer.ok:
            return Cancellation.ASKED
        if answer.status == 400 and not says_absent(answer, handle):
            log.info("amc.cancel_refused", handle=handle, said=error_text(answer), request_id=answer.request_id)
            return Cancellation.TOO_LATE
        return Cancellation.UNKNOWN

    async def collect(self, handle: str, sink: Sink) -> Output:
        return await self._downloader.collect(handle, self._memory.take_succeeded(handle), sink)

    async def retire(self, intent: Intent) -> bool:
        """Delete the attempt's workflow, so that a late request to run it fails."""
        able = self._mode is AttemptName.SAVED_WORKFLOW and self._address.retire_by_deleting
        return able and await self._delete(intent.key)

    async def release(self, intent: Intent) -> None:
        if self._mode is AttemptName.SAVED_WORKFLOW and not self._address.keep_attempt_workflows:
            await self._delete(intent.key)

    async def _delete(self, key: str) -> bool:
        """Whether the saved workflow is certainly gone. Never raises for the remote, nor for the credential."""
        try:
            answer = await self._client.call("DELETE", self._client.workflows_url(key), media=WORKFLOWS_TYPE)
        except CredentialError as error:
            log.info("amc.workflow_left_behind", workflow_id=key, why=error.message)
            return False
        if isinstance(answer, Failed):
            return False
        return answer.ok or says_absent(answer, key)

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.checks(self._client, self._address, self._limits)
