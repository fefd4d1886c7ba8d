"""Looking at executions of Azure's interpreters: one call for each that has an id, the marks for all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import handle_of, parts_of
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.adapter.wire import UnreadableError
from afield.connectors.base import Entry, Known, LookQuery, RemoteState, Snapshot
from afield.connectors.session_pool.foreign import blamed
from afield.connectors.session_pool.interpreter_wire import SESSION_VERSION, Execution, entry_of, parse_execution
from afield.connectors.session_pool.marks import Mark, Marks
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason
from afield.model.ids import parse_attempt_key

_NO_LIST = Reason("no_listing", "Azure's interpreters do not list what they ran, so strangers cannot be seen.")


@dataclass(frozen=True, slots=True)
class _Blind:
    """An execution that could not be looked at."""

    reason: Reason
    retry_after: timedelta | None = None


class InterpreterLook:
    """Questions about executions."""

    def __init__(self, client: AdapterClient, marks: Marks, query: dict[str, str]) -> None:
        self._client = client
        self._marks = marks
        self._query = query

    async def look(self, query: LookQuery, now: datetime) -> Snapshot:
        """One snapshot. Raises CredentialError."""
        entries: list[Entry] = []
        blind = [_Blind(_NO_LIST)] if query.since is not None else []
        found: list[Entry | _Blind | None] = [await self._known(known) for known in query.known]
        found += [await self._doubt(doubt.key) for doubt in query.doubts]
        for one in found:
            if isinstance(one, _Blind):
                blind.append(one)
            elif one is not None:
                entries.append(one)
        return Snapshot(
            taken_at=now,
            complete=not blind,
            entries=tuple(entries),
            calls=2 * len(query.known) + len(query.doubts),
            error=blind[0].reason if blind else None,
            retry_after=max((one.retry_after for one in blind if one.retry_after), default=None),
        )

    async def ended(self, handle: str) -> Execution | Reason:
        """The execution at its end, or why it cannot be had. Raises CredentialError."""
        session, identity = parts_of(handle)
        if parse_attempt_key(identity) is not None:
            mark = await self._marks.get(identity)
            ended = mark.ended if mark is not None else None
            return ended or Reason("output_gone", "No answer to this attempt was ever had.")
        seen = await self._ask(session, identity, "")
        if isinstance(seen, _Blind):
            return seen.reason
        if seen is None:
            return Reason("output_gone", f"The session {session} does not know this execution any more.")
        return seen if seen.over else Reason("not_ended", "The execution has not ended.")

    async def _known(self, known: Known) -> Entry | _Blind | None:
        session, identity = parts_of(known.handle)
        if parse_attempt_key(identity) is None:
            return await self._shown(session, identity, known.key, known.handle)
        mark = await self._marks.get(identity)
        if mark is not None and mark.ended is not None:
            return entry_of(mark.ended, known.handle, identity)
        text = "It was taken to have run. Its answer is lost, so how it ended is not known."
        reason = Reason("answer_lost", text)
        return Entry(handle=known.handle, status="no answer", state=RemoteState.FAILED, name=identity, reason=reason)

    async def _doubt(self, key: str) -> Entry | _Blind | None:
        mark = await self._marks.get(key)
        if mark is None:
            return None  # it never left
        handle = handle_of(mark.session, mark.execution or key)
        if mark.ended is not None:
            return entry_of(mark.ended, handle, key)
        if mark.execution:
            return await self._shown(mark.session, mark.execution, key, handle) or _lost(handle, key)
        return _undecidable(mark, key)

    async def _shown(self, session: str, identity: str, name: str | None, handle: str) -> Entry | _Blind | None:
        seen = await self._ask(session, identity, "")
        return entry_of(seen, handle, name) if isinstance(seen, Execution) else seen

    async def _ask(self, session: str, identity: str, language: str) -> Execution | _Blind | None:
        """The execution; None when the session has ended, or denies it. A session that is not there is not made."""
        there = await self._client.call("GET", "/session", session, query={"api-version": SESSION_VERSION})
        if isinstance(there, Reply) and blamed(there).code == "SessionWithIdentifierNotFound":
            return None
        if isinstance(there, NoReply) or there.status != 200:
            return _blind(there)
        answer = await self._client.call("GET", f"/executions/{identity}", session, query=self._query)
        reach(FaultPoint.DURING_LOOK)
        if isinstance(answer, Reply) and answer.status == 404:
            return None
        if isinstance(answer, NoReply) or not 200 <= answer.status < 300:
            return _blind(answer)
        try:
            return parse_execution(answer.json(), language)
        except UnreadableError as error:
            return _Blind(Reason("unreadable", f"Not looked: the answer cannot be read ({error})."))


def _blind(answer: Reply | NoReply) -> _Blind:
    if isinstance(answer, NoReply):
        return _Blind(Reason("no_reply", f"Not looked: {answer.text}."))
    return _Blind(Reason(f"http_{answer.status}", f"Not looked: the pool answers {answer.status}."))


def _undecidable(mark: Mark, key: str) -> Entry:
    text = f"It left at {mark.sent_at:%H:%M:%S} UTC, and no answer came: whether it ran cannot be asked."
    return Entry(
        handle=handle_of(mark.session, key),
        status="no answer",
        state=RemoteState.UNKNOWN,
        reason=Reason("answer_lost", text),
    )


def _lost(handle: str, key: str) -> Entry:
    """It was accepted, and the session that ran it is gone."""
    text = "It was accepted, and its session has ended: how it ended is not known."
    reason = Reason("session_gone", text)
    return Entry(handle=handle, status="gone", state=RemoteState.FAILED, name=key, reason=reason)
