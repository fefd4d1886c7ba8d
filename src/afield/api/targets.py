"""Targets: places where work can run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from afield.api.access import asks
from afield.api.bodies import GivenTime, Json, NewTargetBody, TargetBody, TargetPatch, TargetsBody
from afield.api.comparing import ComparisonBody
from afield.api.runtime import KernelDep, TenantDep
from afield.security.people import Action

router = APIRouter(prefix="/targets", tags=["targets"])

TargetName = Annotated[str, Path(description="Name or id, or the remote's own name for it.", examples=["amc-north"])]


@router.get("")
async def list_targets(kernel: KernelDep, tenant_id: TenantDep) -> TargetsBody:
    """All targets, by name."""
    found = await kernel.ledger.targets(tenant_id)
    return TargetsBody(items=[TargetBody.of(target) for target in found])


@router.post("", status_code=201)
@asks(Action.ADMINISTER)
async def create_target(body: NewTargetBody, kernel: KernelDep, tenant_id: TenantDep, response: Response) -> TargetBody:
    """Record a target. Its address and settings are checked before anything is written."""
    target = await kernel.add_target(
        connector=body.connector,
        name=body.name,
        address=body.address,
        settings=body.settings,
        credential=body.credential,
        tenant_id=tenant_id,
    )
    response.headers["location"] = f"/api/v1/targets/{target.id}"
    return TargetBody.of(target)


@router.get("/{target}")
async def show_target(target: TargetName, kernel: KernelDep, tenant_id: TenantDep) -> TargetBody:
    """One target: who drives it, and how its last look went."""
    return TargetBody.of(await kernel.find_target(target, tenant_id))


@router.patch("/{target}")
@asks(Action.ADMINISTER)
async def change_target(target: TargetName, body: TargetPatch, kernel: KernelDep, tenant_id: TenantDep) -> TargetBody:
    """Change settings (merged into those there are; null removes one) or the credential."""
    found = await kernel.find_target(target, tenant_id)
    settings = None if body.settings is None else merged(found.settings, body.settings)
    changed = await kernel.change_target(found, settings=settings, credential=body.credential)
    return TargetBody.of(changed)


def merged(settings: Json, changes: Json) -> Json:
    """Settings with changes on top; null removes one."""
    return {name: value for name, value in (settings | changes).items() if value is not None}


@router.post("/{target}/look")
@asks(Action.READ)
async def look_at_target(
    target: TargetName, kernel: KernelDep, tenant_id: TenantDep, since: GivenTime | None = None
) -> ComparisonBody:
    """Ask the remote now and compare. Many callers at once share one look; nothing is repaired."""
    found = await kernel.find_target(target, tenant_id)
    return ComparisonBody.of(await kernel.scan(found, since=since))
