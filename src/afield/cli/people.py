"""`afield people`: who may call the API, and as what."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from afield.cli.run import JsonFlag, emit, with_kernel
from afield.kernel import Kernel
from afield.ledger.people import People, Person
from afield.model.target import DEFAULT_TENANT
from afield.security.people import Role

people = typer.Typer(help="Who may call the API, and as what.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="What to call them; names in the audit trail.")]


@people.command("add")
def add_person(
    name: _Name,
    role: Annotated[Role, typer.Option(help="viewer, approver, operator or admin.")],
    json: JsonFlag = False,
) -> None:
    """Let somebody in, and print their token, this once. From the first person on, everybody needs a token."""

    async def work(kernel: Kernel) -> tuple[Person, str]:
        return await People(kernel.ledger.database).add(DEFAULT_TENANT, name, role)

    person, token = with_kernel(work)
    emit({"name": person.name, "role": person.role, "token": token}, token, json)


@people.command("list")
def list_people(json: JsonFlag = False) -> None:
    """Everybody who may call."""

    async def work(kernel: Kernel) -> list[Person]:
        return await People(kernel.ledger.database).list(DEFAULT_TENANT)

    found = with_kernel(work)
    table = Table("name", "role", "since", box=None)
    for person in found:
        table.add_row(person.name, person.role, f"{person.created_at:%Y-%m-%d %H:%M}")
    emit(found, table, json)


@people.command("remove")
def remove_person(name: _Name, json: JsonFlag = False) -> None:
    """Take somebody's token back; it works for a few seconds more at most."""

    async def work(kernel: Kernel) -> Person:
        return await People(kernel.ledger.database).revoke(DEFAULT_TENANT, name, kernel.clock.now())

    person = with_kernel(work)
    emit(person, f"The token of {person.name} is taken back.", json)
