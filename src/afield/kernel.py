"""The kernel, opened: ledger, queue, credentials, artifacts, and what the products and faces do with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from afield.clock import Clock, SystemClock
from afield.config import Settings
from afield.connectors.base import Limits, TargetContext
from afield.connectors.registry import AnyConnector, check_address, check_spec, connector_class, preload
from afield.connectors.tokens import TokenSource
from afield.engine.advance import Advancer
from afield.engine.queue import Nudger, open_queue
from afield.engine.session_worker import SessionWorker
from afield.engine.worker import Worker, WorkerSettings
from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.ledger.artifacts import ArtifactStore
from afield.ledger.base import Created, NewTarget
from afield.ledger.connect import database_url
from afield.ledger.credentials import Credentials
from afield.ledger.notes import TargetNotes
from afield.ledger.postgres import PostgresLedger
from afield.ledger.scans import Scans
from afield.ledger.sessions import Sessions
from afield.ledger.tokens import MemoryTokens, PostgresTokens
from afield.model.execution import Execution, NewExecution, Resubmit
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.session import RESERVED_LABELS
from afield.model.states import FINAL
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import PlannedRepair, Repaired, Repairer
from afield.reconcile.scan import Scan, scan
from afield.reconcile.scan_json import scan_from_json, scan_to_json
from afield.reconcile.shared import SharedLook
from afield.security.keys import load_keyring
from afield.security.secrets import Keyring

log = structlog.get_logger(__name__)

_SCAN_BACK = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for one execution, as a person or a product makes it."""

    target: str  # name or id
    spec: JsonObject
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    resubmit: Resubmit = Resubmit.WHEN_ABSENT
    timeout_s: float | None = None


