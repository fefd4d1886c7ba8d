"""`afield accounts`: where machines can be found; `afield targets discover` and `resolve`: which of them are meant."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from afield.cli.diagnose import finish
from afield.cli.run import Exit, JsonFlag, emit, with_kernel
from afield.cli.targets import read_json
from afield.diagnose.diagnosis import Diagnosis
from afield.inventory import DiscoveryReport, Inventory
from afield.kernel import Kernel
from afield.ledger.machines import MachineFilter, SeenMachine
from afield.model.target import DEFAULT_TENANT, Target
from afield.runbooks.tickets.model import Ticket
from afield.runbooks.tickets.resolve import Resolution
from afield.runbooks.tickets.service import Tickets

accounts = typer.Typer(help="Cloud accounts, where machines can be found.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the account.")]


@accounts.command("add")
def add_account(
    name: _Name,
    kind: Annotated[str, typer.Option(help="The kind of cloud: azure.")],
    address: Annotated[str, typer.Option(help="A JSON object, or @FILE, or - for standard input.")] = "{}",
    credential: Annotated[str | None, typer.Option(help="Name of a credential.")] = None,
    json: JsonFlag = False,
) -> None:
    """Record a cloud account. Its address is checked before anything is written."""
    where = read_json(address)

    async def work(kernel: Kernel) -> None:
        made = await Inventory(kernel).add_account(kind=kind, name=name, address=where, credential=credential)
        emit(made, f"Account {made.name} is recorded ({made.id}).", json)

    with_kernel(work)


@accounts.command("list")
def list_accounts(json: JsonFlag = False) -> None:
    """All cloud accounts, and when their machines were last looked for."""

    async def work(kernel: Kernel) -> None:
        found = await Inventory(kernel).accounts()
        table = Table("name", "kind", "discovered", box=None)
        for one in found:
            table.add_row(one.name, one.kind, f"{one.discovered_at:%Y-%m-%d %H:%M}" if one.discovered_at else "never")
        emit(found, table, json)

    with_kernel(work)


@accounts.command("test")
def test_account(name: _Name, json: JsonFlag = False) -> None:
    """Test the connection without running anything: token, reading, permission to run commands."""

    async def work(kernel: Kernel) -> Diagnosis:
        return await Inventory(kernel).check_account(name)

    finish(with_kernel(work), json)


@accounts.command("remove")
def remove_account(name: _Name, json: JsonFlag = False) -> None:
    """Forget an account and the machines seen in it. Targets stay."""

    async def work(kernel: Kernel) -> None:
        await Inventory(kernel).delete_account(name)
        emit({"name": name}, f"Account {name} is forgotten.", json)

    with_kernel(work)


def discover_targets(
    account: Annotated[str | None, typer.Option(help="Name of one account; all of them if not given.")] = None,
    add: Annotated[bool, typer.Option(help="Also make a target of every machine that has none.")] = False,
    json: JsonFlag = False,
) -> None:
    """Look for machines in cloud accounts, and keep what was seen."""

    async def work(kernel: Kernel) -> int:
        inventory = Inventory(kernel)
        names = [account] if account else [one.name for one in await inventory.accounts()]
        reports = [await inventory.discover(name) for name in names]
        seen = await inventory.machines(MachineFilter())
        targets = [await inventory.target_for(one) for one in seen] if add else []
        emit({"reports": reports, "machines": seen, "targets": targets}, _discovered(reports, seen, targets), json)
        return Exit.OK if all(report.complete for report in reports) else Exit.FINDINGS

    raise typer.Exit(with_kernel(work))


def _discovered(
    reports: list[DiscoveryReport], seen: list[SeenMachine], targets: list[Target]
) -> RenderableType:  # fmt: skip
    table = Table("machine", "group", "location", "system", "power", "seen", box=None)
    for one in seen:
        machine = one.machine
        table.add_row(
            machine.name, machine.group, machine.location, machine.kind, machine.power, f"{one.seen_at:%m-%d %H:%M}"
        )
    told = [Text(_told(report)) for report in reports] or [Text("No accounts. `afield accounts add` adds one.")]
    made = [Text(f"{len(targets)} machines are targets now.")] if targets else []
    return Group(table, *told, *made)


def _told(report: DiscoveryReport) -> str:
    end = "" if report.complete else f" Not complete: {report.problem}"
    return f"{report.account}: {report.found} machines ({report.new} new, {report.gone} gone), by {report.way}.{end}"


def resolve_target(
    ticket: Annotated[str, typer.Option(help="The ticket's id, here or at its sender.")],
    json: JsonFlag = False,
) -> None:
    """Which machine a ticket is about, and every step to it. A question when it is none or several; never a guess."""

    async def work(kernel: Kernel) -> tuple[Ticket, Resolution]:
        seen = await Inventory(kernel).machines()
        return await Tickets(kernel, DEFAULT_TENANT).resolve(ticket, [one.machine for one in seen])

    found, resolution = with_kernel(work)
    plain = {"ticket": found.external_id, "remote_id": resolution.remote_id, **_plain(resolution)}
    emit(plain, _told_steps(resolution), json)
    raise typer.Exit(Exit.OK if resolution.remote_id else Exit.FINDINGS)


def _plain(resolution: Resolution) -> dict[str, object]:
    return {"question": resolution.question, "candidates": resolution.ids, "steps": resolution.steps}


def _told_steps(resolution: Resolution) -> RenderableType:
    table = Table("rule", "looked at", "names found", "result", box=None)
    for step in resolution.steps:
        table.add_row(step.rule, step.looked_at, ", ".join(step.names), step.result)
    return Group(table, Text(resolution.question or f"The machine is {resolution.remote_id}."))
