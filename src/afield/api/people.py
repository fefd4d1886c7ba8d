"""People: who may call, and as what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from afield.api.access import asks
from afield.api.bodies import Given, Shown
from afield.api.runtime import KernelDep, PrincipalDep, RuntimeDep, TenantDep
from afield.ledger.people import People
from afield.security.people import Action, Role

router = APIRouter(tags=["people"])


class PrincipalBody(Shown):
    """Who is calling."""

    name: str
    role: Role


class PersonBody(Shown):
    """Somebody who may call."""

    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class PeopleBody(Shown):
    """Everybody who may call."""

    items: list[PersonBody]


class NewPersonBody(Given):
    """Somebody new."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    role: Role


class AddedPersonBody(PersonBody):
    """Somebody new, and the token, which is shown this once."""

    token: str


@router.get("/me")
async def show_me(principal: PrincipalDep) -> PrincipalBody:
    """Who the given token belongs to."""
    return PrincipalBody(name=principal.name, role=principal.role)


@router.get("/people")
@asks(Action.ADMINISTER)
async def list_people(kernel: KernelDep, tenant_id: TenantDep) -> PeopleBody:
    """Everybody who may call, by name."""
    found = await People(kernel.ledger.database).list(tenant_id)
    return PeopleBody(items=[PersonBody.model_validate(one) for one in found])


@router.post("/people", status_code=201)
@asks(Action.ADMINISTER)
async def add_person(body: NewPersonBody, runtime: RuntimeDep, tenant_id: TenantDep) -> AddedPersonBody:
    """Let somebody in. From the first person on, everybody needs a token."""
    person, token = await People(runtime.kernel.ledger.database).add(tenant_id, body.name, body.role)
    runtime.doorkeeper.forget()
    return AddedPersonBody.model_validate(asdict(person) | {"token": token})


@router.delete("/people/{name}")
@asks(Action.ADMINISTER)
async def remove_person(name: str, runtime: RuntimeDep, tenant_id: TenantDep) -> PersonBody:
    """Take somebody's token back; at other processes it works for a few seconds more at most."""
    kernel = runtime.kernel
    revoked = await People(kernel.ledger.database).revoke(tenant_id, name, kernel.clock.now())
    runtime.doorkeeper.forget()
    return PersonBody.model_validate(revoked)
