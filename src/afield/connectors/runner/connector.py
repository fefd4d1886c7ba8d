"""What ssh and local have in common: scripts that a keeper on the machine starts, follows and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Self, TypeVar

import structlog
from pydantic import ValidationError

from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
    Connector,
    Entry,
    Intent,
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
from afield.connectors.runner import ladder
from afield.connectors.runner.fetch import Fetcher
from afield.connectors.runner.job import pack
from afield.connectors.runner.machine import LostError, Machine, NotReachedError
from afield.connectors.runner.spec import RUNNER_LIMITS, RunnerAddress, RunnerSpec
from afield.connectors.runner.wire import parse_listing, said
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

AddressT = TypeVar("AddressT", bound=RunnerAddress)

_NOT_STARTED = {
    "incomplete": "The script did not arrive whole, so it was not started: is there room left on the machine?",
    "retired": "This attempt was called back before it arrived.",
}


class RunnerConnector(Connector[AddressT, RunnerSpec]):
    """Scripts on one machine. An attempt's key names its folder there, so it is made once and found again."""

    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True,
        cancel=True,
        caller_chosen_name=True,
        output_on_failure=True,
        leaves_behind=True,
        limits=RUNNER_LIMITS,
    )
    Spec = RunnerSpec

    def __init__(self, context: TargetContext, address: AddressT, machine: Machine) -> None:
        self.machine = machine
        self.address = address
        self.context = context
        self._fetcher = Fetcher(machine, context, address.state_dir)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        address = cls.Address.model_validate(context.address)
        return cls(context, address, await cls._way(context, address))

    @classmethod
    async def _way(cls, context: TargetContext, address: AddressT) -> Machine:
        """How to get to the machine. Makes no remote call."""
        raise NotImplementedError

    async def close(self) -> None:
        await self.machine.close()

    async def _call(self, operation: str, *words: str, payload: bytes = b"") -> bytes:
        return await self.machine.call(operation, self.address.state_dir, *words, payload=payload)

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        try:
            spec = RunnerSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        try:
            answer = await self._start(intent.key, spec)
        except NotReachedError as error:
            return NotSent(Reason(error.code, f"Nothing was sent: {error}."))
        except LostError as error:
            return Unknown(Reason("no_reply", f"The machine may have it: {error}."))
        reach(FaultPoint.AFTER_SEND)
        submission = _submission(intent.key, *said(answer))
        if not isinstance(submission, Accepted):
            log.info("runner.not_accepted", attempt_key=intent.key, why=submission.reason.text)
        return submission

    async def _start(self, key: str, spec: RunnerSpec) -> bytes:
        own_shell = "" if spec.script.startswith("#!") else self.address.shell
        job = await asyncio.to_thread(pack, spec, self.address.shell)
        words = (str(len(job)), own_shell, str(spec.timeout_s), self._grace, spec.run_as or "")
        return await self._call("start", key, *words, payload=job)

    @property
    def _grace(self) -> str:
        return str(self.address.kill_after_s)

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        """One listing of the folders asked about; with `since`, of all that are there."""
        taken_at = self.context.clock.now()
        if query.empty:
            return Snapshot(taken_at=taken_at, complete=True)
        keys = [known.handle for known in query.known] + [doubt.key for doubt in query.doubts]
        try:
            answer = await self._call("look", *(keys if query.since is None else ["all"]))
        except (NotReachedError, LostError) as error:
            code = error.code if isinstance(error, NotReachedError) else "no_reply"
            return Snapshot(taken_at=taken_at, complete=False, calls=1, error=Reason(code, f"Not looked: {error}."))
        reach(FaultPoint.DURING_LOOK)
        listing = parse_listing(answer)
        whole = listing.whole and not (listing.missing and query.known)  # its disk may be away: nothing is proven
        return Snapshot(
            taken_at=taken_at,
            complete=whole,
            entries=listing.entries,
            calls=1,
            error=None if whole else self._not_whole(listing.missing),
        )

    def _not_whole(self, missing: bool) -> Reason:
        if missing:
            return Reason("no_state_dir", f"The folder {self.address.state_dir} is not there: is its disk mounted?")
        return Reason("unreadable_reply", f"The listing of {self.address.state_dir} broke off or cannot be read.")

    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.name == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        try:
            word, _ = said(await self._call("cancel", handle, self._grace))
        except (NotReachedError, LostError):
            return Cancellation.UNKNOWN
        answers = {"asked": Cancellation.ASKED, "ended": Cancellation.TOO_LATE}
        return answers.get(word, Cancellation.UNKNOWN)

    async def collect(self, handle: str, sink: Sink) -> Output:
        return await self._fetcher.collect(handle, sink)

    async def retire(self, intent: Intent) -> bool:
        """Put the word `retired` where the attempt's keeper would put its own: it will find it and not begin."""
        try:
            word, _ = said(await self._call("retire", intent.key))
        except (NotReachedError, LostError):
            return False
        return word == "retired"

    async def release(self, intent: Intent) -> None:
        try:
            await self._call("release", intent.key)
        except (NotReachedError, LostError) as error:
            log.info("runner.left_behind", attempt_key=intent.key, why=str(error))

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.checks(self.machine, self.address, self.context.clock)


def _submission(key: str, word: str, rest: str) -> Submission:
    if word == "started":
        return Accepted(key)
    if word == "refused":
        what, _, why = rest.partition(" ")
        text = f"The machine has no {why}." if what == "missing_tool" else f"sudo does not allow it: {why}"
        return Refused(Reason(what, text))
    if word in _NOT_STARTED:
        return NotSent(Reason(word, _NOT_STARTED[word]))
    if word == "failed":
        return NotSent(Reason("no_state_dir", f"The attempt's folder could not be made: {rest}"))
    return Unknown(Reason("unreadable_reply", "The machine's answer does not say whether the script was started."))
