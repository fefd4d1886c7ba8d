"""The suite can fail: connectors that are wrong in one way each, and the case that finds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from afield.connectors.base import (
    Accepted,
    Cancellation,
    Entry,
    Intent,
    LookQuery,
    Match,
    NotSent,
    Output,
    Refused,
    RemoteState,
    Sink,
    Snapshot,
    Submission,
    Unknown,
)
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint
from afield.model.execution import Reason
from afield.testing.conformance import ConnectorConformance
from afield.testing.connector import MemoryConnector
from afield.testing.faults import Fault
from afield.testing.memory import MemoryHarness

Suite = ConnectorConformance
Case = Callable[[MemoryHarness], Awaitable[None]]


class SaysCompleteWhenCut(MemoryConnector):
    async def look(self, query: LookQuery) -> Snapshot:
        return replace(await super().look(query), complete=True)


class SaysNotSentForALostReply(MemoryConnector):
    async def submit(self, intent: Intent) -> Submission:
        answer = await super().submit(intent)
        return NotSent(answer.reason) if isinstance(answer, Unknown) else answer


class MatchesByNothing(MemoryConnector):
    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT


class NeverMatches(MemoryConnector):
    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.NO


class GuessesUnknownWords(MemoryConnector):
    async def look(self, query: LookQuery) -> Snapshot:
        snapshot = await super().look(query)
        guessed = (
            replace(e, state=RemoteState.FAILED) if e.state is RemoteState.UNKNOWN else e for e in snapshot.entries
        )
        return replace(snapshot, entries=tuple(guessed))


class IgnoresTheKey(MemoryConnector):
    async def submit(self, intent: Intent) -> Submission:
        return Accepted(await self.remote.submit(intent.key, intent.spec, unique=False))


class ForgetsRetryAfter(MemoryConnector):
    async def submit(self, intent: Intent) -> Submission:
        answer = await super().submit(intent)
        return NotSent(answer.reason) if isinstance(answer, NotSent) else answer


class HidesRefusedCredentials(MemoryConnector):
    async def submit(self, intent: Intent) -> Submission:
        try:
            return await super().submit(intent)
        except CredentialError as error:
            return Refused(Reason("denied", str(error)))


class LooksForNothing(MemoryConnector):
    async def look(self, query: LookQuery) -> Snapshot:
        return replace(await super().look(query), calls=1)


class NeverAsksForACancel(MemoryConnector):
    async def cancel(self, handle: str) -> Cancellation:
        return Cancellation.ASKED


class CollectsSomethingElseEachTime(MemoryConnector):
    async def collect(self, handle: str, sink: Sink) -> Output:
        await sink.write(str(self.remote.calls.total()).encode())
        return await super().collect(handle, sink)


class CommitsBeforeItHasAll(MemoryConnector):
    async def collect(self, handle: str, sink: Sink) -> Output:
        await sink.commit("text/plain")
        return await super().collect(handle, sink)


async def _dies_after_reply(harness: MemoryHarness) -> None:
    await Suite().test_a_driver_that_dies_leaves_one_execution(harness, FaultPoint.AFTER_REPLY)


async def _throttled_with_patience(harness: MemoryHarness) -> None:
    await Suite().test_a_throttled_submission_is_not_sent_or_unknown(harness, Fault.THROTTLED_WITH_PATIENCE)


WRONG: list[tuple[type[MemoryConnector], Case]] = [
    (SaysCompleteWhenCut, Suite().test_a_listing_cut_short_is_not_complete),
    (SaysNotSentForALostReply, Suite().test_a_lost_reply_is_unknown_and_found_by_looking),
    (SaysNotSentForALostReply, Suite().test_a_lost_reply_leads_to_one_execution),
    (MatchesByNothing, Suite().test_a_match_is_pure_and_never_exact_for_somebody_elses),
    (NeverMatches, Suite().test_a_submission_is_accepted_shown_and_matched),
    (NeverMatches, _dies_after_reply),
    (GuessesUnknownWords, Suite().test_an_unknown_word_is_kept_and_counts_as_live),
    (IgnoresTheKey, Suite().test_the_same_attempt_submitted_twice_starts_one_execution),
    (ForgetsRetryAfter, _throttled_with_patience),
    (HidesRefusedCredentials, Suite().test_a_refused_credential_starts_nothing),
    (LooksForNothing, Suite().test_a_look_at_nothing_makes_no_call),
    (NeverAsksForACancel, Suite().test_a_cancel_is_verified_by_looking),
    (CollectsSomethingElseEachTime, Suite().test_collecting_twice_gives_the_same),
    (CommitsBeforeItHasAll, Suite().test_an_output_that_is_away_is_an_error_and_leaves_nothing),
]


@pytest.mark.parametrize(("wrong", "case"), WRONG, ids=lambda value: getattr(value, "__name__", "case"))
async def test_a_wrong_connector_is_found_out(wrong: type[MemoryConnector], case: Case) -> None:
    await case(MemoryHarness())  # the case as such can be passed
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await case(MemoryHarness(wrong))


async def test_what_a_remote_cannot_do_is_reported_and_not_passed() -> None:
    harness = MemoryHarness()
    harness.unsupported = {Fault.LISTING_CUT: "it answers in one piece"}
    with pytest.raises(pytest.xfail.Exception, match="it answers in one piece"):
        await Suite().test_a_listing_cut_short_is_not_complete(harness)
