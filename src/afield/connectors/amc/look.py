"""Looking at an instance: one listing for all that lives there, single questions for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

import structlog

from afield.connectors.amc.answer import Answer, Failed, reason, says_absent
from afield.connectors.amc.client import AmcClient
from afield.connectors.amc.look_plan import LookPlan, Slack, Wanted, absorb, choose, density_of
from afield.connectors.amc.memory import Memory
from afield.connectors.amc.spec import AttemptName
from afield.connectors.amc.wire import listing_query, parse_execution, parse_page, workflow_listing_query
from afield.connectors.base import Entry, Intent, Known, Limits, LookQuery, Snapshot
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)


class Looker:
    """Looks at one instance. Raises CredentialError; all else that goes wrong makes the snapshot incomplete."""

    def __init__(self, client: AmcClient, limits: Limits, mode: AttemptName, memory: Memory) -> None:
        self._client = client
        self._limits = limits
        self._named = mode is AttemptName.SAVED_WORKFLOW  # a doubt can be asked about by its name
        self._memory = memory
        self._slack = Slack(limits.clock_skew)
        self._density = 0.0

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask once about all of the query."""
        taken_at = self._client.clock.now()
        reading = _Reading(self._client, self._limits.max_calls)
        plan = self._plan(query, taken_at)
        if plan.since is not None:
            await self._list(reading, plan.since, taken_at, with_sql=bool(query.doubts) and not self._named)
        doubts = {intent.key: intent for intent in query.doubts}
        unseen = self._unseen(query, reading, taken_at) if plan.since is not None else ()
        await reading.ask_each(doubts, {*plan.single, *unseen})
        self._learn(query, reading.entries)
        return reading.snapshot(taken_at)

    # ------------------------------------------------------------------ what to ask

    def _plan(self, query: LookQuery, taken_at: datetime) -> LookPlan:
        wanted = [Wanted(one.handle, self._created(one)) for one in query.known]
        floors = [] if query.since is None else [self._not_before(query.since)]
        for intent in query.doubts:
            since = self._not_before(intent.sent_after)
            if self._named:
                wanted.append(Wanted(intent.key, since))
            else:
                floors.append(since)
        until = self._client.remote_clock.there(taken_at)  # what the listing allows beyond is empty
        return choose(wanted, min(floors, default=None), until, self._density)

    def _created(self, one: Known) -> datetime:
        return self._memory.created_at(one.handle) or self._not_before(one.submitted_at)

    def _not_before(self, here: datetime) -> datetime:
        """The earliest time by AMC's clock at which it may show what happened at our time `here`."""
        return self._slack.before(self._client.remote_clock.there(here))

    def _until(self, taken_at: datetime) -> datetime:
        return self._slack.after(self._client.remote_clock.there(taken_at))

    def _unseen(self, query: LookQuery, reading: _Reading, taken_at: datetime) -> Iterable[str]:
        """What the listing should have shown and did not, and is old enough for its absence to mean something."""
        names = {entry.name for entry in reading.entries.values()}
        for one in query.known:
            if one.handle not in reading.entries and taken_at - one.submitted_at >= self._limits.visibility_delay:
                yield one.handle
        for intent in query.doubts if self._named else ():
            if intent.key not in names and taken_at - intent.sent_after >= self._limits.max_visibility_delay:
                yield intent.key

    # ------------------------------------------------------------------ the listing

    async def _list(self, reading: _Reading, since: datetime, taken_at: datetime, *, with_sql: bool) -> None:
        clock = self._client.remote_clock
        assumed, until = clock.offset or timedelta(), self._until(taken_at)
        if not await reading.read_listing(listing_query(since, until, with_sql=with_sql)):
            return
        self._density = density_of(len(reading.entries), since, clock.there(taken_at))
        off = (clock.offset or timedelta()) - assumed
        if abs(off) > self._limits.clock_skew:
            seconds = off.total_seconds()
            text = f"AMC's clock turned out to be {seconds:+.0f} s from what was assumed; the next look allows for it."
            reading.fail(Reason("clock_skew", text))

    def _learn(self, query: LookQuery, found: Mapping[str, Entry]) -> None:
        handles = {one.handle for one in query.known}
        keys = {intent.key for intent in query.doubts}
        for entry in found.values():
            if entry.handle in handles or entry.name in keys:
                self._memory.learn(entry)
        self._memory.trim(handles)


