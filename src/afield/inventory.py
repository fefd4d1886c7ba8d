"""The inventory of machines: cloud accounts, what was found in them, and targets made of that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog

from afield.connectors.accounts import (
    AccountContext,
    AnyAccount,
    Machine,
    Trail,
    account_class,
    check_account_address,
    preload_accounts,
)
from afield.connectors.base import Check, CheckResult
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.ladder import Climb, climb
from afield.errors import ConflictError, CredentialError
from afield.kernel import Kernel
from afield.ledger.accounts import Accounts, RecordedAccount
from afield.ledger.machines import MachineFilter, Machines, SeenMachine
from afield.model.jsontypes import JsonObject
from afield.model.target import DEFAULT_TENANT, Target

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryReport:
    """How a discovery went."""

    account: str
    found: int
    new: int
    gone: int  # that a complete discovery did not show any more
    way: str  # how they were found, in words
    complete: bool
    problem: str  # why it is not complete
    notes: tuple[str, ...]
    took: float  # seconds


class Inventory:
    """What there is of machines, for one process; built on a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._accounts = Accounts(kernel.ledger.database)
        self._machines = Machines(kernel.ledger.database)

    # ------------------------------------------------------------------ accounts

    async def add_account(
        self,
        *,
        kind: str,
        name: str,
        address: JsonObject,
        credential: str | None = None,
        tenant_id: UUID = DEFAULT_TENANT,
    ) -> RecordedAccount:
        """Record an account after checking its address. Raises InvalidInputError, ConflictError (name), NotFoundError
        (credential)."""
        await asyncio.to_thread(preload_accounts)
        checked = check_account_address(kind, address)
        found = await self._kernel.credentials.find(tenant_id, credential) if credential else None
        credential_id = found.id if found else None
        now = self._kernel.clock.now()
        return await self._accounts.add(
            tenant_id, name, kind=kind, address=checked, credential_id=credential_id, at=now
        )

    async def accounts(self, tenant_id: UUID = DEFAULT_TENANT) -> list[RecordedAccount]:
        """All accounts, by name."""
        return await self._accounts.list(tenant_id)

    async def account(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> RecordedAccount:
        """By name or id. Raises NotFoundError."""
        return await self._accounts.find(tenant_id, name)

    async def delete_account(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> None:
        """Forget an account and the machines seen in it; targets stay. Raises NotFoundError."""
        await self._accounts.delete((await self._accounts.find(tenant_id, name)).id)

    async def check_account(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> Diagnosis:
        """Test the connection without running anything. Raises NotFoundError."""
        recorded = await self._accounts.find(tenant_id, name)
        how = Climb(secrets=(await self._secret(recorded)).values())
        subject = f"account {recorded.name}"
        try:
            async with self._opened(recorded) as account:
                return await climb(subject, account.check(), how)
        except CredentialError as error:  # it lacks something, so nothing could be asked
            return await climb(subject, (Check(name="credential", probe=partial(_refused, error)),), how)

    # ------------------------------------------------------------------ machines

    async def discover(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> DiscoveryReport:
        """Look for an account's machines and keep what was seen. Raises NotFoundError, CredentialError; then nothing
        is changed."""
        recorded = await self._accounts.find(tenant_id, name)
        at, started, trail = self._kernel.clock.now(), time.monotonic(), Trail()
        async with self._opened(recorded) as account:
            found = {machine.remote_id.casefold(): machine async for machine in account.discover(trail)}
        kept = await self._machines.replace_all(recorded.id, found.values(), complete=trail.complete, at=at)
        report = DiscoveryReport(
            account=recorded.name,
            found=len(found),
            new=kept.new,
            gone=kept.gone,
            way=trail.way,
            complete=trail.complete,
            problem=trail.problem,
            notes=tuple(trail.notes),
            took=time.monotonic() - started,
        )
        log.info("inventory.discovered", account=recorded.name, found=report.found, new=report.new, gone=report.gone,
                 way=report.way, complete=report.complete)  # fmt: skip
        return report

    async def machines(
        self, wanted: MachineFilter | None = None, tenant_id: UUID = DEFAULT_TENANT
    ) -> list[SeenMachine]:
        """Machines as they were last seen, by name. Calls no remote."""
        return await self._machines.list(tenant_id, wanted)

    async def find_machines(self, name: str, tenant_id: UUID = DEFAULT_TENANT) -> list[SeenMachine]:
        """All machines of exactly this name, or with this remote id, case aside, that are not gone. Calls no remote."""
        named = await self._machines.named(tenant_id, name)
        return named or [seen for seen in await self._machines.with_remote_id(tenant_id, name) if not seen.gone_at]

    async def target_of(self, seen: SeenMachine) -> Target | None:
        """The target of a machine, if there is one. Raises ConflictError when several are meant for it."""
        found = await self._targets_of(seen)
        return found[0] if found else None

    async def target_for(self, seen: SeenMachine) -> Target:
        """The target of a machine; made, with its account's credential, when there is none for its remote id.

        Raises ConflictError when the machine is gone, or several targets are meant for it: it never guesses.
        """
        found = await self._targets_of(seen)
        if found:
            return found[0]
        if seen.gone_at is not None:
            text = f"Machine {seen.machine.name!r} is gone since {seen.gone_at:%Y-%m-%d %H:%M} UTC."
            raise ConflictError(text, hint="Discover its account again if it should be there.")
        return await self._made_target(seen)

    async def _made_target(self, seen: SeenMachine) -> Target:
        """Names are tried in an order that everybody keeps to, so of several who try at once one makes the target and
        the others find it."""
        credential_id = await self._credential_of(seen)
        machine = seen.machine
        for name in (machine.name, f"{machine.name}-{machine.group}"):
            try:
                return await self._kernel.add_target(
                    connector=machine.connector,
                    name=name,
                    address=machine.address,
                    credential=str(credential_id) if credential_id else None,
                    tenant_id=seen.tenant_id,
                )
            except ConflictError:  # the name is taken: by this very machine, made just now, or by another target
                made = await self._targets_of(seen)
                if made:
                    return made[0]
        raise ConflictError(
            f"The names {machine.name!r} and {name!r} are taken by other targets.", hint="Add the target by hand."
        )

    async def _credential_of(self, seen: SeenMachine) -> UUID | None:
        accounts = {account.id: account for account in await self._accounts.list(seen.tenant_id)}
        return accounts[seen.account_id].credential_id if seen.account_id in accounts else None

    async def _targets_of(self, seen: SeenMachine) -> list[Target]:
        """At most one. Raises ConflictError for more."""
        targets = await self._kernel.ledger.targets(seen.tenant_id)
        found = [target for target in targets if _reaches(target, seen.machine)]
        if len(found) > 1:
            names = ", ".join(target.name for target in found)
            raise ConflictError(f"Several targets are this machine: {names}.", hint="Name the target itself.")
        return found

    # ------------------------------------------------------------------ opening

    @asynccontextmanager
    async def _opened(self, recorded: RecordedAccount) -> AsyncIterator[AnyAccount]:
        await asyncio.to_thread(preload_accounts)
        kernel, secret = self._kernel, await self._secret(recorded)
        context = AccountContext(
            account_id=recorded.id,
            name=recorded.name,
            address=recorded.address,
            secret=secret,
            tokens=kernel.token_source(recorded.credential_id, secret),
            clock=kernel.clock,
        )
        account = await account_class(recorded.kind).open(context)
        try:
            yield account
        finally:
            await account.close()

    async def _secret(self, recorded: RecordedAccount) -> dict[str, str]:
        return await self._kernel.credentials.secret(recorded.credential_id) if recorded.credential_id else {}


async def _refused(error: CredentialError) -> CheckResult:
    raise error


def _reaches(target: Target, machine: Machine) -> bool:
    """Whether a target is this machine: the same connector, and the machine's id in its address, case aside."""
    wanted = machine.remote_id.casefold()
    values = (value.rstrip("/").casefold() for value in target.address.values() if isinstance(value, str))
    return target.connector == machine.connector and wanted in values
