"""The sessions of a custom pool, as the platform manages them: which there are, and ending one."""

from __future__ import annotations

import time
from collections import OrderedDict

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import SESSION_GONE
from afield.connectors.adapter.reply import NoReply, Reply
from afield.connectors.azure.view import as_object, as_objects, as_text
from afield.connectors.session_pool.foreign import blamed
from afield.model.execution import Reason

MANAGEMENT_VERSION = "2025-02-02-preview"

_KEEPS_S = 240.0  # the shortest cooldown is 300 s, and each request begins it anew
_MOST = 10_000
_MOST_PAGES = 100


class Sessions:
    """Management calls. A request to a session that is not there would make one, so it is asked first."""

    def __init__(self, client: AdapterClient, probe: str) -> None:
        self._client = client
        self._probe = probe
        self._awake: OrderedDict[str, float] = OrderedDict()

    def answered(self, identifier: str) -> None:
        """It is there: its adapter just answered."""
        self._awake[identifier] = time.monotonic() + _KEEPS_S
        self._awake.move_to_end(identifier)
        while len(self._awake) > _MOST:
            self._awake.popitem(last=False)

    async def asleep(self, identifier: str) -> Reason | None:
        """Why there is nobody to ask; None: the session is there. Raises CredentialError."""
        if self._awake.get(identifier, 0.0) > time.monotonic():
            return None
        answer = await self._manage("getSession", identifier)
        if isinstance(answer, NoReply):
            return Reason("no_reply", f"Not looked: {answer.text}.")
        if answer.status == 200:
            return None
        if blamed(answer).code == "SessionWithIdentifierNotFound":
            return Reason(SESSION_GONE, f"The session {identifier} has ended.")
        return Reason(f"http_{answer.status}", f"Not looked: the pool answers {answer.status} about its session.")

    async def stop(self, identifier: str) -> bool:
        """End it; True when it is certainly not there any more. Raises CredentialError."""
        self._awake.pop(identifier, None)
        answer = await self._manage("stopSession", identifier)
        if isinstance(answer, NoReply):
            return False
        return answer.status == 200 or (answer.status == 400 and b"session not found" in answer.body.lower())

    async def identifiers(self) -> list[str] | Reason:
        """All sessions there are, or why that is not known. Raises CredentialError."""
        found: dict[str, None] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._manage("listSessions", self._probe, skip=str(len(found)))
            page = as_object(answer.json()) if isinstance(answer, Reply) and answer.status == 200 else {}
            if not isinstance(page.get("sessions"), list):
                said = answer.text if isinstance(answer, NoReply) else f"the pool answers {answer.status}"
                return Reason("no_listing", f"The sessions cannot be listed: {said}.")
            before = len(found)
            found |= {as_text(one.get("identifier")): None for one in as_objects(page.get("sessions"))}
            if not page.get("nextLink") or len(found) == before:
                return list(found)
        return Reason("no_listing", "The list of sessions does not end.")

    async def _manage(self, what: str, identifier: str, **query: str) -> Reply | NoReply:
        return await self._client.call(
            "POST", f"/.management/{what}", identifier, query={"api-version": MANAGEMENT_VERSION} | query
        )