class Kernel:
    """Everything a face or a product needs, for one process."""

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: PostgresLedger,
        keyring: Keyring,
        artifacts: ArtifactStore,
        nudger: Nudger,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.keyring = keyring
        self.credentials = Credentials(ledger.database, keyring)
        self.scans = Scans(ledger.database)
        self.artifacts = artifacts
        self.nudger = nudger
        self.clock = clock
        self._looks = SharedLook(clock)
        self._targets: dict[tuple[UUID, str], Target] = {}

    # ------------------------------------------------------------------ targets

    async def add_target(
        self,
        *,
        connector: str,
        name: str,
        address: JsonObject,
        settings: JsonObject | None = None,
        credential: str | None = None,
        tenant_id: UUID = DEFAULT_TENANT,
    ) -> Target:
        """Record a target after checking its address and settings. Raises InvalidInputError, ConflictError (name)."""
        settings = settings or {}
        _limits(connector, name, settings)
        credential_id = (await self.credentials.find(tenant_id, credential)).id if credential else None
        return await self.ledger.add_target(
            NewTarget(
                id=uuid7(),
                tenant_id=tenant_id,
                connector=connector,
                name=name,
                address=check_address(connector, address),
                settings=settings,
                credential_id=credential_id,
            )
        )

    async def change_target(
        self, target: Target, *, settings: JsonObject | None = None, credential: str | None = None
    ) -> Target:
        """Give it other settings (all of them) or another credential. Raises InvalidInputError, NotFoundError."""
        if settings is not None:
            _limits(target.connector, target.name, settings)
        found = await self.credentials.find(target.tenant_id, credential) if credential else None
        return await self.ledger.update_target(target.id, settings=settings, credential_id=found.id if found else None)

    async def find_target(self, text: str, tenant_id: UUID = DEFAULT_TENANT) -> Target:
        """By name or id, or by the remote's own name for it (any value of its address), if that is unambiguous."""
        try:
            return await self.ledger.find_target(tenant_id, text)
        except NotFoundError:
            found = [t for t in await self.ledger.targets(tenant_id) if text in t.address.values()]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(target.name for target in found))
            raise ConflictError(f"{text!r} could be any of these targets: {names}.", hint="Give the target's name.")
        raise NotFoundError(f"There is no target {text!r}.", hint="`afield targets list` shows those there are.")

    async def open_connector(self, target: Target) -> AnyConnector:
        """Bind the target's connector to it, with its credential. Makes no remote call; the caller closes it. Raises
        AfieldError when that is not possible."""
        kind = connector_class(target.connector)
        limits_of(target)
        return await kind.open(await self.target_context(target))

    async def target_context(self, target: Target) -> TargetContext:
        """All that a connector is given of a target, its credential among it. Makes no remote call."""
        credential_id = target.credential_id
        secret = await self.credentials.secret(credential_id) if credential_id else {}
        return TargetContext(
            target_id=target.id,
            name=target.name,
            address=target.address,
            settings=target.settings,
            secret=secret,
            tokens=self.token_source(credential_id, secret),
            artifacts=self.artifacts,
            notes=TargetNotes(self.ledger.database, self.keyring, target.id),
            clock=self.clock,
        )

    def token_source(self, credential_id: UUID | None, secret: Mapping[str, str]) -> TokenSource:
        """Tokens of a credential, shared by all processes; without one, of this process alone."""
        if credential_id is None:
            return MemoryTokens(secret, self.clock)
        return PostgresTokens(self.ledger.database, self.keyring, credential_id, self.clock)

    # ------------------------------------------------------------------ executions

    async def submit(self, order: Order, tenant_id: UUID = DEFAULT_TENANT) -> Created:
        """Record one execution, and nudge its target. Raises InvalidInputError (spec), NotFoundError (target),
        IdempotencyError; in none of these cases anything is recorded."""
        check_labels(order)
        target = await self._target_of(order, tenant_id)
        created = await self.ledger.create(
            NewExecution(
                id=uuid7(),
                tenant_id=tenant_id,
                target_id=target.id,
                spec=check_spec(target.connector, order.spec),
                labels=dict(order.labels),
                idempotency_key=order.idempotency_key,
                resubmit=order.resubmit,
                timeout_s=order.timeout_s,
            )
        )
        self.nudger.nudge(target.id)
        return created

    async def _target_of(self, order: Order, tenant_id: UUID) -> Target:
        """The order's target. What an order needs of it (id, connector) never changes, so it is asked for once."""
        target = self._targets.get((tenant_id, order.target))
        if target is None:
            target = await self.find_target(order.target, tenant_id)
            if order.target in {target.name, str(target.id)}:
                self._targets[tenant_id, order.target] = target
        return target

    async def cancel(self, execution_id: UUID, actor: str, tenant_id: UUID = DEFAULT_TENANT) -> Execution:
        """Ask for a cancel; what comes of it shows in the execution's state. Raises ConflictError when it has ended."""
        execution = await self.ledger.execution(execution_id, tenant_id)
        if execution.state in FINAL:
            raise ConflictError(
                f"Execution {execution_id} cannot be cancelled: it is {execution.state} already.",
                hint="Nothing was changed.",
            )
        asked = await self.ledger.request_cancel(execution_id, actor, self.clock.now())
        self.nudger.nudge(asked.target_id)
        return asked

    # ------------------------------------------------------------------ both sides

    async def scan(self, target: Target, *, since: datetime | None = None) -> Scan:
        """Compare both sides of a target with one fresh look, shared by everybody who asks at about this time.

        `since`: how far back the remote is listed; a day if not given. A remote that cannot be asked is told in
        `looked`; raises AfieldError when the target cannot even be opened.
        """
        since = since or self.clock.now() - _SCAN_BACK

        async def fresh() -> Scan:
            async with self._connected(target) as connector:
                scanned = await scan(self.ledger, connector, target, since, self.clock.now())
            await self._keep(target, scanned)
            return scanned

        return await self._looks.scan(target.id, since, fresh)

    async def _keep(self, target: Target, scanned: Scan) -> None:
        result = await asyncio.to_thread(scan_to_json, scanned)  # thousands of rows would hold up the event loop
        await self.scans.keep(target, scanned.looked.taken_at, scanned.looked.complete, result)

    async def last_scan(self, target_id: UUID) -> Scan | None:
        """The newest comparison made by any process, complete or not; None when there is none. Calls no remote.
        Specs and outputs of its executions are left out."""
        result = await self.scans.last(target_id)
        try:
            return await asyncio.to_thread(scan_from_json, result) if result else None
        except ValueError as error:
            log.warning("scan.not_readable", target_id=str(target_id), error=str(error))
            return None

    async def repair(self, target: Target, planned: Sequence[PlannedRepair], actor: str) -> list[Repaired]:
        """Make planned repairs in somebody's name, and nudge the target if there is something to go on with."""
        if not planned:
            return []
        async with self._connected(target) as connector:
            repaired = await Repairer(self.ledger, connector, actor=actor, clock=self.clock).apply(planned)
        self._looks.forget(target.id)
        self.nudger.nudge(target.id)
        return repaired

    async def close(self) -> None:
        """Cut off the looks that nobody waits for any more."""
        await self._looks.close()

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[AnyConnector]:
        connector = await self.open_connector(target)
        try:
            yield connector
        finally:
            await connector.close()