class _Reading:
    """One look in progress: what was read so far, and the first thing that went wrong, after which it stops."""

    def __init__(self, client: AmcClient, at_once: int) -> None:
        self._client = client
        self._at_once = asyncio.Semaphore(max(1, at_once))
        self._calls = 0
        self._error: Reason | None = None
        self._retry_after: timedelta | None = None
        self.entries: dict[str, Entry] = {}

    def fail(self, why: Reason, retry_after: timedelta | None = None) -> None:
        if self._error is None:
            self._error, self._retry_after = why, retry_after

    def snapshot(self, taken_at: datetime) -> Snapshot:
        if self._error is not None:
            log.info("amc.look_incomplete", code=self._error.code, why=self._error.text, entries=len(self.entries))
        return Snapshot(
            taken_at=taken_at,
            complete=self._error is None,
            entries=tuple(self.entries.values()),
            calls=self._calls,
            error=self._error,
            retry_after=self._retry_after,
        )

    async def read_listing(self, query: Mapping[str, str]) -> bool:
        """All pages of a listing; False if it broke off."""
        tokens: set[str] = set()
        token: str | None = None
        while True:
            answer = await self._get("", query if token is None else {**query, "nextToken": token})
            page = None if isinstance(answer, Failed) or not answer.ok else parse_page(answer.body)
            if page is None:
                self._broke_off(answer)
                return False
            absorb(self.entries, page.entries)
            token = page.next_token
            if page.unreadable or token in tokens:
                text = "AMC's listing has unreadable rows" if page.unreadable else "AMC's listing goes round in circles"
                self.fail(Reason("unreadable_reply", f"{text}, so it proves no absence."))
                return False
            if token is None:
                return True
            tokens.add(token)

    def _broke_off(self, answer: Answer) -> None:
        if isinstance(answer, Failed) or not answer.ok:
            self.fail(reason(answer, "The listing"), answer.retry_after)
        else:
            self.fail(Reason("unreadable_reply", "AMC's listing is not readable."))

    async def ask_each(self, doubts: Mapping[str, Intent], names: Iterable[str]) -> None:
        """Ask about each by itself: an attempt in doubt by the runs of its workflow, an execution by its id."""
        asked = (self._limited(self._ask_doubt if name in doubts else self._ask_execution, name) for name in names)
        for problem in await asyncio.gather(*asked, return_exceptions=True):
            if problem is not None:
                raise problem

    async def _limited(self, ask: Callable[[str], Awaitable[None]], name: str) -> None:
        async with self._at_once:
            if self._error is None:
                await ask(name)

    async def _ask_doubt(self, key: str) -> None:
        await self.read_listing(workflow_listing_query(key))

    async def _ask_execution(self, handle: str) -> None:
        answer = await self._get(handle)
        if isinstance(answer, Failed):
            return self.fail(reason(answer, f"Execution {handle}"), answer.retry_after)
        entry = parse_execution(answer.body) if answer.ok else None
        if entry is not None:
            absorb(self.entries, [entry])
        elif answer.ok:
            self.fail(Reason("unreadable_reply", f"AMC's reply about execution {handle} is not readable."))
        elif not says_absent(answer, handle):
            self.fail(reason(answer, f"Execution {handle}"), answer.retry_after)
        return None

    async def _get(self, handle: str, query: Mapping[str, str] | None = None) -> Answer:
        self._calls += 1
        answer = await self._client.call("GET", self._client.executions_url(handle), query=query)
        reach(FaultPoint.DURING_LOOK)
        return answer
