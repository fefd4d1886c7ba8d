"""Asking in a session: whether the platform lets us in, and who answers for the container.

Any request with a new identifier allocates a session, which holds a place for the length of the cooldown. So diagnoses
of one target always use the same identifier, ask first whether it has a session, and stop one that they allocated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from afield.connectors.base import CheckResult
from afield.connectors.session_pool import remedies
from afield.connectors.session_pool.blame import Blame, Speaker, blame, platform_code, said
from afield.connectors.session_pool.checks import failed, ok, warned
from afield.connectors.session_pool.evidence import Answer, PoolKind, PoolProbe, Reply
from afield.connectors.session_pool.remedies import Situation
from afield.model.jsontypes import JsonObject

MANAGEMENT_VERSION = "2025-02-02-preview"
INTERPRETER_VERSION = "2025-10-02-preview"

_NO_SESSION = frozenset({"SessionWithIdentifierNotFound", "SessionNotFound"})
# A check has 30 s: for a question, another one and a stop; or for readiness and a stop.
_PATIENCE_S, _AGAIN_S, _READY_S, _SHORT_S = 14.0, 9.0, 23.0, 4.0
_SLOW_S = 4.0  # a ready session answers in less
_PASSING = frozenset({Speaker.CONTAINER_DOWN, Speaker.NETWORK})
_SHUT = frozenset({Speaker.IDENTITY, Speaker.WRONG_KIND, Speaker.WRONG_HOST, Speaker.NETWORK, Speaker.TOO_SLOW})


@dataclass(slots=True)
class Visit:
    """What was heard in a session. `first` is the first answer to GET /health, `again` the second, if one was asked
    for; `front` is that of GET /, asked when somebody else answers."""

    first: Reply
    again: Reply | None = None
    ready: Reply | None = None
    front: Reply | None = None
    allocated: bool = False  # for this visit
    stopped: bool | None = None  # None: it is still needed

    @property
    def health(self) -> Reply:
        return self.again if self.again is not None else self.first

    @property
    def blame(self) -> Blame:
        return blame(self.health)


class Guest:
    """Goes into the session that belongs to the diagnoses of one target."""

    def __init__(self, pool: PoolProbe, endpoint: str, kind: PoolKind, pause_s: float = 1.0) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._kind = kind
        self._pause_s = pause_s
        self._identifier = pool.place.probe_identifier
        self.here = False  # the session was there before we came

    async def look(self) -> Reply:
        """Ask the platform for the session, which allocates none."""
        if self._kind is PoolKind.CUSTOM:
            reply = await self._managed("POST", "/.management/getSession", MANAGEMENT_VERSION)
        else:
            reply = await self._managed("GET", "/session", INTERPRETER_VERSION)
        self.here = isinstance(reply, Answer) and reply.ok
        return reply

    async def knock(self) -> Visit:
        """GET /health in the session. It is kept when the adapter answers, for `readiness`, and else given back."""
        visit, kept = Visit(await self.ask("GET", "/health"), allocated=not self.here), False
        try:
            if visit.blame.speaker in _PASSING:
                await asyncio.sleep(self._pause_s)
                visit.again = await self.ask("GET", "/health", patience_s=_AGAIN_S)
            if visit.blame.speaker is Speaker.PISTON:
                visit.front = await self.ask("GET", "/", patience_s=_AGAIN_S)
            kept = visit.blame.speaker is Speaker.ADAPTER
        finally:
            if not kept:
                visit.stopped = await self._leave()
        return visit

    async def readiness(self, visit: Visit) -> Reply:
        """GET /ready, which runs a snippet in each language when that was not done lately; then the session is given
        back."""
        try:
            visit.ready = await self.ask("GET", "/ready", patience_s=_READY_S)
        finally:
            visit.stopped = await self._leave()
        return visit.ready

    @asynccontextmanager
    async def staying(self) -> AsyncIterator[None]:
        """While the session is needed; stopped after that if it was not there before."""
        try:
            yield
        finally:
            await self._leave()

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        *,
        patience_s: float = _PATIENCE_S,
    ) -> Reply:
        """One request to the session."""
        named = {"identifier": self._identifier} | dict(query or {})
        return await self._pool.ask(method, self._endpoint + path, named, body, patience_s=patience_s)

    async def _leave(self) -> bool:
        """Stop the session unless it was there before; whether it is gone."""
        if self.here:
            return False
        if self._kind is PoolKind.CUSTOM:
            reply = await self._managed("POST", "/.management/stopSession", MANAGEMENT_VERSION)
        else:
            reply = await self._managed("DELETE", "/session", INTERPRETER_VERSION)
        return isinstance(reply, Answer) and (reply.ok or _says_none(reply))

    async def _managed(self, method: str, path: str, version: str) -> Reply:
        query = {"api-version": version, "identifier": self._identifier}
        return await self._pool.ask(method, self._endpoint + path, query, patience_s=_SHORT_S)


def _says_none(answer: Answer) -> bool:
    """Whether the platform says that there is no such session; the second form is that of a stop."""
    return platform_code(answer) in _NO_SESSION or b"session not found" in answer.body


def judge_platform(reply: Reply, now: Situation) -> CheckResult:
    """Whether the platform lets us in. That it knows no such session is the usual answer."""
    asked = "the pool's platform, whether diagnoses have a session there; this allocates none"
    found = blame(reply)
    if isinstance(reply, Answer):
        if reply.ok:
            return ok(asked, "it lets us in, and there is one")
        if _says_none(reply):
            return ok(asked, "it lets us in, and there is none")
    answered = said(reply) if isinstance(reply, Answer) else reply.text
    if found.speaker in _SHUT:
        return failed(asked, answered, remedies.remedy(found, now))
    return warned(asked, answered, remedies.odd_platform(found, now))


def judge_answer(visit: Visit, now: Situation) -> CheckResult:
    """Who answers for the container."""
    asked = "GET /health in a session: does the answer carry the adapter's header, and if not, who gave it?"
    found = visit.blame
    if found.speaker is not Speaker.ADAPTER:
        more = f"; GET / says {said(visit.front)}" if isinstance(visit.front, Answer) else ""
        answered = f"{found.because}{more}. {told_session(visit)}"
        return failed(asked, answered, remedies.remedy(found, now))
    answered = f"the adapter: {found.because}, after {visit.health.seconds * 1000:.0f} ms. {told_session(visit)}"
    if visit.again is not None:
        return warned(asked, answered, remedies.passing(blame(visit.first), now))
    if visit.allocated and visit.health.seconds > _SLOW_S:
        return warned(asked, answered, remedies.slow(visit.health.seconds, now))
    return ok(asked, answered)


def told_session(visit: Visit) -> str:
    """What became of the session, in words."""
    if not visit.allocated:
        return "The session was there before."
    if visit.stopped is None:
        return "The session was allocated for this."
    if visit.stopped:
        return "The session that was allocated for this is stopped: none is left behind."
    return "A session that this may have allocated could not be stopped; it ends with its cooldown."