def check_labels(order: Order) -> None:
    """Raises InvalidInputError for a label that is not the caller's to give."""
    reserved = sorted(name for name in order.labels if name.startswith(RESERVED_LABELS))
    if reserved:
        raise InvalidInputError(f"The label {reserved[0]!r} is Afield's own.", hint="Choose another name.")


def limits_of(target: Target) -> Limits:
    """What may be asked of the target. Raises InvalidInputError for an unknown connector or a bad setting."""
    return _limits(target.connector, target.name, target.settings)


def _limits(connector: str, name: str, settings: JsonObject) -> Limits:
    try:
        return connector_class(connector).abilities.limits.overridden(settings)
    except ValueError as error:
        raise InvalidInputError(f"The settings of target {name!r} are not valid: {error}.") from error


@asynccontextmanager
async def open_kernel(
    settings: Settings, *, clock: Clock | None = None, all_connectors: bool = True
) -> AsyncIterator[Kernel]:
    """Open everything: starts the embedded database if it is needed and not running, and brings the schema up to
    date. Raises UnavailableError when the database cannot be had.

    `all_connectors`: import them all before anything else, so that no import blocks the event loop later.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if all_connectors:
            await asyncio.to_thread(preload)
        url = await database_url(settings)
        keyring = await asyncio.to_thread(load_keyring, settings.secret_key, settings.home_folder)
        opened = await PostgresLedger.open(url, pool_size=settings.pool_size, clock=clock)
        ledger = await stack.enter_async_context(opened)
        queue = await stack.enter_async_context(open_queue(url))
        nudger = Nudger(queue)
        stack.push_async_callback(nudger.flush)
        artifacts = ArtifactStore.open(settings.artifacts_url, settings.home_folder)
        kernel = Kernel(
            settings=settings, ledger=ledger, keyring=keyring, artifacts=artifacts, nudger=nudger, clock=clock
        )
        stack.push_async_callback(kernel.close)
        yield kernel


@asynccontextmanager
async def open_worker(source: Kernel | Settings, worker: WorkerSettings) -> AsyncIterator[Worker]:
    """A worker process's parts: a kernel, the one given or one of its own, and a queue connection of its own."""
    async with AsyncExitStack() as stack:
        kernel = source if isinstance(source, Kernel) else await stack.enter_async_context(open_kernel(source))
        queue = await stack.enter_async_context(open_queue(await database_url(kernel.settings)))
        sessions = Sessions(kernel.ledger.database)
        advancer = Advancer(sessions, kernel.ledger, kernel.nudger.nudge, kernel.clock)
        thinking = SessionWorker(advancer, lambda: sessions.due(kernel.clock.now()), kernel.ledger.listener.sessions)
        yield Worker(
            kernel.ledger,
            queue,
            kernel.open_connector,
            kernel.artifacts,
            worker,
            sessions=thinking,
            clock=kernel.clock,
        )
