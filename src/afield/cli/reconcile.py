"""`afield reconcile` and `afield executions find`: what both sides believe, side by side, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from afield.cli.run import Exit, JsonFlag, emit, with_kernel
from afield.cli.show import findings_table
from afield.kernel import Kernel
from afield.model.finding import Finding, FindingKind, RepairKind
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import PlannedRepair, Policy, Repaired, plan_repairs
from afield.reconcile.scan import Scan

_Instance = Annotated[
    str | None, typer.Option("--instance-id", "--target", help="Name, id or instance id of a target.")
]
_User = Annotated[str | None, typer.Option("--user-email", help="Only executions of this user.")]
_Hours = Annotated[float, typer.Option("--hours", min=0.1, help="How far back the remote is listed.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A target's findings, filtered, with what was or would be done."""

    target: Target
    scan: Scan
    findings: Sequence[Finding]
    planned: Sequence[PlannedRepair] = ()
    repaired: Sequence[Repaired] = ()

    @property
    def exit(self) -> Exit:
        """2 could not look, 1 findings, 0 nothing wrong."""
        if not self.scan.looked.complete:
            return Exit.FAILED
        return Exit.FINDINGS if any(one.needs_attention for one in self.findings) else Exit.OK

    def to_json(self) -> dict[str, object]:
        """For `--json`. Every kind is there, also when there is nothing of it."""
        return {
            "target": self.target.name,
            "target_id": self.target.id,
            "looked": self.scan.looked,
            "counts": {kind: sum(one.kind is kind for one in self.findings) for kind in FindingKind},
            "findings": {kind: [one for one in self.findings if one.kind is kind] for kind in FindingKind},
            "planned": [{"finding": p.finding.fingerprint, "repair": p.repair.kind} for p in self.planned],
            "repaired": [
                {
                    "finding": r.planned.finding.fingerprint,
                    "repair": r.planned.repair.kind,
                    "done": r.done,
                    "text": r.text,
                }
                for r in self.repaired
            ],
        }


def of_user(scan: Scan, user_email: str | None) -> list[Finding]:
    """The findings about one user's executions. What nobody here started belongs to no user, and is not left out."""
    if user_email is None:
        return list(scan.findings)

    def theirs(finding: Finding) -> bool:
        execution = scan.executions.get(finding.execution_id) if finding.execution_id else None
        return execution is None or execution.labels.get("user_email") == user_email

    return [finding for finding in scan.findings if theirs(finding)]


async def _compare(kernel: Kernel, target: Target, user: str | None, hours: float) -> Compared:
    scan = await kernel.scan(target, since=kernel.clock.now() - timedelta(hours=hours))
    return Compared(target=target, scan=scan, findings=of_user(scan, user))


async def _targets(kernel: Kernel, name: str | None) -> list[Target]:
    return [await kernel.find_target(name)] if name else await kernel.ledger.targets(DEFAULT_TENANT)


def picture(compared: Compared) -> RenderableType:
    """For people: how the look went, what was found, what was or would be done."""
    looked = compared.scan.looked
    verdict = "complete" if looked.complete else f"NOT COMPLETE: {looked.error}"
    seen = f"{looked.entries} seen in {looked.calls} calls at {looked.taken_at:%H:%M:%S} UTC"
    lines: list[RenderableType] = [f"{compared.target.name}: {seen}, {verdict}", findings_table(compared.findings)]
    lines += [f"would {p.repair.kind} {p.finding.execution_id or p.repair.handle}" for p in compared.planned]
    lines += [
        f"{'did' if r.done else 'did not'} {r.planned.repair.kind} {r.planned.finding.execution_id}: {r.text}"
        for r in compared.repaired
    ]
    return Group(*lines, "")


def _finish(compared: Sequence[Compared], json: bool) -> None:
    emit([one.to_json() for one in compared], Group(*(picture(one) for one in compared)), json)
    raise typer.Exit(max((one.exit for one in compared), default=Exit.OK))


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
    actor: Annotated[str, typer.Option(help="In whose name; kept in the audit trail.")] = "cli",
    hours: _Hours = 24,
    json: JsonFlag = False,
) -> None:
    """Compare both sides and settle what differs: automatically only what can neither lose nor start work."""
    policy = Policy(kinds=frozenset(repair or ()))

    async def one(kernel: Kernel, target: Target) -> Compared:
        compared = await _compare(kernel, target, user_email, hours)
        planned = plan_repairs(compared.findings, policy)
        repaired = await kernel.repair(target, planned, user_email or actor) if fix else []
        return Compared(
            target=target,
            scan=compared.scan,
            findings=compared.findings,
            planned=() if fix else planned,
            repaired=repaired,
        )

    async def work(kernel: Kernel) -> list[Compared]:
        return [await one(kernel, target) for target in await _targets(kernel, instance_id)]

    _finish(with_kernel(work), json)
