"""Cloud accounts, which machines are in them, and targets made of those."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from afield.api.access import asks
from afield.api.bodies import Given, Json, Shown, TargetBody
from afield.api.diagnosing import DiagnosisBody
from afield.api.runtime import RuntimeDep, TenantDep
from afield.errors import NotFoundError
from afield.inventory import DiscoveryReport, Inventory
from afield.ledger.machines import MachineFilter, SeenMachine
from afield.security.people import Action

router = APIRouter(tags=["accounts"])


def _inventory(runtime: RuntimeDep) -> Inventory:
    return Inventory(runtime.kernel)


InventoryDep = Annotated[Inventory, Depends(_inventory)]


class NewAccountBody(Given):
    """A place where machines can be found."""

    name: Annotated[str, Field(min_length=1, max_length=128, examples=["azure-prod"])]
    kind: Annotated[str, Field(examples=["azure"])]
    address: Json = Field(default_factory=dict, examples=[{"subscriptions": ["00000000-0000-0000-0000-000000000000"]}])
    credential: Annotated[str | None, Field(description="Name of a credential.", examples=["azure-reader"])] = None


class AccountBody(Shown):
    """A cloud account, without secrets."""

    id: UUID
    name: str
    kind: str
    address: Json
    created_at: datetime


class AccountsBody(Shown):
    """All accounts, by name."""

    items: list[AccountBody]


class DiscoveryBody(Shown):
    """How a discovery went."""

    account: str
    found: int
    new: int
    gone: int
    way: str
    complete: bool
    problem: str
    notes: tuple[str, ...]
    took: float


class MachineBody(Shown):
    """A machine as it was last seen."""

    id: UUID
    remote_id: str
    name: str
    kind: str
    location: str
    group: str
    power: str
    tags: dict[str, str]
    connector: str
    seen_at: datetime
    gone_at: datetime | None

    @classmethod
    def of(cls, seen: SeenMachine) -> MachineBody:
        machine = seen.machine
        return cls(
            id=seen.id,
            remote_id=machine.remote_id,
            name=machine.name,
            kind=machine.kind,
            location=machine.location,
            group=machine.group,
            power=machine.power,
            tags=dict(machine.tags),
            connector=machine.connector,
            seen_at=seen.seen_at,
            gone_at=seen.gone_at,
        )


class MachinesBody(Shown):
    """Machines, by name."""

    items: list[MachineBody]


@router.get("/accounts")
async def list_accounts(inventory: InventoryDep, tenant_id: TenantDep) -> AccountsBody:
    """All cloud accounts, by name."""
    found = await inventory.accounts(tenant_id)
    return AccountsBody(items=[AccountBody.model_validate(one) for one in found])


@router.post("/accounts", status_code=201)
@asks(Action.ADMINISTER)
async def create_account(body: NewAccountBody, inventory: InventoryDep, tenant_id: TenantDep) -> AccountBody:
    """Record a cloud account. Its address is checked before anything is written."""
    made = await inventory.add_account(
        kind=body.kind, name=body.name, address=body.address, credential=body.credential, tenant_id=tenant_id
    )
    return AccountBody.model_validate(made)


@router.delete("/accounts/{account}", status_code=204)
@asks(Action.ADMINISTER)
async def delete_account(account: str, inventory: InventoryDep, tenant_id: TenantDep) -> None:
    """Forget an account and the machines seen in it. Targets stay."""
    await inventory.delete_account(account, tenant_id)


@router.post("/accounts/{account}/test")
@asks(Action.READ)
async def test_account(account: str, inventory: InventoryDep, tenant_id: TenantDep) -> DiagnosisBody:
    """Test the connection without running anything: token, reading, permission to run commands."""
    return DiagnosisBody.of(await inventory.check_account(account, tenant_id))


@router.post("/accounts/{account}/discover")
async def discover_machines(account: str, inventory: InventoryDep, tenant_id: TenantDep) -> DiscoveryBody:
    """Look for the account's machines, and keep what was seen."""
    report: DiscoveryReport = await inventory.discover(account, tenant_id)
    return DiscoveryBody.model_validate(report)


@router.get("/machines")
async def list_machines(
    inventory: InventoryDep,
    tenant_id: TenantDep,
    text: Annotated[str, Query(max_length=128, description="Part of the name.")] = "",
    group: Annotated[str, Query(max_length=128)] = "",
    gone: Annotated[bool, Query(description="Also those that are not there any more.")] = False,
) -> MachinesBody:
    """The machines that were seen, by name."""
    wanted = MachineFilter(text=text, group=group, gone=gone)
    return MachinesBody(items=[MachineBody.of(one) for one in await inventory.machines(wanted, tenant_id=tenant_id)])


@router.post("/machines/{machine_id}/target")
@asks(Action.ADMINISTER)
async def target_of_machine(machine_id: UUID, inventory: InventoryDep, tenant_id: TenantDep) -> TargetBody:
    """The target of a machine; it is made if there is none."""
    for seen in await inventory.machines(MachineFilter(gone=True), tenant_id=tenant_id):
        if seen.id == machine_id:
            return TargetBody.of(await inventory.target_for(seen))
    raise NotFoundError(f"There is no machine {machine_id}.", hint="`GET /api/v1/machines` lists those there are.")
