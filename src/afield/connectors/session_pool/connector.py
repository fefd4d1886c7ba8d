"""The session_pool connector: code in sessions of a custom container pool, by the adapter that runs there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

import structlog
from pydantic import ValidationError

from afield.connectors.adapter.client import AdapterClient
from afield.connectors.adapter.connector import AdapterConnector, probe_session
from afield.connectors.adapter.outcome import before
from afield.connectors.adapter.reply import Reply
from afield.connectors.adapter.sight import found_run, run_path
from afield.connectors.adapter.wire import UnreadableError, parse_memory
from afield.connectors.azure.credential import require_secret
from afield.connectors.base import (
    Abilities,
    Check,
    Intent,
    Limits,
    LookQuery,
    NotSent,
    Refused,
    Snapshot,
    TargetContext,
)
from afield.connectors.coding import CodeSpec
from afield.connectors.session_pool import ladder
from afield.connectors.session_pool.address import CustomPoolAddress
from afield.connectors.session_pool.doors import PoolDoors
from afield.connectors.session_pool.evidence import PoolKind
from afield.connectors.session_pool.foreign import foreign
from afield.connectors.session_pool.look import Looking, questions_of
from afield.connectors.session_pool.own import OWN, own_session
from afield.connectors.session_pool.pins import Pin, PinBook
from afield.connectors.session_pool.place import probe_of, tls_of
from afield.connectors.session_pool.sessions import Sessions
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

LIMITS = Limits(
    max_live=20,
    max_calls=20,
    min_interval=timedelta(seconds=2),
    max_interval=timedelta(minutes=1),
    visibility_delay=timedelta(),  # a run is known before it is told
    max_visibility_delay=timedelta(minutes=10),  # the platform may hold a request while it looks for a place
    request_timeout=timedelta(seconds=60),
)


class SessionPoolConnector(AdapterConnector[CustomPoolAddress]):
    """One custom container pool of Azure Container Apps."""

    name: ClassVar[str] = "session_pool"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=False,
        cancel=True,
        caller_chosen_name=True,
        output_on_failure=True,
        leaves_behind=True,  # a session of its own
        limits=LIMITS,
    )
    Address = CustomPoolAddress

    def __init__(self, context: TargetContext, address: CustomPoolAddress, tls: ssl.SSLContext) -> None:
        limits = LIMITS.overridden(context.settings)
        self._address = address
        self._tls = tls
        self._doors = PoolDoors(context, address, PoolKind.CUSTOM, tls)
        super().__init__(context, AdapterClient(self._doors, limits.request_timeout.total_seconds(), tls), limits)
        self._sessions = Sessions(self._client, probe_session(context))
        self._pins = PinBook(context.notes)

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        """Bind to the pool. Raises CredentialError when the credential lacks a key."""
        address = CustomPoolAddress.model_validate(context.address)
        require_secret(address, context.secret, context.name)
        return cls(context, address, await asyncio.to_thread(tls_of, address))

    async def close(self) -> None:
        await super().close()
        await self._doors.close()

    # ------------------------------------------------------------------ submitting

    def _session(self, intent: Intent, spec: CodeSpec) -> str:
        return spec.session or own_session(intent)

    async def _prepare(self, intent: Intent, identifier: str) -> NotSent | Refused | None:
        """Before anything is sent into a session for the first time: see who answers there, and note it."""
        if await self._pins.of(identifier) is not None:
            return None
        answer = await self._client.call("GET", run_path(intent.key), identifier)
        now = self._context.clock.now()
        unready = before(answer, self._judge, now)
        if unready is not None or not isinstance(answer, Reply):
            return unready
        try:
            found_run(answer)
        except UnreadableError as error:
            return NotSent(Reason("not_ready", f"The adapter answers {answer.status} to a question: {error}."))
        self._sessions.answered(identifier)
        pin = Pin(boot=answer.boot, at=now, remembers_since=parse_memory(answer.json()))
        await self._pins.note(identifier, pin)
        return None

    def _foreign(self, reply: Reply) -> NotSent | Refused | None:
        movable = self._doors.endpoint.forget() if reply.status in {400, 403, 404} else False
        return foreign(reply, self._context.clock.now(), movable=movable)

    async def _answered(self, identifier: str, reply: Reply) -> None:
        self._sessions.answered(identifier)
        await self._pins.note(identifier, Pin(boot=reply.boot, at=self._context.clock.now()))

    async def _asleep(self, identifier: str) -> Reason | None:
        return await self._sessions.asleep(identifier)

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        """Ask the sessions in question. A session that has ended is not made anew by the question."""
        now = self._context.clock.now()
        if query.empty:
            return Snapshot(taken_at=now, complete=True)
        session_of = {doubt.key: self._session_of(doubt) for doubt in query.doubts}
        looking = Looking(
            client=self._client,
            sessions=self._sessions,
            pins=self._pins,
            remembered=self._remembered,
            clock_skew=self._limits.clock_skew,
        )
        return await looking.look(questions_of(query, session_of), query, now)

    def _session_of(self, intent: Intent) -> str:
        try:
            return self._session(intent, CodeSpec.model_validate(intent.spec))
        except ValidationError:
            return own_session(intent)  # what is not valid was never sent

    # ------------------------------------------------------------------ ending

    async def release(self, intent: Intent) -> None:
        """End the session, if it was the run's own."""
        identifier = own_session(intent)
        if intent.spec.get("session") or await self._pins.of(identifier) is None:
            return
        if not await self.stop_session(identifier):
            log.info("session_pool.left_behind", attempt_key=intent.key, session=identifier)

    async def stop_session(self, identifier: str) -> bool:
        """End a session, with all that runs there; True when it is certainly gone. Raises CredentialError."""
        stopped = await self._sessions.stop(identifier)
        if stopped and identifier.startswith(OWN):
            await self._pins.forget(identifier)
        return stopped

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.rungs(probe_of(self._context, self._address, self._doors, self._client.session, self._tls))
