"""The conformance suite: what every connector has to keep, whatever its remote does.

Subclass `ConnectorConformance` in a test file and give it a fixture `harness`; needs pytest and pytest-asyncio. What a
remote cannot do to its callers (see `Harness.unsupported`) is reported as an expected failure with the reason given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from afield.connectors.base import (
    Accepted,
    CollectError,
    Entry,
    Intent,
    Known,
    LookQuery,
    Match,
    NotSent,
    Refused,
    RemoteState,
    Snapshot,
    Unknown,
)
from afield.connectors.registry import AnyConnector
from afield.engine.drive import Outcome
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint
from afield.model.states import LIVE, ExecutionState, OutputState
from afield.testing.faults import Fault
from afield.testing.harness import Bench, Harness

_ENGINE_POINTS = (FaultPoint.BEFORE_INTENT, FaultPoint.AFTER_INTENT, FaultPoint.AFTER_REPLY)
_CONNECTOR_POINTS = (FaultPoint.AFTER_SEND, FaultPoint.DURING_LOOK, FaultPoint.DURING_COLLECT)
_TRIES = 200


def _needs(harness: Harness, *faults: Fault) -> None:
    """Report the case, with its reason, where the remote cannot fail in this way."""
    for fault in faults:
        if fault in harness.unsupported:
            pytest.xfail(f"cannot happen at this remote: {fault}: {harness.unsupported[fault]}")


def _exact(harness: Harness) -> None:
    if not harness.connector.abilities.caller_chosen_name:
        pytest.xfail("this remote lets nobody choose names")


async def _seen(bench: Bench, connector: AnyConnector, query: LookQuery, least: int = 1) -> Snapshot:
    """Look until the look is complete and so many entries are shown, as far apart as the limits say."""
    limits = connector.abilities.limits.overridden(bench.harness.settings)
    for _ in range(_TRIES):
        snapshot = await connector.look(query)
        if snapshot.complete and len(snapshot.entries) >= least:
            return snapshot
        await bench.pause(limits.min_interval)
    raise AssertionError(f"the remote never showed {least} entries in a complete look")


def _doubt(*intents: Intent) -> LookQuery:
    return LookQuery(doubts=intents)


class ConnectorConformance:
    """One case a method. Each is given a fresh `harness`."""

    pytestmark = pytest.mark.asyncio

    # ------------------------------------------------------------------ before anything is recorded

    async def test_a_bad_spec_is_refused_before_it_is_recorded(self, harness: Harness) -> None:
        with pytest.raises(ValidationError):
            harness.connector.Spec.model_validate(harness.bad_spec())
        with pytest.raises(ValidationError):
            harness.connector.Spec.model_validate(harness.spec() | {"surely_not_a_field": 1})

    async def test_a_good_spec_stays_the_same_when_it_is_checked_again(self, harness: Harness) -> None:
        once = harness.connector.Spec.model_validate(harness.spec()).model_dump(mode="json")
        assert harness.connector.Spec.model_validate(once).model_dump(mode="json") == once

    async def test_a_look_at_nothing_makes_no_call(self, harness: Harness) -> None:
        async with _opened(harness) as connector:
            snapshot = await connector.look(LookQuery())
        assert (snapshot.complete, snapshot.calls, snapshot.entries) == (True, 0, ())

    # ------------------------------------------------------------------ submitting

    async def test_a_submission_is_accepted_shown_and_matched(self, harness: Harness) -> None:
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
            assert isinstance(answer, Accepted), answer
            snapshot = await _seen(bench, connector, _known(answer, intent))
            entry = next(e for e in snapshot.entries if e.handle == answer.handle)
            assert connector.match(intent, entry) is not Match.NO
        assert snapshot.calls > 0
        assert await harness.count(intent.execution_id) == 1

    async def test_the_same_attempt_submitted_twice_starts_one_execution(self, harness: Harness) -> None:
        _exact(harness)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        async with _opened(harness) as connector:
            first, second = await connector.submit(intent), await connector.submit(intent)
        assert isinstance(first, Accepted), first
        assert isinstance(second, Unknown | Accepted), f"a conflict shows that there is one: {second}"
        assert not isinstance(second, Accepted) or second.handle == first.handle
        assert await harness.count(intent.execution_id) == 1

    async def test_a_lost_reply_is_unknown_and_found_by_looking(self, harness: Harness) -> None:
        _needs(harness, Fault.REPLY_LOST)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        await harness.switch_on(Fault.REPLY_LOST)
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
            assert isinstance(answer, Unknown), f"it may be there: {answer}"
            snapshot = await _seen(bench, connector, _doubt(intent))
            matches = [connector.match(intent, entry) for entry in snapshot.entries]
        named = harness.connector.abilities.caller_chosen_name
        assert matches.count(Match.EXACT) == 1 if named else set(matches) & {Match.EXACT, Match.POSSIBLE}, matches

    async def test_a_lost_reply_leads_to_one_execution(self, harness: Harness) -> None:
        await self._ends_well(harness, Fault.REPLY_LOST)

    async def test_a_lost_request_leads_to_one_execution(self, harness: Harness) -> None:
        await self._ends_well(harness, Fault.REQUEST_LOST)

    async def test_a_refusal_is_final(self, harness: Harness) -> None:
        _needs(harness, Fault.REJECTED)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        await harness.switch_on(Fault.REJECTED)
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
        assert isinstance(answer, Refused), answer
        assert answer.reason.code
        assert await harness.count(intent.execution_id) == 0

    @pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.THROTTLED_WITH_PATIENCE])
    async def test_a_throttled_submission_is_not_sent_or_unknown(self, harness: Harness, fault: Fault) -> None:
        _needs(harness, fault)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        await harness.switch_on(fault)
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
        assert isinstance(answer, NotSent | Unknown), answer
        if fault is Fault.THROTTLED_WITH_PATIENCE:
            assert answer.retry_after is not None, "the remote said how long to wait"
            assert answer.retry_after > timedelta(0)
        assert await harness.count(intent.execution_id) == 0

    @pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.THROTTLED_WITH_PATIENCE])
    async def test_a_throttled_submission_is_sent_in_the_end(self, harness: Harness, fault: Fault) -> None:
        await self._ends_well(harness, fault)

    async def test_a_refused_credential_starts_nothing(self, harness: Harness) -> None:
        _needs(harness, Fault.DENIED)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        await harness.switch_on(Fault.DENIED, None)
        async with _opened(harness) as connector:
            with pytest.raises(CredentialError):
                await connector.submit(intent)
            with pytest.raises(CredentialError):
                await connector.look(_doubt(intent))
            await harness.switch_off()
            assert isinstance(await connector.look(_doubt(intent)), Snapshot)
        assert await harness.count(intent.execution_id) == 0

    # ------------------------------------------------------------------ looking

    async def test_a_listing_cut_short_is_not_complete(self, harness: Harness) -> None:
        _needs(harness, Fault.LISTING_CUT)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
            assert isinstance(answer, Accepted), answer
            await harness.switch_on(Fault.LISTING_CUT)
            snapshot = await connector.look(_known(answer, intent))
        assert not snapshot.complete, "what was not read cannot be said to be absent"
        assert snapshot.error is not None, "an incomplete look says why"

    async def test_a_listing_cut_short_loses_nothing(self, harness: Harness) -> None:
        await self._ends_well(harness, Fault.LISTING_CUT, times=3)

    async def test_what_is_slow_to_show_is_not_submitted_again(self, harness: Harness) -> None:
        _needs(harness, Fault.SLOW_TO_SHOW)
        await self._ends_well(harness, Fault.REPLY_LOST, Fault.SLOW_TO_SHOW, attempts=1)

    async def test_an_unknown_word_is_kept_and_counts_as_live(self, harness: Harness) -> None:
        _needs(harness, Fault.UNKNOWN_WORD)
        bench = await Bench.start(harness)
        intent = bench.intent(harness.spec())
        async with _opened(harness) as connector:
            answer = await connector.submit(intent)
            assert isinstance(answer, Accepted), answer
            await harness.switch_on(Fault.UNKNOWN_WORD, None)
            snapshot = await _seen(bench, connector, _known(answer, intent))
        entry = next(e for e in snapshot.entries if e.handle == answer.handle)
        assert entry.state is RemoteState.UNKNOWN, f"nobody knows what {entry.status!r} means"
        assert entry.status, "the remote's word is kept"

    async def test_a_match_is_pure_and_never_exact_for_somebody_elses(self, harness: Harness) -> None:
        bench = await Bench.start(harness)
        one, other = bench.intent(harness.spec()), bench.intent(harness.spec())
        async with _opened(harness) as connector:
            for intent in (one, other):
                assert isinstance(await connector.submit(intent), Accepted)
            snapshot = await _seen(bench, connector, _doubt(one, other), least=2)
            first = [[connector.match(intent, e) for e in snapshot.entries] for intent in (one, other)]
            again = [[connector.match(intent, e) for e in snapshot.entries] for intent in (one, other)]
            strangers = [_stranger(entry) for entry in snapshot.entries]
            assert Match.EXACT not in {connector.match(one, entry) for entry in strangers}
        assert first == again
        for of_one, of_other in zip(*first, strict=True):
            assert (of_one, of_other) != (Match.EXACT, Match.EXACT), "one entry cannot be two executions"
        if harness.connector.abilities.caller_chosen_name:
            assert [row.count(Match.EXACT) for row in first] == [1, 1]

    # ------------------------------------------------------------------ cancelling

    async def test_a_cancel_is_verified_by_looking(self, harness: Harness) -> None:
        await self._cancels(harness)

    async def test_a_cancel_that_comes_too_late_changes_nothing(self, harness: Harness) -> None:
        _needs(harness, Fault.CANCEL_TOO_LATE)
        await harness.switch_on(Fault.CANCEL_TOO_LATE)
        await self._cancels(harness)

    async def _cancels(self, harness: Harness) -> None:
        """Asked until a look shows that it has stopped, whatever the remote answers."""
        if not harness.connector.abilities.cancel:
            pytest.xfail("this remote cannot cancel")
        bench = await Bench.start(harness)
        one = await bench.record(harness.spec(long=True))
        driving = asyncio.create_task(bench.drive())
        await bench.until(one, LIVE)
        await bench.ledger.request_cancel(one, "test", harness.clock.now())
        assert await driving is Outcome.DONE
        row = await bench.row(one)
        assert row.state is ExecutionState.CANCELLED
        assert row.cancel_asked_at is not None, "it was asked for, not assumed"
        assert await harness.count(one) == 1

    # ------------------------------------------------------------------ collecting

    async def test_collecting_twice_gives_the_same(self, harness: Harness) -> None:
        if not harness.connector.abilities.output:
            pytest.xfail("there is nothing to collect")
        bench = await Bench.start(harness)
        one = await bench.record(harness.spec())
        assert await bench.drive() is Outcome.DONE
        handle = (await bench.row(one)).handle
        assert handle is not None
        async with _opened(harness) as connector:
            first = await connector.collect(handle, bench.artifacts.sink("first"))
            second = await connector.collect(handle, bench.artifacts.sink("second"))
        assert replace(first, artifact=None) == replace(second, artifact=None)
        assert bench.artifacts.stored.get("first") == bench.artifacts.stored.get("second")
        assert first.artifact is None or first.size == len(bench.artifacts.stored["first"])

    async def test_an_output_that_is_away_is_an_error_and_leaves_nothing(self, harness: Harness) -> None:
        _needs(harness, Fault.OUTPUT_AWAY)
        bench = await Bench.start(harness)
        one = await bench.record(harness.spec())
        assert await bench.drive() is Outcome.DONE
        handle = (await bench.row(one)).handle
        assert handle is not None
        await harness.switch_on(Fault.OUTPUT_AWAY)
        async with _opened(harness) as connector:
            with pytest.raises(CollectError) as caught:
                await connector.collect(handle, bench.artifacts.sink("away"))
        assert not caught.value.final, "for now is not for ever"
        assert "away" not in bench.artifacts.stored

    # ------------------------------------------------------------------ dying

    @pytest.mark.parametrize("point", _ENGINE_POINTS)
    async def test_a_driver_that_dies_leaves_one_execution(self, harness: Harness, point: FaultPoint) -> None:
        await self._survives(harness, point)

    @pytest.mark.parametrize("point", _CONNECTOR_POINTS)
    async def test_a_connector_that_dies_leaves_one_execution(self, harness: Harness, point: FaultPoint) -> None:
        await self._survives(harness, point)

    async def _survives(self, harness: Harness, point: FaultPoint) -> None:
        bench = await Bench.start(harness)
        one = await bench.record(harness.spec())
        died = await bench.crash(point)
        if not died and point in _CONNECTOR_POINTS:
            pytest.xfail(f"this connector never comes to {point}")
        assert died
        assert not (await bench.row(one)).complete
        await self._check_end(harness, bench, one)

    # ------------------------------------------------------------------ common

    async def _ends_well(
        self, harness: Harness, *faults: Fault, times: int | None = 1, attempts: int | None = None
    ) -> None:
        """Record one, let the faults happen to it, and see it end well all the same."""
        _needs(harness, *faults)
        bench = await Bench.start(harness)
        for fault in faults:
            await harness.switch_on(fault, times)
        one = await bench.record(harness.spec())
        await self._check_end(harness, bench, one)
        assert attempts is None or len(await bench.ledger.attempts(one)) == attempts

    async def _check_end(self, harness: Harness, bench: Bench, one: UUID) -> None:
        """Everything has ended well; or, where a match can only be possible, it waits for a person to choose."""
        outcome = await bench.drive()
        row = await bench.row(one)
        assert await harness.count(one) == 1, f"one intent, one execution; now {row.state}"
        code = row.reason.code if row.reason else ""
        undecidable = not harness.connector.abilities.caller_chosen_name and row.state is ExecutionState.UNCONFIRMED
        if undecidable and code in {"possible_match", "ambiguous"}:
            return
        assert outcome is Outcome.DONE, f"still {row.state} after {harness.patience}: {row.reason}"
        assert row.state is ExecutionState.SUCCEEDED, row.reason
        assert row.output_state is (OutputState.STORED if harness.connector.abilities.output else OutputState.NONE)


def _known(answer: Accepted, intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=answer.handle, submitted_at=intent.sent_after, key=intent.key),))


def _stranger(entry: Entry) -> Entry:
    """The same, had somebody else started it."""
    return replace(entry, handle=f"not-{entry.handle}", name="somebody-elses" if entry.name else None, echo={})


@asynccontextmanager
async def _opened(harness: Harness) -> AsyncIterator[AnyConnector]:
    connector = await harness.open()
    try:
        yield connector
    finally:
        await connector.close()
