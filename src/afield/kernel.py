"""The kernel, opened: ledger, queue, credentials, artifacts, and what the products and faces do with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from afield.clock import Clock, SystemClock
from afield.config import Settings
from afield.connectors.base import TargetContext, TokenSource
from afield.connectors.registry import AnyConnector, check_address, check_spec, connector_class, preload
from afield.engine.queue import Nudger, open_queue
from afield.engine.worker import Worker, WorkerSettings
from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.ledger.artifacts import ArtifactStore
from afield.ledger.base import Created, NewTarget
from afield.ledger.connect import database_url
from afield.ledger.credentials import Credentials
from afield.ledger.postgres import PostgresLedger
from afield.ledger.tokens import MemoryTokens, PostgresTokens
from afield.model.execution import Execution, NewExecution, Resubmit
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.states import FINAL
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import PlannedRepair, Repaired, Repairer
from afield.reconcile.scan import Scan, scan
from afield.reconcile.shared import SharedLook
from afield.security.keys import load_keyring
from afield.security.secrets import Keyring

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
        self.artifacts = artifacts
        self.nudger = nudger
        self.clock = clock
        self._looks = SharedLook(clock)

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
        _check_settings(connector, name, settings)
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
            _check_settings(target.connector, target.name, settings)
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
        """Bind the target's connector to it, with its credential. Makes no remote call; the caller closes it."""
        kind = connector_class(target.connector)
        credential_id = target.credential_id
        secret = await self.credentials.secret(credential_id) if credential_id else {}
        tokens: TokenSource = MemoryTokens(secret, self.clock)
        if credential_id:
            tokens = PostgresTokens(self.ledger.database, self.keyring, credential_id, self.clock)
        context = TargetContext(
            target_id=target.id,
            name=target.name,
            address=target.address,
            settings=target.settings,
            secret=secret,
            tokens=tokens,
            artifacts=self.artifacts,
            clock=self.clock,
        )
        return await kind.open(context)

    # ------------------------------------------------------------------ executions

    async def submit(self, order: Order, tenant_id: UUID = DEFAULT_TENANT) -> Created:
        """Record one execution, and nudge its target. Raises InvalidInputError (spec), NotFoundError (target),
        IdempotencyError; in none of these cases anything is recorded."""
        target = await self.find_target(order.target, tenant_id)
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

        `since`: how far back the remote is listed; a day if not given.
        """
        since = since or self.clock.now() - _SCAN_BACK

        async def fresh() -> Scan:
            async with self._connected(target) as connector:
                return await scan(self.ledger, connector, target, since, self.clock.now())

        return await self._looks.scan(target.id, since, fresh)

    async def repair(self, target: Target, planned: Sequence[PlannedRepair], actor: str) -> list[Repaired]:
        """Make planned repairs in somebody's name, and nudge the target if there is something to go on with."""
        if not planned:
            return []
        async with self._connected(target) as connector:
            repaired = await Repairer(self.ledger, connector, actor=actor, clock=self.clock).apply(planned)
        self._looks.forget(target.id)
        self.nudger.nudge(target.id)
        return repaired

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[AnyConnector]:
        connector = await self.open_connector(target)
        try:
            yield connector
        finally:
            await connector.close()


def _check_settings(connector: str, name: str, settings: JsonObject) -> None:
    try:
        connector_class(connector).abilities.limits.overridden(settings)
    except ValueError as error:
        raise InvalidInputError(f"The settings of target {name!r} are not valid: {error}.") from error


@asynccontextmanager
async def open_kernel(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Kernel]:
    """Open everything: starts the embedded database if it is needed and not running, and brings the schema up to
    date. Raises UnavailableError when the database cannot be had."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(preload)
        url = await database_url(settings)
        keyring = await asyncio.to_thread(load_keyring, settings.secret_key, settings.home_folder)
        opened = await PostgresLedger.open(url, pool_size=settings.pool_size, clock=clock)
        ledger = await stack.enter_async_context(opened)
        queue = await stack.enter_async_context(open_queue(url))
        nudger = Nudger(queue)
        stack.push_async_callback(nudger.flush)
        artifacts = ArtifactStore.open(settings.artifacts_url, settings.home_folder)
        yield Kernel(settings=settings, ledger=ledger, keyring=keyring, artifacts=artifacts, nudger=nudger, clock=clock)


@asynccontextmanager
async def open_worker(settings: Settings, worker: WorkerSettings) -> AsyncIterator[Worker]:
    """A worker process's parts: a kernel, and a queue connection of its own."""
    async with open_kernel(settings) as kernel, open_queue(await database_url(settings)) as queue:
        yield Worker(kernel.ledger, queue, kernel.open_connector, kernel.artifacts, worker, clock=kernel.clock)
