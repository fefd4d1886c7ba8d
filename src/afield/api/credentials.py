"""Credentials: secrets go in and never come out."""

from __future__ import annotations

from fastapi import APIRouter

from afield.api.access import asks
from afield.api.bodies import CredentialBody, CredentialsBody, NewCredentialBody
from afield.api.runtime import KernelDep, TenantDep
from afield.security.people import Action

router = APIRouter(prefix="/credentials", tags=["credentials"])


@router.get("")
async def list_credentials(kernel: KernelDep, tenant_id: TenantDep) -> CredentialsBody:
    """The public part of all credentials."""
    found = await kernel.credentials.list(tenant_id)
    return CredentialsBody(items=[CredentialBody.model_validate(one) for one in found])


@router.post("", status_code=201)
@asks(Action.ADMINISTER)
async def create_credential(body: NewCredentialBody, kernel: KernelDep, tenant_id: TenantDep) -> CredentialBody:
    """Store a credential, encrypted."""
    stored = await kernel.credentials.add(tenant_id, name=body.name, connector=body.connector, secret=dict(body.secret))
    return CredentialBody.model_validate(stored)
