"""Looking into the sessions of a custom pool, and what is certain then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import SESSION_GONE, handle_of, parts_of
from afield.connectors.adapter.sight import Blind, Remembered, Sight, see, see_all
from afield.connectors.adapter.wire import entry_of
from afield.connectors.base import Entry, Intent, LookQuery, RemoteState, Snapshot
from afield.connectors.session_pool.pins import Pin, PinBook, Pins
from afield.connectors.session_pool.sessions import Sessions
from afield.model.execution import Reason

_AT_ONCE = 8


@dataclass(slots=True)
class Question:
    """What is asked of one session."""

    runs: list[str] = field(default_factory=list)
    doubts: list[Intent] = field(default_factory=list)
    everything: bool = False

    @property
    def run_ids(self) -> Sequence[str]:
        return [*self.runs, *(doubt.key for doubt in self.doubts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The answer about one session. `error`: it could not be looked at."""

    entries: Sequence[Entry] = ()
    calls: int = 0
    error: Reason | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """All that a look needs."""

    client: AdapterClient
    sessions: Sessions
    pins: PinBook
    remembered: Remembered
    clock_skew: timedelta

    async def look(self, questions: dict[str, Question], query: LookQuery, now: datetime) -> Snapshot:
        """One snapshot of all sessions asked about; with `since`, of all there are. Raises CredentialError."""
        calls, listed = 0, None
        if query.since is not None:
            calls, listed = 1, await self.sessions.identifiers()
            for identifier in listed if isinstance(listed, list) else ():
                questions.setdefault(identifier, Question()).everything = True
        gate = asyncio.Semaphore(_AT_ONCE)

        async def seen(identifier: str, question: Question) -> Seen:
            async with gate:
                return await self._see(identifier, question, now)

        answers = await asyncio.gather(*(seen(one, question) for one, question in questions.items()))
        errors = [answer.error for answer in answers if answer.error is not None]
        errors += [listed] if isinstance(listed, Reason) else []
        return Snapshot(
            taken_at=now,
            complete=not errors,
            entries=tuple({e.handle: e for answer in answers for e in answer.entries}.values()),
            calls=calls + sum(answer.calls for answer in answers),
            error=errors[0] if errors else None,
            retry_after=max((answer.retry_after for answer in answers if answer.retry_after), default=None),
        )

    async def _see(self, identifier: str, question: Question, now: datetime) -> Seen:
        pins = await self.pins.fresh(identifier) if question.doubts else None
        if question.doubts and pins is None and not question.runs and not question.everything:
            return Seen()  # nothing was ever sent there
        asleep = await self.sessions.asleep(identifier)
        if asleep is not None and asleep.code != SESSION_GONE:
            return Seen(calls=1, error=asleep)
        if asleep is not None:
            return Seen(calls=1, entries=_undecidable(identifier, question.doubts if pins else (), asleep.text))
        sight = await self._ask(identifier, question, now)
        if isinstance(sight, Blind):
            return Seen(calls=sight.calls, error=sight.reason, retry_after=sight.retry_after)
        self.sessions.answered(identifier)
        if sight.boot:
            await self.pins.note(identifier, Pin(boot=sight.boot, at=now, remembers_since=sight.remembers_since))
        return Seen(calls=sight.calls, entries=self._entries(identifier, question, sight, pins))

    async def _ask(self, identifier: str, question: Question, now: datetime) -> Sight | Blind:
        if question.everything:
            return await see_all(self.client, identifier, now)
        return await see(self.client, identifier, question.run_ids, now)

    def _entries(self, identifier: str, question: Question, sight: Sight, pins: Pins | None) -> list[Entry]:
        wanted = sight.runs if question.everything else [one for one in question.run_ids if one in sight.runs]
        entries = []
        for run_id in wanted:
            handle = handle_of(identifier, run_id)
            self.remembered.learn(handle, sight.runs[run_id])
            entries.append(entry_of(sight.runs[run_id], handle))
        unseen = [doubt for doubt in question.doubts if doubt.key not in sight.runs]
        in_doubt = [
            doubt
            for doubt in unseen
            if pins is not None and not pins.show_absent(sight, doubt.sent_after, self.clock_skew)
        ]
        return entries + _undecidable(identifier, in_doubt, "The session may have changed hands since it was sent.")


def questions_of(query: LookQuery, session_of: dict[str, str]) -> dict[str, Question]:
    """What the query asks of each session; `session_of` says where each doubt's run would be, by its key."""
    questions: dict[str, Question] = {}
    for known in query.known:
        identifier, run_id = parts_of(known.handle)
        questions.setdefault(identifier, Question()).runs.append(run_id)
    for doubt in query.doubts:
        questions.setdefault(session_of[doubt.key], Question()).doubts.append(doubt)
    return questions


def _undecidable(identifier: str, doubts: Sequence[Intent], why: str) -> list[Entry]:
    """It may have run, and nobody can be asked: an entry without a name, so that a person has to say."""
    reason = Reason("not_decidable", f"Whether it ran cannot be told any more. {why}")
    return [
        Entry(handle=handle_of(identifier, doubt.key), status="not known", state=RemoteState.UNKNOWN, reason=reason)
        for doubt in doubts
    ]
