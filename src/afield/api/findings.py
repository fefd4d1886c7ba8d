"""Findings: differences between the two sides that need attention."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from afield.api.bodies import FindingsBody, OpenFindingBody
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.errors import NotFoundError
from afield.model.finding import FindingKind

router = APIRouter(prefix="/findings", tags=["findings"])


@router.get("")
async def list_findings(
    kernel: KernelDep,
    tenant_id: TenantDep,
    target: Annotated[str | None, Query(description="Name or id.")] = None,
    kind: FindingKind | None = None,
    open_only: Annotated[bool, Query(alias="open", description="Leave out the resolved and the ignored.")] = True,
) -> FindingsBody:
    """What needs attention, as the last comparisons left it. Calls no remote."""
    target_id = (await kernel.find_target(target, tenant_id)).id if target else None
    found = await kernel.ledger.findings(tenant_id, target_id=target_id, kind=kind, open_only=open_only)
    return FindingsBody(items=[OpenFindingBody.kept(one) for one in found])


@router.post("/{finding_id}/ignore")
async def ignore_finding(
    finding_id: UUID, kernel: KernelDep, tenant_id: TenantDep, principal: PrincipalDep
) -> OpenFindingBody:
    """Do not report this difference any more. Doing it twice changes nothing."""
    kept = {one.id: one for one in await kernel.ledger.findings(tenant_id, open_only=False)}
    if finding_id not in kept:
        raise NotFoundError(f"There is no finding {finding_id}.", hint="`GET /api/v1/findings` lists those there are.")
    found = kept[finding_id]
    if found.ignored:
        return OpenFindingBody.kept(found)
    finding = found.finding
    await kernel.ledger.ignore(finding.target_id, finding.fingerprint, principal.name, kernel.clock.now())
    after = await kernel.ledger.findings(tenant_id, target_id=finding.target_id, open_only=False)
    return OpenFindingBody.kept(next(one for one in after if one.id == finding_id))
