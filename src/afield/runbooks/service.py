"""Runbooks as faces use them: kept in versions, planned, started as sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.inventory import Inventory
from afield.kernel import Kernel
from afield.ledger.machines import SeenMachine
from afield.model.jsontypes import JsonValue
from afield.model.session import Session
from afield.model.target import Target
from afield.runbooks.inputs import bind
from afield.runbooks.lint import lint
from afield.runbooks.plan import SessionPlan, Start, plan_session, target_names
from afield.runbooks.policy import Verdict
from afield.runbooks.problems import Problem
from afield.runbooks.store import RunbookStore
from afield.runbooks.tickets.model import Ticket
from afield.runbooks.tickets.service import Tickets
from afield.runbooks.tickets.write_back import TICKET_LABEL
from afield.runbooks.versions import RunbookVersion, check_start
from afield.sessions import SessionDesk

RUNBOOK_LABEL, VERSION_LABEL = "runbook", "version"
"""Labels of a session: the runbook and the version it follows."""

_MOST_LANES = 1000

TargetOf = Callable[[SeenMachine], Awaitable[Target]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrder:
    """What somebody wants to be done, and where."""

    runbook_id: str
    version: str | None = None  # None: the newest approved one
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    targets: Sequence[str] = ()  # names or ids; empty: the machine of the ticket
    ticket: str | None = None
    batch_size: int = 1
    error_budget: int = 0
    started_by: str
    idempotency_key: str | None = None


class Runbooks:
    """Runbooks of one tenant."""

    def __init__(self, kernel: Kernel, tenant_id: UUID) -> None:
        self._kernel = kernel
        self._tenant_id = tenant_id
        self.store = RunbookStore(kernel.ledger.database)
        self.desk = SessionDesk(kernel, tenant_id)
        self.tickets = Tickets(kernel, tenant_id)
        self.inventory = Inventory(kernel)

    # ------------------------------------------------------------------ versions

    async def save(self, text: str, by: str) -> tuple[RunbookVersion, list[Problem]]:
        """Keep a draft, and say what is wrong with it. Raises InvalidInputError when it cannot even be read,
        ConflictError when its version was approved with another text."""
        kept = await self.store.save(self._tenant_id, text, by=by, now=self._kernel.clock.now())
        return kept, await asyncio.to_thread(lint, text)  # pure, and up to half a second for the longest

    async def approve(self, runbook_id: str, version: str, by: str) -> RunbookVersion:
        """Let a version be used. Raises InvalidInputError (lint), ConflictError (its author, where risk is high)."""
        return await self.store.approve(self._tenant_id, runbook_id, version, by=by, now=self._kernel.clock.now())

    async def archive(self, runbook_id: str, version: str, by: str) -> RunbookVersion:
        """Let a version be used no more; sessions that follow it go on."""
        return await self.store.archive(self._tenant_id, runbook_id, version, by=by, now=self._kernel.clock.now())

    async def get(self, runbook_id: str, version: str | None = None) -> RunbookVersion:
        """One version; without a number the newest approved one. Raises NotFoundError."""
        if version is None:
            return await self.store.current(self._tenant_id, runbook_id)
        return await self.store.get(self._tenant_id, runbook_id, version)

    # ------------------------------------------------------------------ sessions

    async def plan(self, order: StartOrder) -> SessionPlan:
        """Exactly what would run, and where; nothing is recorded. A draft may be planned too.

        Raises NotFoundError, InvalidInputError, and ConflictError when it is not clear which machine is meant.
        """
        return await self._plan(order, await self.get(order.runbook_id, order.version), self._as_target)

    async def start(self, order: StartOrder) -> tuple[Session, bool]:
        """Record a session for the order; and whether it had been recorded before under its idempotency key.

        Raises what `plan` raises, and InvalidInputError when the policy blocks a step or the version is not approved.
        """
        kept = await self.get(order.runbook_id, order.version)
        check_start(kept)
        planned = await self._plan(order, kept, self.inventory.target_for)
        refuse_blocked(planned)
        return await self.desk.create(planned.session)

    async def _plan(self, order: StartOrder, kept: RunbookVersion, made: TargetOf) -> SessionPlan:
        """`made` gives the target of a machine that may have none yet."""
        runbook = kept.runbook()
        ticket = await self.tickets.find(order.ticket) if order.ticket else None
        lanes = await self._lanes(order, ticket, made)
        labels = {RUNBOOK_LABEL: kept.runbook_id, VERSION_LABEL: kept.version}
        if ticket is not None:
            labels[TICKET_LABEL] = str(ticket.id)
        start = Start(
            runbook=runbook,
            inputs=bind(runbook, order.inputs),
            lanes=lanes,
            named={name: await self._target(name, made) for name in target_names(runbook)},
            started_by=order.started_by,
            batch_size=order.batch_size,
            error_budget=order.error_budget,
            labels=labels,
            idempotency_key=order.idempotency_key,
        )
        return await asyncio.to_thread(plan_session, start)  # the policy reads every script

    async def _lanes(self, order: StartOrder, ticket: Ticket | None, made: TargetOf) -> list[Target]:
        if len(order.targets) > _MOST_LANES:
            raise InvalidInputError(f"{len(order.targets)} targets are too many.", hint=f"{_MOST_LANES} at most.")
        if order.targets:
            found = [await self._target(name, made) for name in order.targets]
            return list({target.id: target for target in found}.values())
        if ticket is None:
            raise InvalidInputError("It is not said where to run.", hint="Name targets, or a ticket that leads to one.")
        return [await made(await self._machine_of(ticket))]

    async def _machine_of(self, ticket: Ticket) -> SeenMachine:
        seen = await self.inventory.machines(tenant_id=self._tenant_id)
        _, resolution = await self.tickets.resolve(str(ticket.id), [one.machine for one in seen])
        if resolution.remote_id is None:
            raise ConflictError(resolution.question, hint="Name the target yourself.")
        return next(one for one in seen if one.machine.remote_id == resolution.remote_id)

    async def _as_target(self, seen: SeenMachine) -> Target:
        """The target of a machine; where there is none, what it would be. Nothing is recorded."""
        machine = seen.machine
        return await self.inventory.target_of(seen) or Target(
            id=seen.id,
            tenant_id=seen.tenant_id,
            connector=machine.connector,
            name=machine.name,
            address=machine.address,
            created_at=self._kernel.clock.now(),
        )

    async def _target(self, name: str, made: TargetOf) -> Target:
        """By name or id; or the machine of exactly this name, which becomes a target. Raises NotFoundError,
        ConflictError (several)."""
        try:
            return await self._kernel.find_target(name, self._tenant_id)
        except NotFoundError:
            seen = await self.inventory.find_machines(name, self._tenant_id)
        if not seen:
            raise NotFoundError(f"There is no target or machine {name!r}.", hint="See `afield targets list`.")
        if len(seen) > 1:
            places = ", ".join(one.machine.remote_id for one in seen)
            raise ConflictError(f"Several machines are called {name!r}: {places}.", hint="Give the machine's id.")
        return await made(seen[0])


def refuse_blocked(planned: SessionPlan) -> None:
    """Raises InvalidInputError naming the steps that the policy forbids."""
    told = [
        f"step {one.step.name!r}: {match.why}"
        for one in planned.blocked
        for judgement in one.judgements
        for match in judgement.matches
        if match.verdict is Verdict.BLOCKED
    ]
    if told:
        hint = "The page on destructive commands says what is allowed where."
        raise InvalidInputError(f"The policy forbids this: {'; '.join(dict.fromkeys(told))}", hint=hint)
