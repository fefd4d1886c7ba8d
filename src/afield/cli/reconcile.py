"""`afield reconcile` and `afield executions find`: what both sides believe, side by side, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Group

from afield.cli.run import Exit, JsonFlag, emit, err, with_kernel
from afield.cli.sides import Compared, compared, picture
from afield.kernel import Kernel
from afield.model.finding import RepairKind
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import Policy, plan_repairs

_Instance = Annotated[
    str | None, typer.Option("--instance-id", "--target", help="Name, id or instance id of a target; all if not given.")
]
_User = Annotated[str | None, typer.Option("--user-email", help="Only executions of this user.")]
_Hours = Annotated[float, typer.Option("--hours", min=0.1, max=24 * 365, help="How far back the remote is listed.")]


async def _compare(kernel: Kernel, target: Target, user: str | None, hours: float) -> Compared:
    scan = await kernel.scan(target, since=kernel.clock.now() - timedelta(hours=hours))
    return compared(target, scan, user)


async def _targets(kernel: Kernel, name: str | None) -> list[Target]:
    return [await kernel.find_target(name)] if name else await kernel.ledger.targets(DEFAULT_TENANT)


def _finish(found: Sequence[Compared], json: bool) -> None:
    if not found:
        err.print("There are no targets to compare.")
    emit([one.to_json() for one in found], Group(*(picture(one) for one in found)), json)
    raise typer.Exit(max((one.exit for one in found), default=Exit.OK))


def find(instance_id: _Instance = None, user_email: _User = None, hours: _Hours = 24, json: JsonFlag = False) -> None:
    """What runs here, what runs there, and what does not fit. Changes nothing."""

    async def work(kernel: Kernel) -> list[Compared]:
        return [await _compare(kernel, target, user_email, hours) for target in await _targets(kernel, instance_id)]

    _finish(with_kernel(work), json)


def reconcile(
    instance_id: _Instance = None,
    user_email: _User = None,
    fix: Annotated[bool, typer.Option("--fix/--dry-run", help="Make the repairs; a dry run is the default.")] = False,
    repair: Annotated[
        list[RepairKind] | None, typer.Option(help="Also make repairs of this kind, which a person has to choose.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="In whose name, for the audit trail. Default: the user's e-mail, or cli.")
    ] = None,
    hours: _Hours = 24,
    json: JsonFlag = False,
) -> None:
    """Compare both sides and settle what differs: automatically only what can neither lose nor start work."""
    policy = Policy(kinds=frozenset(repair or ()))

    async def one(kernel: Kernel, target: Target) -> Compared:
        found = await _compare(kernel, target, user_email, hours)
        planned = plan_repairs(found.findings, policy)
        if not fix:
            return replace(found, planned=planned)
        return replace(found, repaired=await kernel.repair(target, planned, actor or user_email or "cli"))

    async def work(kernel: Kernel) -> list[Compared]:
        return [await one(kernel, target) for target in await _targets(kernel, instance_id)]

    _finish(with_kernel(work), json)
