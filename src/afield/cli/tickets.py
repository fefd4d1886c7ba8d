"""`afield tickets`: what people and monitors asked for; `afield webhooks`: where that comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from afield.cli.run import Exit, JsonFlag, emit, fail, with_kernel
from afield.cli.targets import read_json
from afield.errors import InvalidInputError
from afield.kernel import Kernel
from afield.model.target import DEFAULT_TENANT
from afield.runbooks.tickets.model import SourceKind, Ticket, TicketIn, TicketStatus
from afield.runbooks.tickets.service import Tickets

tickets = typer.Typer(help="Tickets and alerts: what people and monitors asked for.", no_args_is_help=True)
webhooks = typer.Typer(help="Where tickets and alerts come in.", no_args_is_help=True)


def _of(kernel: Kernel) -> Tickets:
    return Tickets(kernel, DEFAULT_TENANT)


def _table(found: list[Ticket]) -> Table:
    table = Table("id", "from", "status", "severity", "machine", "title", box=None)
    for one in found:
        table.add_row(one.external_id, one.source, one.status, one.severity, one.ci_name or "-", one.title)
    return table


@tickets.command("list")
def list_tickets(
    status: Annotated[TicketStatus | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    json: JsonFlag = False,
) -> None:
    """Tickets, newest first."""

    async def work(kernel: Kernel) -> None:
        found, _ = await _of(kernel).page(status=status, limit=limit)
        emit(found, _table(found), json)

    with_kernel(work)


@tickets.command("show")
def show_ticket(
    ticket: Annotated[str, typer.Argument(help="The ticket's id, here or at its sender.")], json: JsonFlag = False
) -> None:
    """One ticket, whole."""

    async def work(kernel: Kernel) -> None:
        found = await _of(kernel).find(ticket)
        emit(found, _table([found]), json)

    with_kernel(work)


@tickets.command("add")
def add_ticket(
    ticket: Annotated[str, typer.Argument(help="Its id where it comes from, such as INC0042.")],
    title: Annotated[str, typer.Option(help="One line.")],
    description: Annotated[str, typer.Option(help="The rest.")] = "",
    ci_name: Annotated[str | None, typer.Option(help="Name of the machine it is about.")] = None,
    json: JsonFlag = False,
) -> None:
    """Record a ticket by hand. The same id again changes it."""
    if not ticket.strip() or not title.strip():
        fail(InvalidInputError("A ticket has an id and a title."))

    async def work(kernel: Kernel) -> None:
        new = TicketIn(external_id=ticket, title=title, description=description, ci_name=ci_name)
        made = await _of(kernel).add(new)
        emit(made, f"Ticket {made.external_id} is recorded ({made.id}).", json)

    with_kernel(work)


@tickets.command("import")
def import_tickets(
    file: Annotated[Path, typer.Argument(help="CSV with a header line.")],
    partial: Annotated[bool, typer.Option(help="Take the good rows even if there are bad ones.")] = False,
    json: JsonFlag = False,
) -> None:
    """Tickets from a CSV file: all rows, or none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(InvalidInputError(f"{file} cannot be read: {error}."))

    async def work(kernel: Kernel) -> int:
        taken, bad = await _of(kernel).import_csv(text, partial=partial)
        left = "".join(f"\nLine {row.line} was left out: {row.problem}" for row in bad)
        emit({"tickets": taken, "bad": bad}, f"{len(taken)} tickets were taken.{left}", json)
        return Exit.FINDINGS if bad else Exit.OK

    raise typer.Exit(with_kernel(work))


@webhooks.command("add")
def add_webhook(
    name: Annotated[str, typer.Argument(help="What to call it; it listens at /hooks/NAME.")],
    kind: Annotated[SourceKind, typer.Option(help="Whose format it speaks.")],
    secret_file: Annotated[Path, typer.Option(help="File that holds the secret shared with the sender.")],
    mapping: Annotated[str, typer.Option(help="Where each field is: a JSON object, or @FILE, or -.")] = "{}",
    write_back_url: Annotated[str | None, typer.Option(help="https address that is told how tickets ended.")] = None,
    json: JsonFlag = False,
) -> None:
    """Let a sender of tickets in."""
    paths = read_json(mapping)
    try:
        secret = secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(InvalidInputError(f"{secret_file} cannot be read: {error}."))

    async def work(kernel: Kernel) -> None:
        made = await _of(kernel).add_webhook(name, kind, secret, mapping=paths, write_back_url=write_back_url)
        emit(made, f"Webhook {made.name} takes deliveries at /hooks/{made.name}.", json)

    with_kernel(work)


@webhooks.command("list")
def list_webhooks(json: JsonFlag = False) -> None:
    """Where tickets come in. Never a secret."""

    async def work(kernel: Kernel) -> None:
        found = await _of(kernel).webhooks.list(DEFAULT_TENANT)
        table = Table("name", "kind", "tells", box=None)
        for one in found:
            table.add_row(one.name, one.kind, one.write_back_url or "-")
        emit(found, table, json)

    with_kernel(work)


@webhooks.command("remove")
def remove_webhook(name: Annotated[str, typer.Argument(help="Its name.")], json: JsonFlag = False) -> None:
    """Let the sender in no more. Its tickets stay."""

    async def work(kernel: Kernel) -> None:
        await _of(kernel).webhooks.remove(DEFAULT_TENANT, name)
        emit({"name": name}, f"Webhook {name} is removed.", json)

    with_kernel(work)
